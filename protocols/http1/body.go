package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// bodyKind is how the rest of an incoming message is delimited, and where in it we are.
//
//	none                                              no body, or all of it was read
//	length ──left bytes──> none
//	untilEOF ──end of input──> none
//	chunkLine ──size > 0──> chunkData ──left bytes──> chunkEnd ──CRLF──> chunkLine
//	    └─────size 0──> trailer ──empty line──> none
type bodyKind uint8

const (
	bodyNone bodyKind = iota
	bodyLength
	bodyUntilEOF
	bodyChunkLine
	bodyChunkData
	bodyChunkEnd
	bodyTrailer
)

// bodyReader cuts the body of one incoming message out of the bytes of a connection. It holds no bytes.
type bodyReader struct {
	left     int64    // bytes to come of the body (length) or chunk (chunkData); the size so far (chunkLine)
	progress progress // of the trailer section; the owner uses it for the head
	overhead int32    // bytes of chunk lines in excess of what the data justifies
	digits   uint8    // of the chunk size so far
	kind     bodyKind
	line     chunkState
	ended    uint8 // bytes of the CRLF behind a chunk that were read
}

// A step is what bodyReader.next has found.
type step uint8

const (
	stepNeed    step = iota // more bytes are needed
	stepData                // body bytes, and more to come
	stepLast                // body bytes, perhaps none, and the end
	stepTrailer             // trailers in h, and the end
)

// begin starts a body.
func (d *bodyReader) begin(kind bodyKind, length int64) {
	*d = bodyReader{kind: kind, left: length}
}

// next reads up to one event from b: n bytes are used, of which data are body bytes. Trailers are parsed into h.
func (d *bodyReader) next(b []byte, l *protocols.Limits, h *protocols.Header) (data []byte, n int, s step, r rule) {
	for {
		switch d.kind {
		case bodyNone:
			return nil, n, stepLast, ruleOK
		case bodyLength:
			data, s = d.take(b[n:])
			if d.left == 0 && s == stepData {
				d.kind, s = bodyNone, stepLast
			}
			return data, n + len(data), s, ruleOK
		case bodyUntilEOF:
			if n == len(b) {
				return nil, n, stepNeed, ruleOK
			}
			return b[n:], len(b), stepData, ruleOK
		case bodyChunkData:
			data, s = d.take(b[n:])
			n += len(data)
			if d.left == 0 && s == stepData {
				d.kind, d.ended = bodyChunkEnd, 0
				if len(b)-n >= len(lastChunk) && string(b[n:n+len(lastChunk)]) == lastChunk {
					d.kind = bodyNone
					return data, n + len(lastChunk), stepLast, ruleOK
				}
			}
			return data, n, s, ruleOK
		case bodyChunkLine:
			k, done, r := d.readChunkLine(b[n:])
			if n += k; r != ruleOK || !done {
				return nil, n, stepNeed, r
			}
		case bodyChunkEnd:
			k, done, r := d.readChunkEnd(b[n:])
			if n += k; r != ruleOK || !done {
				return nil, n, stepNeed, r
			}
		case bodyTrailer:
			k, s, r := d.readTrailer(b[n:], l, h)
			return nil, n + k, s, r
		}
	}
}

// lastChunk is what ends most chunked bodies, from the end of the data of the chunk before.
const lastChunk = "\r\n0\r\n\r\n"

// take cuts what is left of the body or chunk, as far as it is there, off b.
func (d *bodyReader) take(b []byte) ([]byte, step) {
	if len(b) == 0 {
		return nil, stepNeed
	}
	if int64(len(b)) > d.left {
		b = b[:d.left]
	}
	d.left -= int64(len(b))
	return b, stepData
}

func (d *bodyReader) readChunkEnd(b []byte) (n int, done bool, r rule) {
	const crlf = "\r\n"
	for n < len(b) {
		if b[n] != crlf[d.ended] {
			// A chunk that is longer than its size, or a bare LF: where does the next chunk start?
			return n, false, ruleChunkEnd
		}
		n++
		if d.ended++; d.ended == 2 {
			d.beginChunkLine()
			return n, true, ruleOK
		}
	}
	return n, false, ruleOK
}

func (d *bodyReader) beginChunkLine() {
	d.kind, d.line, d.left, d.digits = bodyChunkLine, chunkSize, 0, 0
}

// noTrailer are the fields that must not come behind the body: who merges them into the head frames, routes or
// authorises the message anew (RFC 9110 section 6.5.1). They are refused, not dropped: nobody sends them by accident.
var noTrailer = hopByHop | framing | protocols.NameSetOf(protocols.NameTE, protocols.NameTrailer, protocols.NameExpect,
	protocols.NameAuthorization, protocols.NameProxyAuthorization, protocols.NameProxyAuthenticate,
	protocols.NameWWWAuthenticate, protocols.NameCookie, protocols.NameSetCookie, protocols.NameContentType,
	protocols.NameContentEncoding, protocols.NameForwarded, protocols.NameXForwardedFor, protocols.NameXForwardedProto,
	protocols.NameXForwardedHost, protocols.NameXForwardedClientCert)

// readTrailer reads the trailer section when all of it is there.
func (d *bodyReader) readTrailer(b []byte, l *protocols.Limits, h *protocols.Header) (int, step, rule) {
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' && d.progress.line == 0 {
		d.kind = bodyNone
		return 2, stepLast, ruleOK
	}
	whole, full := clip(b, min(l.TrailerBytes, maxHead))
	var s section
	if !d.progress.more(whole, syntax.ScanValue) {
		h.Lend(whole)
		again := d.progress.line > 0
		r := s.scanFields(whole, &d.progress, l.TrailerFields, h)
		if r == ruleHeadFields {
			r = ruleTrailerFields
		}
		if r != ruleOK {
			return 0, stepNeed, r
		}
		if s.end >= 0 && again {
			d.progress = progress{}
			return d.readTrailer(b, l, h)
		}
		if s.end >= 0 {
			if s.set&noTrailer != 0 {
				return 0, stepNeed, ruleTrailerName
			}
			d.kind = bodyNone
			h.Trim(s.end)
			h.Proto = protocols.ProtocolHTTP1
			return s.end, stepTrailer, ruleOK
		}
	}
	if full {
		return 0, stepNeed, ruleTrailerBytes
	}
	return 0, stepNeed, ruleOK
}
