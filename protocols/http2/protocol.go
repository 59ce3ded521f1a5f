package http2

import "sluice/protocols"

// preface is what a client sends first (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Protocol describes HTTP/2. Both codecs implement [protocols.Multiplexer] and [protocols.Closer].
func Protocol() *protocols.Protocol {
	return &protocols.Protocol{
		ID:          protocols.ProtocolHTTP2,
		Name:        "Http2",
		Multiplexed: true,
		PrefixLen:   len(preface),
		Detect:      detect,
		Server:      func(env *protocols.Env) protocols.Codec { return newServer(env) },
		Client:      func(env *protocols.Env) protocols.Codec { return newClient(env) },
	}
}

func detect(prefix []byte) protocols.Match {
	n := min(len(prefix), len(preface))
	switch {
	case string(prefix[:n]) != preface[:n]:
		return protocols.MatchNo
	case n < len(preface):
		return protocols.MatchMaybe
	}
	return protocols.MatchYes
}
