package hpack

import "encoding/binary"

// huffmanSize returns how many bytes s takes in Huffman code.
func huffmanSize(s []byte) int {
	bits := 0
	for _, c := range s {
		bits += int(huffmanLen[c])
	}
	return (bits + 7) / 8
}

// appendHuffman appends s in Huffman code, padded with the most significant bits of EOS, which are ones
// (RFC 7541 section 5.2).
func appendHuffman(dst, s []byte) []byte {
	var (
		acc  uint64 // its lowest n bits wait to be written
		bits uint   // n: fewer than 32 before each symbol, so that the longest code fits
	)
	for _, c := range s {
		code := huffmanCodes[c]
		acc = acc<<code.len | uint64(code.bits)
		bits += uint(code.len)
		if bits >= 32 {
			bits -= 32
			dst = binary.BigEndian.AppendUint32(dst, uint32(acc>>bits))
		}
	}
	if pad := -bits & 7; pad > 0 {
		acc = acc<<pad | (1<<pad - 1)
		bits += pad
	}
	for bits > 0 {
		bits -= 8
		dst = append(dst, byte(acc>>bits))
	}
	return dst
}
