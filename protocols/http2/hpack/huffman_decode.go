package hpack

import "encoding/binary"

// decodeBits is how many bits one step of the decoder looks at. Most texts consist of symbols of 5 to 7 bits, so two of
// them often come out of one step.
const decodeBits = 12

// A huffmanStep is what the next decodeBits bits begin with:
//
//	bits 0-7    the length of the codes together; 0 for a code that is longer than decodeBits
//	bits 8-15   the first symbol
//	bits 16-23  the second symbol, if there are two
//	bits 24-31  the number of symbols; 0 for a longer code
type huffmanStep uint32

func (s huffmanStep) bits() uint   { return uint(s & 0xff) }
func (s huffmanStep) both() uint16 { return uint16(s >> 8) }
func (s huffmanStep) count() int   { return int(s >> 24) }

var huffmanSteps = buildHuffmanSteps()

func buildHuffmanSteps() (t [1 << decodeBits]huffmanStep) {
	for i := range t {
		first, n := symbolIn(uint32(i), decodeBits)
		if n == 0 {
			continue
		}
		rest := decodeBits - n
		second, m := symbolIn(uint32(i)&(1<<rest-1), rest)
		t[i] = huffmanStep(n+m) | huffmanStep(first)<<8 | huffmanStep(second)<<16 | 1<<24
		if m != 0 {
			t[i] += 1 << 24
		}
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
		all   = src
		acc   uint64         // the next bits, left aligned; those behind them are zero or as the next round reads them
		bits  uint           // how many they are; ones without end follow src
		left  = 8 * len(src) // how many bits of src are not decoded
		limit = len(dst) - decodeSlack
	)
	for n <= limit {
		next := uint64(0)
		if len(src) >= 8 {
			next = binary.BigEndian.Uint64(src)
		} else {
			next = lastBytes(all, len(src))
		}
		// As many whole bytes as fit, and a part of the next one, which is read again in the next round.
		acc |= next >> (bits & 63)
		src = src[min(int(63-bits)>>3, len(src)):]
		bits |= 56

		// Four steps never need more than 48 bits. In front of a long code they do nothing.
		out := (*[decodeSlack]byte)(dst[n:])
		s0 := huffmanSteps[acc>>(64-decodeBits)]
		acc <<= s0 & 63
		s1 := huffmanSteps[acc>>(64-decodeBits)]
		acc <<= s1 & 63
		s2 := huffmanSteps[acc>>(64-decodeBits)]
		acc <<= s2 & 63
		s3 := huffmanSteps[acc>>(64-decodeBits)]
		acc <<= s3 & 63
		binary.LittleEndian.PutUint16(out[0:], s0.both())
		i := s0.count() & 3
		binary.LittleEndian.PutUint16(out[i:], s1.both())
		i += s1.count() & 3
		binary.LittleEndian.PutUint16(out[i:], s2.both())
		i += s2.count() & 3
		binary.LittleEndian.PutUint16(out[i:], s3.both())
		n += i + s3.count()
		used := (s0 + s1 + s2 + s3).bits()
		bits -= used
		left -= int(used)
		if s3 != 0 || left > 7 && bits < maxCodeLen {
			continue
		}
		if left <= 7 {
			if n > limit {
				break
			}
			return n, checkPadding(acc, left)
		}

		symbol, length := longSymbol(uint32(acc >> 32))
		if length > uint(left) {
			return n, errPadding
		}
		if symbol == eos {
			return n, errEOS
		}
		out[i] = byte(symbol)
		n++
		acc <<= length
		bits -= length
		left -= int(length)
	}
	if left < 0 {
		return n, errPadding
	}
	return n, ErrTooLong
}

// lastBytes are the last n bytes of b, fewer than 8, with ones behind them.
func lastBytes(b []byte, n int) (v uint64) {
	if len(b) >= 8 {
		v = binary.BigEndian.Uint64(b[len(b)-8:])
	} else {
		for _, c := range b {
			v = v<<8 | uint64(c)
		}
	}
	pad := uint(64 - 8*n)
	return v<<pad | (1<<pad - 1)
}

// checkPadding is for acc that begins with the last bits of a string, which are no symbol.
func checkPadding(acc uint64, bits int) error {
	// RFC 7541 section 5.2: "padding not corresponding to the most significant bits of the code for the EOS symbol MUST
	// be treated as a decoding error." With fewer than no bits left a symbol was completed by ones that are not there.
	if bits < 0 || acc < ^(^uint64(0)>>bits) {
		return errPadding
	}
	return nil
}
