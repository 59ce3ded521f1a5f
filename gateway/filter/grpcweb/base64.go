package grpcweb

import "encoding/base64"

// prefixLen is the length of what stands before each message: "Compressed-Flag Message-Length", 1 and 4 bytes
// (gRPC, doc/PROTOCOL-HTTP2.md).
const prefixLen = 5

// An encoder makes base64 of a stream of messages, however it is cut. Behind a message that ends with the bytes at hand it
// pads, so that a client need not wait for the next one to read it whole: "the server runtime will always base64-encode and
// flush gRPC messages atomically" (PROTOCOL-WEB.md).
type encoder struct {
	kept   [2]byte // bytes that do not make three yet
	n      uint8   // how many they are
	prefix uint8   // bytes of the current prefix that have passed
	left   uint32  // bytes of the message to come; while its prefix passes, the length read so far
}

// encode appends data to dst; end says that no more comes.
func (e *encoder) encode(dst, data []byte, end bool) []byte {
	e.follow(data)
	if e.n > 0 {
		var three [3]byte
		n := copy(three[:], e.kept[:e.n])
		taken := copy(three[n:], data)
		data = data[taken:]
		if n += taken; n < 3 {
			copy(e.kept[:], three[:n])
			e.n = uint8(n)
			return e.pad(dst, end)
		}
		dst = base64.StdEncoding.AppendEncode(dst, three[:])
	}
	whole := len(data) - len(data)%3
	dst = base64.StdEncoding.AppendEncode(dst, data[:whole])
	e.n = uint8(copy(e.kept[:], data[whole:]))
	return e.pad(dst, end)
}

// pad sends what is kept when a message has ended with it.
func (e *encoder) pad(dst []byte, end bool) []byte {
	if e.n == 0 || !end && (e.left > 0 || e.prefix > 0) {
		return dst
	}
	dst = base64.StdEncoding.AppendEncode(dst, e.kept[:e.n])
	e.n = 0
	return dst
}

// follow finds out where in a message the stream is behind data.
func (e *encoder) follow(data []byte) {
	for len(data) > 0 {
		switch {
		case e.prefix > 0 || e.left == 0:
			if e.prefix > 0 { // behind the flag
				e.left = e.left<<8 | uint32(data[0])
			}
			data = data[1:]
			if e.prefix++; e.prefix == prefixLen {
				e.prefix = 0
			}
		case uint64(len(data)) <= uint64(e.left):
			e.left -= uint32(len(data))
			return
		default:
			data = data[e.left:]
			e.left = 0
		}
	}
}

// A decoder reads base64, however it is cut. Padding may stand within it: clients encode message by message.
type decoder struct {
	kept [4]byte // digits that do not make four yet
	n    uint8   // how many they are
}

const (
	notDigit = 0x80
	padding  = 0x40
)

// digits has the value of each base64 digit.
var digits = buildDigits()

func buildDigits() (t [256]uint8) {
	for i := range t {
		t[i] = notDigit
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		t[alphabet[i]] = uint8(i)
	}
	t['='] = padding
	return t
}

// decode appends what data stands for to dst; false when it is not base64.
func (d *decoder) decode(dst, data []byte) ([]byte, bool) {
	var ok bool
	for d.n > 0 && len(data) > 0 {
		d.kept[d.n] = data[0]
		data = data[1:]
		if d.n++; d.n < 4 {
			continue
		}
		d.n = 0
		if dst, ok = appendQuad(dst, d.kept[:]); !ok {
			return dst, false
		}
	}
	for len(data) >= 4 {
		a, b, c, e := digits[data[0]], digits[data[1]], digits[data[2]], digits[data[3]]
		if a|b|c|e < padding {
			dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|e)
		} else if dst, ok = appendQuad(dst, data); !ok {
			return dst, false
		}
		data = data[4:]
	}
	d.n += uint8(copy(d.kept[d.n:], data))
	return dst, true
}

// appendQuad appends what four digits, padding among them, stand for.
func appendQuad(dst, q []byte) ([]byte, bool) {
	a, b, c, e := digits[q[0]], digits[q[1]], digits[q[2]], digits[q[3]]
	switch {
	case a|b >= padding:
		return dst, false
	case c|e < padding:
		return append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|e), true
	case c < padding && e == padding:
		return append(dst, a<<2|b>>4, b<<4|c>>2), true
	case c == padding && e == padding:
		return append(dst, a<<2|b>>4), true
	}
	return dst, false
}
