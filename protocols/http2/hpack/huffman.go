package hpack

// huffmanLen is the length of each byte's code in bits, from RFC 7541 appendix B; EOS has eosLen. The code is canonical:
// codes of the same length are consecutive numbers in the order of their symbols, and they follow from the lengths.
var huffmanLen = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const (
	eos        = 256
	eosLen     = 30
	minCodeLen = 5
	maxCodeLen = 30
)

// A huffmanCode is a symbol's code.
type huffmanCode struct {
	bits uint32 // right aligned
	len  uint8
}

var huffmanCodes = buildHuffmanCodes()

func buildHuffmanCodes() (t [eos + 1]huffmanCode) {
	code := uint32(0)
	for n := uint8(minCodeLen); n <= maxCodeLen; n++ {
		for symbol := range t {
			if symbolLen(symbol) == n {
				t[symbol] = huffmanCode{code, n}
				code++
			}
		}
		code <<= 1
	}
	return t
}

func symbolLen(symbol int) uint8 {
	if symbol == eos {
		return eosLen
	}
	return huffmanLen[symbol]
}
