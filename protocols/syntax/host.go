package syntax

// SplitHost checks `uri-host [ ":" port ]` and splits it. User information, an empty host, and a port that is not a
// number up to 65535, are refused (RFC 9110 section 4.2.1: "A sender MUST NOT generate an "http" URI with an empty host
// identifier. A recipient that processes such a URI reference MUST reject it as invalid.").
func SplitHost(b []byte) (host, port []byte, ok bool) {
	if len(b) == 0 || !Host.All(b) {
		return nil, nil, false
	}
	end := 0
	if b[0] == '[' {
		for end < len(b) && b[end] != ']' {
			end++
		}
		if end == len(b) || !isIPv6(b[1:end]) {
			return nil, nil, false
		}
		end++
	} else {
		for end < len(b) && b[end] != ':' {
			if b[end] == '[' || b[end] == ']' {
				return nil, nil, false
			}
			end++
		}
	}
	if end == 0 {
		return nil, nil, false
	}
	if end == len(b) {
		return b, nil, true
	}
	if b[end] != ':' || !isPort(b[end+1:]) {
		return nil, nil, false
	}
	return b[:end], b[end+1:], true
}

// isIPv6 checks the bytes of an IPv6 address, not its grammar: nothing is decided by it but whether it can be read as
// something else.
func isIPv6(b []byte) bool {
	colons := 0
	for _, c := range b {
		switch {
		case c == ':':
			colons++
		case c == '.' || c >= '0' && c <= '9' || Lower(c) >= 'a' && Lower(c) <= 'f':
		default:
			return false
		}
	}
	return colons >= 2 && len(b) <= 45
}

// isPort accepts up to five digits up to 65535; none at all, too ("host:" is `port = *DIGIT`).
func isPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || len(b) > 5 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}
