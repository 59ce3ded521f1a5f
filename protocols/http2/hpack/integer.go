package hpack

import "encoding/binary"

// appendInt appends v with an n-bit prefix, whose other bits are those of first (RFC 7541 section 5.1).
func appendInt(dst []byte, first byte, n uint, v int) []byte {
	limit := 1<<n - 1
	if v < limit {
		return append(dst, first|byte(v))
	}
	return binary.AppendUvarint(append(dst, first|byte(limit)), uint64(v-limit))
}

// parseInt reads an integer with an n-bit prefix at the beginning of b, which is not empty, and returns how many bytes
// it takes.
func parseInt(b []byte, n uint) (v, used int, err error) {
	limit := 1<<n - 1
	if v = int(b[0]) & limit; v < limit {
		return v, 1, nil
	}
	return parseLongInt(b, v)
}

// maxInt and maxContinued bound an integer: "integer encodings that exceed implementation limits -- in value or octet
// length -- MUST be treated as decoding errors" (RFC 7541 section 5.1).
const (
	maxInt       = 1<<32 - 1
	maxContinued = 5
)

func parseLongInt(b []byte, prefix int) (v, used int, err error) {
	v64 := uint64(prefix)
	for i, c := range b[1:] {
		if i == maxContinued {
			return 0, 0, errInteger
		}
		v64 += uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if v64 > maxInt {
				return 0, 0, errInteger
			}
			return int(v64), i + 2, nil
		}
	}
	if len(b) > maxContinued {
		return 0, 0, errInteger
	}
	return 0, 0, errTruncated
}

const huffmanFlag = 0x80

// appendString appends s as a string literal (RFC 7541 section 5.2), in Huffman code where that is shorter.
func appendString(dst, s []byte) []byte {
	if n := huffmanSize(s); n < len(s) {
		return appendHuffman(appendInt(dst, huffmanFlag, 7, n), s)
	}
	return appendPlain(dst, s)
}

// appendPlain is appendString without Huffman code.
func appendPlain(dst, s []byte) []byte {
	return append(appendInt(dst, 0, 7, len(s)), s...)
}
