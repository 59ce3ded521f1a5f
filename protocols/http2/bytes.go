package http2

import "sluice/protocols/syntax"

// validValue reports whether a field can hold the value b: no controls but HTAB, and (RFC 9113 section 8.2.1) "A field
// value MUST NOT start or end with an ASCII whitespace character".
func validValue(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if first, last := b[0], b[len(b)-1]; first == ' ' || first == '\t' || last == ' ' || last == '\t' {
		return false
	}
	return syntax.ScanValue(b, 0) == len(b)
}

// parseLength reads a Content-Length: `1*DIGIT` and nothing else (RFC 9110 section 8.6).
func parseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		d := c - '0'
		if d > 9 || n > (1<<63-1-9)/10 {
			return -1, false
		}
		n = n*10 + int64(d)
	}
	return n, len(b) > 0
}

// parseStatus reads a :status: three digits, 100 or more (RFC 9110 section 15).
func parseStatus(b []byte) (n int, ok bool) {
	if len(b) != 3 || b[0] == '0' {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// validAuthority checks `uri-host [ ":" port ]` (RFC 9113 section 8.3.1: "":authority" MUST NOT include the deprecated
// userinfo subcomponent"). needPort asks for a port, which CONNECT has (RFC 9110 section 9.3.6).
func validAuthority(b []byte, needPort bool) bool {
	_, port, ok := syntax.SplitHost(b)
	return ok && (!needPort || len(port) > 0)
}

// validTarget checks a :path: origin form, or "*" for OPTIONS (RFC 9113 section 8.3.1).
func validTarget(b []byte, options bool) bool {
	if len(b) == 0 {
		return false
	}
	if b[0] != '/' {
		return options && len(b) == 1 && b[0] == '*'
	}
	return syntax.ScanTarget(b, 0) == len(b)
}
