package hpack

import "encoding/binary"

// In each byte of a word: the highest bit, the rest, and 1.
const (
	highBits = 0x8080808080808080
	lowBits  = 0x7f7f7f7f7f7f7f7f
	ones     = 0x0101010101010101
)

// upperIn returns the highest bit of each byte of w that is an upper-case letter.
func upperIn(w uint64) uint64 {
	low := w & lowBits
	return (low + (0x80-'A')*ones) &^ (low + (0x7f-'Z')*ones) &^ w & highBits
}

// hasUpper reports whether b has an upper-case letter.
func hasUpper(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if upperIn(binary.LittleEndian.Uint64(b)) != 0 {
			return true
		}
	}
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}

// lower turns the upper-case letters of b into lower-case ones.
func lower(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(b, w|upperIn(w)>>2)
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
}
