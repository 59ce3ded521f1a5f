package syntax

// EqualFold reports whether a and b are equal when ASCII letters are compared without case.
func EqualFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if Lower(a[i]) != Lower(b[i]) {
			return false
		}
	}
	return true
}

// Lower is c in lower case, if it is an ASCII letter.
func Lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// IsProtocolName checks `token ["/" token]` of RFC 9110 section 7.8.
func IsProtocolName(b []byte) bool {
	for i, c := range b {
		if c == '/' {
			return i > 0 && i+1 < len(b) && Token.All(b[:i]) && Token.All(b[i+1:])
		}
	}
	return len(b) > 0 && Token.All(b)
}
