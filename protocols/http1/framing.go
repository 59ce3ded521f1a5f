package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// framed is what Content-Length and Transfer-Encoding of a message say.
type framed struct {
	length  int64 // -1 without Content-Length
	chunked bool
}

// scanFraming reads Content-Length and Transfer-Encoding. Whatever two readers could understand differently is refused,
// never repaired: RFC 9112 section 6.3 lets a proxy repair some of it, and every repair was once somebody's hole.
func scanFraming(h *protocols.Header, set, repeated protocols.NameSet, minor uint8) (f framed, r rule) {
	f.length = -1
	if set.Has(protocols.NameTransferEncoding) {
		switch {
		case set.Has(protocols.NameContentLength):
			// RFC 9112 section 6.1: "A server MAY reject a request that contains both Content-Length and
			// Transfer-Encoding".
			return f, ruleLengthAndCoding
		case minor == 0:
			// "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST
			// treat the message as if the framing is faulty".
			return f, ruleCodingIn10
		case repeated.Has(protocols.NameTransferEncoding):
			return f, ruleCodingNotOnce
		}
		f.chunked = true
		return f, checkCoding(h.Get(protocols.NameTransferEncoding))
	}
	if set.Has(protocols.NameContentLength) {
		if repeated.Has(protocols.NameContentLength) {
			return f, ruleLengthRepeated
		}
		f.length, r = parseLength(h.Get(protocols.NameContentLength))
	}
	return f, r
}

// checkCoding accepts exactly "chunked", in any case.
func checkCoding(value []byte) rule {
	if protocols.EqualFold(value, "chunked") {
		return ruleOK
	}
	// Other codings, with or without one chunked at the end, are ones that we do not have: 501, as RFC 9112 section 6.1
	// says. A list that is empty, is none of tokens, or mentions chunked elsewhere, wants to be read in two ways.
	for token, rest, more := nextElement(value); ; token, rest, more = nextElement(rest) {
		switch {
		case len(token) == 0 || syntax.Token.Scan(token, 0) < len(token):
			return ruleCodingNotOnce
		case !more && protocols.EqualFold(token, "chunked"):
			return ruleCodingUnknown
		case mentionsChunked(token):
			return ruleCodingNotOnce
		case !more:
			return ruleCodingUnknown
		}
	}
}

func mentionsChunked(token []byte) bool {
	const word = "chunked"
	for i := 0; i+len(word) <= len(token); i++ {
		if protocols.EqualFold(token[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// parseLength reads a Content-Length: `1*DIGIT` and nothing else (RFC 9110 section 8.6).
func parseLength(b []byte) (n int64, r rule) {
	if len(b) == 0 {
		return -1, ruleLengthDigits
	}
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return -1, ruleLengthDigits
		}
		// "a recipient MUST anticipate potentially large decimal numerals and prevent parsing errors due to integer
		// conversion overflows".
		if n > (1<<63-1-9)/10 {
			return -1, ruleLengthRange
		}
		n = n*10 + int64(d)
	}
	return n, ruleOK
}
