package dubbo

import (
	"sluice/protocols"
	"sluice/protocols/rpc"
)

// Protocol describes Dubbo. Its codecs are [protocols.Multiplexer]s.
func Protocol() *protocols.Protocol {
	return &protocols.Protocol{
		ID:          protocols.ProtocolDubbo,
		Name:        "dubbo",
		Multiplexed: true,
		Connections: 1,
		InTurn:      true,
		PrefixLen:   prefixLen,
		Detect:      detect,
		Server:      func(env *protocols.Env) protocols.Codec { return rpc.NewServer(spec, env) },
		Client:      func(env *protocols.Env) protocols.Codec { return rpc.NewClient(spec, env) },
	}
}

// spec is Dubbo for package rpc.
var spec = &rpc.Spec{ID: protocols.ProtocolDubbo, Format: format{}, Announces: true}

// prefixLen is the magic number and the flags.
const prefixLen = 3

// detect recognises the first bytes of a request, with which a client begins.
func detect(prefix []byte) protocols.Match {
	switch {
	case len(prefix) > 0 && prefix[0] != magic>>8, len(prefix) > 1 && prefix[1] != magic&0xff,
		len(prefix) > 2 && prefix[2]&flagRequest == 0:
		return protocols.MatchNo
	case len(prefix) < prefixLen:
		return protocols.MatchMaybe
	}
	return protocols.MatchYes
}
