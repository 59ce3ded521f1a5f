package http1

import "sluice/protocols/syntax"

// chunkState is where in a chunk line the reader is:
//
//	chunk      = 1*HEXDIG *( ";" name [ "=" ( token / quoted-string ) ] ) CRLF
//	extension  start: behind ";"   value: behind "="   quoted ──\──> escaped
//
// RFC 9112 section 7.1.1 calls white space around ";" and "=" bad and lets a recipient accept it. Peers that skip it
// where others do not have been used to smuggle requests, so it is refused.
type chunkState uint8

const (
	chunkSize       chunkState = iota
	chunkExtStart              // a name must follow
	chunkExtName               // within a name
	chunkExtValue              // a value must follow
	chunkExtToken              // within a token
	chunkExtQuoted             // within a quoted string
	chunkExtEscaped            // behind a backslash within it
	chunkExtClosed             // behind a quoted string
	chunkLF                    // behind CR
)

const (
	maxChunk       = 1<<52 - 1 // bytes; far above any, and far below any overflow
	maxChunkDigits = 16
	// maxOverhead bounds a chunk line, and the sum of all lines beyond 16 bytes per chunk and twice the data.
	maxOverhead = 16 << 10
)

// readChunkLine reads a chunk's size and extensions, which are checked and dropped: RFC 9112 section 7.1.1: "A recipient
// MUST ignore unrecognized chunk extensions."
func (d *bodyReader) readChunkLine(b []byte) (n int, done bool, r rule) {
	for n < len(b) {
		c := b[n]
		if d.overhead++; d.overhead > maxOverhead {
			return n, false, ruleChunkOverhead
		}
		if d.line == chunkLF {
			if c != '\n' {
				return n, false, ruleBareCR
			}
			d.endChunkLine()
			return n + 1, true, ruleOK
		}
		if r = d.stepChunkLine(c); r != ruleOK {
			return n, false, r
		}
		n++
	}
	return n, false, ruleOK
}

func (d *bodyReader) stepChunkLine(c byte) rule {
	switch d.line {
	case chunkSize:
		return d.stepChunkSize(c)
	case chunkExtStart:
		return d.stepExtension(c, syntax.Token, chunkExtName)
	case chunkExtName:
		switch c {
		case '=':
			d.line = chunkExtValue
			return ruleOK
		case ';', '\r':
			return d.endExtension(c)
		}
		return d.stepExtension(c, syntax.Token, chunkExtName)
	case chunkExtValue:
		if c == '"' {
			d.line = chunkExtQuoted
			return ruleOK
		}
		return d.stepExtension(c, syntax.Token, chunkExtToken)
	case chunkExtToken:
		if c == ';' || c == '\r' {
			return d.endExtension(c)
		}
		return d.stepExtension(c, syntax.Token, chunkExtToken)
	case chunkExtQuoted:
		switch c {
		case '"':
			d.line = chunkExtClosed
			return ruleOK
		case '\\':
			d.line = chunkExtEscaped
			return ruleOK
		}
		return d.stepExtension(c, syntax.Quoted, chunkExtQuoted)
	case chunkExtEscaped:
		return d.stepExtension(c, syntax.Escaped, chunkExtQuoted)
	case chunkExtClosed, chunkLF:
	}
	return d.endExtension(c)
}

func (d *bodyReader) stepChunkSize(c byte) rule {
	if digit := hexDigit(c); digit < 16 {
		if d.digits++; d.digits > maxChunkDigits {
			return ruleChunkRange
		}
		if d.left = d.left<<4 | int64(digit); d.left > maxChunk {
			return ruleChunkRange
		}
		return ruleOK
	}
	if d.digits == 0 || c != ';' && c != '\r' {
		if c == '\n' {
			return ruleBareLF
		}
		return ruleChunkSize
	}
	return d.endExtension(c)
}

// stepExtension accepts c as part of an extension when it is in the class.
func (d *bodyReader) stepExtension(c byte, in syntax.Class, next chunkState) rule {
	if !in.Has(c) {
		if c == '\n' {
			return ruleBareLF
		}
		return ruleChunkExtension
	}
	d.line = next
	return ruleOK
}

// endExtension accepts what may follow a size or a whole extension.
func (d *bodyReader) endExtension(c byte) rule {
	switch c {
	case ';':
		d.line = chunkExtStart
		return ruleOK
	case '\r':
		d.line = chunkLF
		return ruleOK
	case '\n':
		return ruleBareLF
	}
	return ruleChunkExtension
}

func (d *bodyReader) endChunkLine() {
	if d.left == 0 {
		d.kind, d.progress = bodyTrailer, progress{}
		return
	}
	d.kind = bodyChunkData
	// What the data justifies: 16 bytes for the line, and twice the data (1-byte chunks are a poor sender's, not an
	// attacker's; their extensions would be).
	allowance := int64(16) + 2*min(d.left, maxOverhead)
	d.overhead = int32(max(0, int64(d.overhead)-allowance))
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
