package dubbo

import "encoding/binary"

// Hessian 2's strings, as far as the head of a request needs them (Hessian 2.0 Serialization Protocol, section 4.8). Lengths
// count UTF-16 code units; a character outside the basic plane is two of them, each in three bytes.
//
//	x00 - x1f  utf8          0 to 31 units
//	x30 - x33  b0 utf8       up to 1023
//	S b1 b0    utf8          up to 65535: the last chunk, or the only one
//	R b1 b0    utf8 string   a chunk that others follow
//	N                        null
const (
	hessianNull  = 'N'
	hessianFinal = 'S'
	tinyMax      = 0x1f
	shortTag     = 0x30
	shortMax     = 0x3ff
	// chunkMax is how much Dubbo's writers put into one chunk.
	chunkMax = 0x8000
)

// scan is what scanString has found.
type scan uint8

const (
	scanned     scan = iota
	scannedNull      // null, which is not the same as an empty string
	scanMore         // more bytes are needed
	scanBad          // not a string in one chunk, or not one that every program reads alike
	scanLong         // over the limit
)

// scanString reads the string at b[at:], whose bytes are b[off:next]; limit is in bytes.
func scanString(b []byte, at, limit int) (off, next int, s scan) {
	if at >= len(b) {
		return 0, at, scanMore
	}
	tag := b[at]
	units := 0
	switch {
	case tag <= tinyMax:
		units, off = int(tag), at+1
	case tag == hessianNull:
		return at, at + 1, scannedNull
	case tag >= shortTag && tag <= shortTag+shortMax>>8:
		if len(b) < at+2 {
			return 0, at, scanMore
		}
		units, off = int(tag-shortTag)<<8|int(b[at+1]), at+2
	case tag == hessianFinal:
		if len(b) < at+3 {
			return 0, at, scanMore
		}
		units, off = int(binary.BigEndian.Uint16(b[at+1:])), at+3
	default:
		return 0, at, scanBad
	}
	if units > limit {
		return 0, at, scanLong
	}
	next, s = scanUnits(b, off, units)
	if s == scanned && next-off > limit {
		s = scanLong
	}
	return off, next, s
}

// scanUnits reads so many characters at b[at:].
func scanUnits(b []byte, at, units int) (next int, s scan) {
	for ; units > 0; units-- {
		if at >= len(b) {
			return at, scanMore
		}
		c := b[at]
		if c-0x20 < 0x5f {
			at++
			continue
		}
		n := 0
		switch {
		case c < 0xc2: // a control character, half a character, or one that is longer than it must be
			return at, scanBad
		case c < 0xe0:
			n = 2
		case c < 0xf0:
			n = 3
		default:
			return at, scanBad
		}
		for i := 1; i < n; i++ {
			if at+i >= len(b) {
				return at, scanMore
			}
			if b[at+i]&0xc0 != 0x80 {
				return at, scanBad
			}
		}
		if c == 0xe0 && b[at+1] < 0xa0 || c == 0xc2 && b[at+1] < 0xa0 {
			return at, scanBad // longer than it must be; a control character
		}
		at += n
	}
	return at, scanned
}

// unitsOf counts the characters of a string as scanUnits would; it is negative for one that scanUnits refuses.
func unitsOf(v []byte) (units int) {
	for at := 0; at < len(v); units++ {
		next, s := scanUnits(v, at, 1)
		if s != scanned {
			return -1
		}
		at = next
	}
	return units
}

// appendLength appends what stands in front of the bytes of a string of so many characters, at most chunkMax.
func appendLength(b []byte, units int) []byte {
	switch {
	case units <= tinyMax:
		return append(b, byte(units))
	case units <= shortMax:
		return append(b, byte(shortTag|units>>8), byte(units))
	}
	return append(b, hessianFinal, byte(units>>8), byte(units))
}
