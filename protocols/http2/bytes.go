package http2

import (
	"encoding/binary"
	"math/bits"
)

// A class is a set of bytes; classes are bits of byteClass.
type class uint8

const (
	className   class = 1 << iota // tchar of RFC 9110 section 5.6.2, but upper case
	classToken                    // tchar
	classTarget                   // what may stand in a path and query: visible ASCII but '#'
	classValue                    // field-vchar, SP and HTAB of RFC 9110 section 5.5
	classHost                     // host and port: unreserved, sub-delims but ',', and % : [ ]
)

var byteClass = buildClasses()

func buildClasses() (t [256]class) {
	for i := range t {
		c := byte(i)
		upper := c >= 'A' && c <= 'Z'
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || upper
		if alnum || contains("!#$%&'*+-.^_`|~", c) {
			t[i] |= classToken
			if !upper {
				t[i] |= className
			}
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[i] |= classTarget
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[i] |= classValue
		}
		if alnum || contains("-._~!$&'()*+;=%:[]", c) {
			t[i] |= classHost
		}
	}
	return t
}

func contains(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}

// allIn reports whether every byte of b is in c.
func allIn(b []byte, c class) bool {
	for _, x := range b {
		if byteClass[x]&c == 0 {
			return false
		}
	}
	return true
}

const (
	lanes = 0x0101010101010101
	highs = 0x8080808080808080
)

// validValue reports whether a field can hold the value b: no controls but HTAB, and (RFC 9113 section 8.2.1) "A field
// value MUST NOT start or end with an ASCII whitespace character".
//
// Eight bytes at a time: (x - n*lanes) &^ x has the high bit of each byte below n, and the same of x ^ c*lanes, with
// n = 1, of each byte equal to c. A borrow only marks bytes above a true mark, which are then looked at one by one.
func validValue(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if first, last := b[0], b[len(b)-1]; first == ' ' || first == '\t' || last == ' ' || last == '\t' {
		return false
	}
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7f*lanes
		if m := ((x-0x20*lanes)&^x | (del-lanes)&^del) & highs; m != 0 {
			if i := bits.TrailingZeros64(m) >> 3; b[i] != '\t' {
				return false
			}
			if !allIn(b[:8], classValue) {
				return false
			}
		}
		b = b[8:]
	}
	return allIn(b, classValue)
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

func equalFoldBytes(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// validAuthority checks `uri-host [ ":" port ]`. User information, an empty host, and a port that is not a number up to
// 65535, are refused (RFC 9113 section 8.3.1: "":authority" MUST NOT include the deprecated userinfo subcomponent").
// needPort asks for a port, which CONNECT has (RFC 9110 section 9.3.6).
func validAuthority(b []byte, needPort bool) bool {
	if len(b) == 0 || !allIn(b, classHost) {
		return false
	}
	end := 0
	if b[0] == '[' {
		for end < len(b) && b[end] != ']' {
			end++
		}
		if end == len(b) || !isIPv6(b[1:end]) {
			return false
		}
		end++
	} else {
		for end < len(b) && b[end] != ':' {
			if b[end] == '[' || b[end] == ']' {
				return false
			}
			end++
		}
	}
	switch {
	case end == 0:
		return false
	case end == len(b):
		return !needPort
	case b[end] != ':':
		return false
	}
	return isPort(b[end+1:]) && !(needPort && end+1 == len(b))
}

// isIPv6 checks the bytes of an IPv6 address, not its grammar: nothing is decided by it but whether it can be read as
// something else.
func isIPv6(b []byte) bool {
	colons := 0
	for _, c := range b {
		switch {
		case c == ':':
			colons++
		case c == '.' || c >= '0' && c <= '9' || lower(c) >= 'a' && lower(c) <= 'f':
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

// validTarget checks a :path: origin form, or "*" for OPTIONS (RFC 9113 section 8.3.1).
func validTarget(b []byte, options bool) bool {
	if len(b) == 0 {
		return false
	}
	if b[0] != '/' {
		return options && len(b) == 1 && b[0] == '*'
	}
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		del, hash := x^0x7f*lanes, x^'#'*lanes
		if ((x-0x21*lanes)&^x|(del-lanes)&^del|(hash-lanes)&^hash|x)&highs != 0 {
			return false
		}
		b = b[8:]
	}
	return allIn(b, classTarget)
}

// isProtocolName checks `token ["/" token]` of RFC 9110 section 7.8.
func isProtocolName(b []byte) bool {
	for i, c := range b {
		if c == '/' {
			return i > 0 && i+1 < len(b) && allIn(b[:i], classToken) && allIn(b[i+1:], classToken)
		}
	}
	return len(b) > 0 && allIn(b, classToken)
}
