package accesslog

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// maxValue bytes of one value are written; a longer one ends in "...".
const maxValue = 4 << 10

func cutTail(dst []byte, from int) []byte {
	if len(dst)-from <= maxValue {
		return dst
	}
	return append(dst[:from+maxValue-3], "..."...)
}

// escapeTail makes dst[from:] safe within a text line: every byte but printable ASCII, the quote and the backslash
// becomes \xHH, so that a value can't end its line, its quotes, or speak to a terminal.
func escapeTail(dst []byte, from int) []byte {
	extra := 0
	for _, c := range dst[from:] {
		if !plain(c) {
			extra += 3
		}
	}
	if extra == 0 {
		return dst
	}
	end := len(dst)
	for range extra {
		dst = append(dst, 0)
	}
	// From the end, so that nothing is overwritten before it is read.
	w := len(dst)
	for i := end - 1; i >= from; i-- {
		c := dst[i]
		if plain(c) {
			w--
			dst[w] = c
			continue
		}
		w -= 4
		dst[w], dst[w+1], dst[w+2], dst[w+3] = '\\', 'x', hexDigits[c>>4], hexDigits[c&15]
	}
	return dst
}

func plain(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }

// cleanTail makes dst[from:] safe within a header value: CR, LF and NUL (RFC 9110 section 5.5) become blanks.
func cleanTail(dst []byte, from int) []byte {
	for i, c := range dst[from:] {
		if c == '\r' || c == '\n' || c == 0 {
			dst[from+i] = ' '
		}
	}
	return dst
}

// appendJSONString appends s as a JSON string (RFC 8259 section 7). Bytes that are no UTF-8 become U+FFFD; control
// characters, C1 too, are escaped.
func appendJSONString[S []byte | string](dst []byte, s S) []byte {
	cut := len(s) > maxValue
	if cut {
		s = s[:maxValue-3]
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case plain(c):
			dst = append(dst, c)
			i++
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			i++
		default:
			var n int
			dst, n = appendRune(dst, s[i:min(i+utf8.UTFMax, len(s))])
			i += n
		}
	}
	if cut {
		dst = append(dst, "..."...)
	}
	return append(dst, '"')
}

// appendRune appends the rune at the start of s, and returns how many bytes of s it is.
func appendRune[S []byte | string](dst []byte, s S) ([]byte, int) {
	var b [utf8.UTFMax]byte
	r, n := utf8.DecodeRune(b[:copy(b[:], s)])
	switch {
	case r == utf8.RuneError && n == 1:
		return append(dst, `\ufffd`...), 1
	case r < 0xa0:
		return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15]), n
	}
	return append(dst, s[:n]...), n
}
