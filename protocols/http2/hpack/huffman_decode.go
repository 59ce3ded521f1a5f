package hpack

import "encoding/binary"

// decodeBits is how many bits one step of the decoder looks at. Most texts consist of symbols of 5 to 7 bits, so two of
// them often come out of one step.
const decodeBits = 11

// A huffmanStep is what the next decodeBits bits begin with:
//
//	bits 0-7    the first symbol
//	bits 8-15   the second symbol, if there are two
//	bits 16-19  the number of symbols; 0 for a code that is longer than decodeBits
//	bits 24-31  the length of their codes together
type huffmanStep uint32

func (s huffmanStep) count() int { return int(s >> 16 & 0xf) }
func (s huffmanStep) bits() uint { return uint(s >> 24) }

var huffmanSteps = buildHuffmanSteps()

func buildHuffmanSteps() *[1 << decodeBits]huffmanStep {
	t := new([1 << decodeBits]huffmanStep)
	for i := range t {
		first, n := symbolIn(uint32(i), decodeBits)
		if n == 0 {
			continue
		}
		rest := decodeBits - n
		second, m := symbolIn(uint32(i)&(1<<rest-1), rest)
		if m == 0 {
			t[i] = huffmanStep(first) | 1<<16 | huffmanStep(n)<<24
			continue
		}
		t[i] = huffmanStep(first) | huffmanStep(second)<<8 | 2<<16 | huffmanStep(n+m)<<24
	}
	return t
}

// symbolIn returns the symbol with which the width bits of v begin, and the length of its code; 0 if they are too few.
func symbolIn(v uint32, width uint8) (symbol int, n uint8) {
	for symbol, code := range huffmanCodes {
		if code.len <= width && v>>(width-code.len) == code.bits {
			return symbol, code.len
		}
	}
	return 0, 0
}

// A longCode describes the codes of one length.
type longCode struct {
	end   uint32 // behind the last of them, left aligned in 32 bits; at most that of the longer ones
	first uint32 // the first of them, left aligned
	at    uint16 // where longSymbols has its symbol
}

var (
	longCodes   = buildLongCodes()
	longSymbols = buildLongSymbols()
)

func buildLongCodes() (t [maxCodeLen + 1]longCode) {
	at, end := uint16(0), uint32(0)
	for n := range t {
		t[n] = longCode{end: end, first: end, at: at}
		for symbol := range huffmanCodes {
			if int(huffmanCodes[symbol].len) == n {
				end += 1 << (32 - n) // wraps to 0 behind EOS, which is never reached
				at++
			}
		}
		t[n].end = end
	}
	return t
}

func buildLongSymbols() (t [eos + 1]uint16) {
	at := 0
	for n := range longCodes {
		for symbol := range huffmanCodes {
			if int(huffmanCodes[symbol].len) == n {
				t[at] = uint16(symbol)
				at++
			}
		}
	}
	return t
}

// longSymbol returns the symbol with which v, 32 bits, begins, and the length of its code, which is more than decodeBits.
func longSymbol(v uint32) (symbol uint16, n uint) {
	for n = decodeBits + 1; n < maxCodeLen && v >= longCodes[n].end; n++ {
	}
	c := &longCodes[n]
	return longSymbols[c.at+uint16((v-c.first)>>(32-n))], n
}

// decodeSlack is how many bytes decodeHuffman may write behind what it returns.
const decodeSlack = 16

// decodeHuffman decodes src into dst, of which it uses all but the last decodeSlack bytes, and returns the number of
// decoded bytes.
func decodeHuffman(dst, src []byte) (n int, err error) {
	var (
		acc   uint64 // the next bits, left aligned; zeros follow
		bits  uint   // how many they are
		limit = len(dst) - decodeSlack
		steps = huffmanSteps
	)
	for len(src) >= 8 && n < limit {
		// As many whole bytes as fit; the bits of a byte that fits in part are overwritten with themselves next time.
		acc |= binary.BigEndian.Uint64(src) >> bits
		src = src[(63-bits)>>3:]
		bits |= 56
		for bits >= decodeBits && n < limit {
			s := steps[acc>>(64-decodeBits)]
			if s.count() == 0 {
				break
			}
			binary.LittleEndian.PutUint16(dst[n:], uint16(s))
			n += s.count()
			acc <<= s.bits()
			bits -= s.bits()
		}
		if bits < maxCodeLen || steps[acc>>(64-decodeBits)].count() != 0 {
			continue
		}
		symbol, length := longSymbol(uint32(acc >> 32))
		if symbol == eos {
			return n, errEOS
		}
		dst[n] = byte(symbol)
		n++
		acc <<= length
		bits -= length
	}
	return decodeHuffmanTail(dst, n, limit, src, acc, bits)
}

// decodeHuffmanTail is decodeHuffman for the last bits, one symbol at a time.
func decodeHuffmanTail(dst []byte, n, limit int, src []byte, acc uint64, bits uint) (int, error) {
	// The loop above may have loaded bits beyond those that it counts.
	acc &= ^(^uint64(0) >> bits)
	for {
		for ; bits <= 56 && len(src) > 0; src = src[1:] {
			acc |= uint64(src[0]) << (56 - bits)
			bits += 8
		}
		// RFC 7541 section 5.2: "padding strictly longer than 7 bits MUST be treated as a decoding error", and "padding
		// not corresponding to the most significant bits of the code for the EOS symbol" as well.
		if bits < 8 && acc == ^(^uint64(0)>>bits) {
			break
		}
		symbol, length := uint16(0), uint(0)
		if s := huffmanSteps[acc>>(64-decodeBits)]; s.count() != 0 {
			symbol, length = uint16(s&0xff), uint(huffmanLen[s&0xff])
		} else {
			symbol, length = longSymbol(uint32(acc >> 32))
		}
		switch {
		case length > bits:
			return n, errPadding
		case symbol == eos:
			return n, errEOS
		case n >= limit:
			return n, ErrTooLong
		}
		dst[n] = byte(symbol)
		n++
		acc <<= length
		bits -= length
	}
	if n > limit {
		return n, ErrTooLong
	}
	return n, nil
}
