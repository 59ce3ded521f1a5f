package http1

import (
	"encoding/binary"
	"math/bits"
)

// A class is a set of bytes; classes are bits of byteClass.
type class uint8

const (
	classToken   class = 1 << iota // tchar of RFC 9110 section 5.6.2
	classTarget                    // what may stand in a request target: visible ASCII but '#'
	classValue                     // field-vchar, SP and HTAB of RFC 9110 section 5.5
	classHost                      // host and port: unreserved, sub-delims but ',', and % : [ ]
	classQuoted                    // qdtext of RFC 9110 section 5.6.4
	classEscaped                   // what may follow a backslash in a quoted string
)

var byteClass = buildClasses()

func buildClasses() (t [256]class) {
	for i := range t {
		c := byte(i)
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if alnum || contains("!#$%&'*+-.^_`|~", c) {
			t[i] |= classToken
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[i] |= classTarget
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[i] |= classValue | classEscaped
			if c != '"' && c != '\\' {
				t[i] |= classQuoted
			}
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

// In the two scans below, eight bytes at a time: (x - n*lanes) &^ x has the high bit of each byte below n, and the same
// of x ^ c*lanes, with n = 1, of each byte equal to c. A borrow can only mark bytes above a true one, and the lowest
// mark is what is used.
const (
	lanes = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanValue returns the index of the first byte from i on that a field value can't hold (CTL but HTAB), or len(b).
func scanValue(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ 0x7f*lanes
		m := ((x-0x20*lanes)&^x | (del-lanes)&^del) & highs
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && byteClass[b[i]]&classValue != 0 {
		i++
	}
	return i
}

// scanTarget returns the index of the first byte from i on that a request target can't hold, or len(b).
func scanTarget(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del, hash := x^0x7f*lanes, x^'#'*lanes
		m := ((x-0x21*lanes)&^x | (del-lanes)&^del | (hash-lanes)&^hash | x) & highs
		if m == 0 {
			i += 8
			continue
		}
		return i + bits.TrailingZeros64(m)>>3
	}
	for i < len(b) && byteClass[b[i]]&classTarget != 0 {
		i++
	}
	return i
}

// scanClass returns the index of the first byte from i on that is not in c, or len(b).
func scanClass(b []byte, i int, c class) int {
	for i < len(b) && byteClass[b[i]]&c != 0 {
		i++
	}
	return i
}

// trimOWS cuts spaces and tabs from both ends of b[i:j] and returns the new ends.
func trimOWS(b []byte, i, j int) (int, int) {
	for i < j && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	for i < j && (b[j-1] == ' ' || b[j-1] == '\t') {
		j--
	}
	return i, j
}
