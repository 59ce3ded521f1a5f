package bolt

import "sluice/protocols"

// Protocol describes SOFABolt, both versions. Its codecs are [protocols.Multiplexer]s.
func Protocol() *protocols.Protocol {
	return &protocols.Protocol{
		ID:          protocols.ProtocolBolt,
		Name:        "bolt",
		Multiplexed: true,
		Connections: 1,
		InTurn:      true,
		Sized:       true,
		PrefixLen:   prefixLen,
		Detect:      detect,
		Server:      func(env *protocols.Env) protocols.Codec { return newServer(env) },
		Client:      func(env *protocols.Env) protocols.Codec { return newClient(env) },
	}
}

// prefixLen is a frame's version, type and command, in version 2 where they take one byte more.
const prefixLen = 5

// detect recognises the first bytes of a frame that a client may begin with: a request of either kind, a heartbeat.
func detect(prefix []byte) protocols.Match {
	if len(prefix) == 0 {
		return protocols.MatchMaybe
	}
	at := 1 // of the type
	switch prefix[0] {
	case version1:
	case version2:
		at = 2
	default:
		return protocols.MatchNo
	}
	switch {
	case len(prefix) > 1 && at == 2 && prefix[1] != 1 && prefix[1] != 2,
		len(prefix) > at && prefix[at] != kindRequest && prefix[at] != kindOneWay,
		len(prefix) > at+1 && prefix[at+1] != 0:
		return protocols.MatchNo
	case len(prefix) < at+3:
		return protocols.MatchMaybe
	}
	switch prefix[at+2] {
	case commandHeartbeat, commandRequest, commandGoAway:
		return protocols.MatchYes
	}
	return protocols.MatchNo
}
