package http1

import (
	"strconv"

	"sluice/protocols"
	"sluice/protocols/syntax"
)

// writerKind is how an outgoing body is delimited.
//
//	none | length | chunked | untilEOF ──End──> done
type writerKind uint8

const (
	writerDone     writerKind = iota // no message, or all of it is written
	writerNone                       // the message can't have a body; a representation that comes anyway is swallowed
	writerLength                     // left more bytes
	writerChunked                    //
	writerUntilEOF                   // the end of the connection is the end of the body
)

// writeThrough is the size from which Output.Write takes a slice without copying it.
const writeThrough = 16 << 10

// bodyWriter writes the body of one outgoing message.
type bodyWriter struct {
	left int64
	kind writerKind
}

// write sends data, and the end of the body if end. It does nothing at all when it returns an error.
func (w *bodyWriter) write(data []byte, end bool, out protocols.Output) error {
	switch w.kind {
	case writerDone:
		return errBodyLong
	case writerNone:
	case writerLength:
		if int64(len(data)) > w.left {
			return errBodyLong
		}
		if end && int64(len(data)) < w.left {
			return errBodyShort
		}
		w.left -= int64(len(data))
		if len(data) > 0 {
			out.Write(data)
		}
	case writerChunked:
		writeChunk(data, end, out)
	case writerUntilEOF:
		if len(data) > 0 {
			out.Write(data)
		}
	}
	if end {
		w.kind = writerDone
	}
	return nil
}

// writeTrailer sends the end of the body, with the fields of h where the framing has a place for them.
func (w *bodyWriter) writeTrailer(h *protocols.Header, out protocols.Output) error {
	if w.kind != writerChunked {
		return w.write(nil, true, out)
	}
	set, _ := h.Present()
	if set&noTrailer != 0 {
		deleteFields(h, noTrailer)
	}
	if h.Proto != protocols.ProtocolHTTP1 && !sendable(h) {
		return errField
	}
	b := out.Reserve(h.RawLen() + h.Len() + len("0\r\n\r\n"))
	b = append(b, "0\r\n"...)
	b = h.AppendLines(b)
	out.Commit(append(b, "\r\n"...))
	w.kind = writerDone
	return nil
}

// writeChunk sends data as one chunk, and the last chunk if end. Small data is copied behind what waits, so that it
// leaves with its head; large data is handed on as it is.
func writeChunk(data []byte, end bool, out protocols.Output) {
	const around = 16 + len("\r\n") + len("\r\n0\r\n\r\n")
	n := len(data)
	if n == 0 && !end {
		return
	}
	if n >= writeThrough {
		out.Commit(appendChunkLine(out.Reserve(around), n))
		out.Write(data)
		out.Commit(appendChunkEnd(out.Reserve(around), true, end))
		return
	}
	b := out.Reserve(n + around)
	if n > 0 {
		b = append(appendChunkLine(b, n), data...)
	}
	out.Commit(appendChunkEnd(b, n > 0, end))
}

func appendChunkLine(b []byte, n int) []byte {
	return append(strconv.AppendUint(b, uint64(n), 16), "\r\n"...)
}

func appendChunkEnd(b []byte, data, end bool) []byte {
	if data {
		b = append(b, "\r\n"...)
	}
	if end {
		b = append(b, "0\r\n\r\n"...)
	}
	return b
}

// announce decides what the fields of h say about its body: the announced length or -1. When h.ContentLength is set
// and there is no field, missing is true and the field must be written.
func announce(h *protocols.Header, set, repeated protocols.NameSet) (length int64, missing bool, err error) {
	if !set.Has(protocols.NameContentLength) {
		return h.ContentLength, h.ContentLength >= 0, nil
	}
	length, r := parseLength(h.Get(protocols.NameContentLength))
	if r != ruleOK || repeated.Has(protocols.NameContentLength) || h.ContentLength >= 0 && h.ContentLength != length {
		return 0, false, errLength
	}
	return length, false, nil
}

// becomesChunked reports whether a message of another protocol announces trailers beside its length, which HTTP/1 has no
// place for: its length is deleted then. (Other protocols check themselves that a body is as long as announced.)
//
// RFC 9112 section 7.1.2: "A trailer section allows the sender to include additional fields at the end of a chunked message".
func becomesChunked(h *protocols.Header, set protocols.NameSet) bool {
	if h.Proto == protocols.ProtocolHTTP1 || !set.Has(protocols.NameTrailer) {
		return false
	}
	h.Del(protocols.NameContentLength)
	return true
}

// sendable reports whether every field of h can be written to the wire. Fields that HTTP/1 has decoded are known to be;
// those of other protocols may hold what means a new line here (RFC 9113 section 10.3).
func sendable(h *protocols.Header) bool {
	for i := range h.Len() {
		_, name, value, ok := h.Field(i)
		if !ok {
			continue
		}
		if len(name) == 0 || syntax.Token.Scan(name, 0) < len(name) || syntax.ScanValue(value, 0) < len(value) {
			return false
		}
	}
	return true
}

func appendLength(b []byte, n int64) []byte {
	b = append(b, "Content-Length: "...)
	return append(strconv.AppendInt(b, n, 10), "\r\n"...)
}
