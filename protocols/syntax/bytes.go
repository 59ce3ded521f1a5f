package syntax

import (
	"encoding/binary"
	"math/bits"
)

// A Class is a set of bytes, or several: classes are bits.
type Class uint8

// The classes.
const (
	Token      Class = 1 << iota // tchar of RFC 9110 section 5.6.2
	LowerToken                   // the same without upper case: a field name of HTTP/2
	Target                       // what may stand in a request target: visible ASCII but '#'
	Value                        // field-vchar, SP and HTAB of RFC 9110 section 5.5
	Host                         // host and port: unreserved, sub-delims but ',', and % : [ ]
	Quoted                       // qdtext of RFC 9110 section 5.6.4
	Escaped                      // what may follow a backslash in a quoted string
)

var byteClass = buildClasses()

func buildClasses() (t [256]Class) {
	for i := range t {
		c := byte(i)
		upper := c >= 'A' && c <= 'Z'
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || upper
		if alnum || contains("!#$%&'*+-.^_`|~", c) {
			t[i] |= Token
			if !upper {
				t[i] |= LowerToken
			}
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[i] |= Target
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[i] |= Value | Escaped
			if c != '"' && c != '\\' {
				t[i] |= Quoted
			}
		}
		if alnum || contains("-._~!$&'()*+;=%:[]", c) {
			t[i] |= Host
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

// Has reports whether b is in c.
func (c Class) Has(b byte) bool { return byteClass[b]&c != 0 }

// Scan returns the index of the first byte from i on that is not in c, or len(b).
func (c Class) Scan(b []byte, i int) int {
	for i < len(b) && byteClass[b[i]]&c != 0 {
		i++
	}
	return i
}

// All reports whether every byte of b is in c.
func (c Class) All(b []byte) bool {
	for _, x := range b {
		if byteClass[x]&c == 0 {
			return false
		}
	}
	return true
}

// In the two scans below, eight bytes at a time: (x - n*lanes) &^ x has the high bit of each byte below n, and the same
// of x ^ c*lanes, with n = 1, of each byte equal to c. A borrow can only mark bytes above a true one, and the lowest
// mark is what is used.
const (
	lanes = 0x0101010101010101
	highs = 0x8080808080808080
)

// ScanValue returns the index of the first byte from i on that a field value can't hold (CTL but HTAB), or len(b).
func ScanValue(b []byte, i int) int {
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
	for i < len(b) && byteClass[b[i]]&Value != 0 {
		i++
	}
	return i
}

// ScanTarget returns the index of the first byte from i on that a request target can't hold, or len(b).
func ScanTarget(b []byte, i int) int {
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
	for i < len(b) && byteClass[b[i]]&Target != 0 {
		i++
	}
	return i
}
