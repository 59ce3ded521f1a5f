package http1

import "sluice/protocols"

// Protocol describes HTTP/1. The codec that Client makes has a method KeepAliveTimeout() time.Duration.
func Protocol() *protocols.Protocol {
	return &protocols.Protocol{
		ID:        protocols.ProtocolHTTP1,
		Name:      "Http1",
		PrefixLen: prefixLen,
		Detect:    detect,
		Server:    func(env *protocols.Env) protocols.Codec { return &server{env: env} },
		Client:    func(env *protocols.Env) protocols.Codec { return &client{env: env} },
	}
}

// prefixLen is enough for any method in upper case and the space behind it.
const prefixLen = 24

// detect recognises a method in upper-case letters, and the space behind it. HTTP/2's preface starts like that, too.
func detect(prefix []byte) protocols.Match {
	for i, c := range prefix {
		switch {
		case i == prefixLen:
			return protocols.MatchNo
		case c >= 'A' && c <= 'Z' || (c == '-' || c == '_') && i > 0:
		case c == ' ' && i >= 3 && string(prefix[:i]) != "PRI":
			return protocols.MatchYes
		default:
			return protocols.MatchNo
		}
	}
	if len(prefix) >= prefixLen {
		return protocols.MatchNo
	}
	return protocols.MatchMaybe
}
