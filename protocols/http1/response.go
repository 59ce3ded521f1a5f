package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// statusLine is where the parts of a status line are; end is behind its CRLF, or -1 while that has not arrived.
type statusLine struct {
	status int
	reason span
	minor  uint8
	end    int
}

// scan reads the status line at the start of b, strictly from left to right (see scanFields). p.seen is set when
// the line is cut within its reason phrase.
func (l *statusLine) scan(b []byte, p *progress) rule {
	const name = "HTTP/1."
	l.end = -1
	i := 0
	for ; i < len(name); i++ {
		if i == len(b) {
			return ruleOK
		}
		if b[i] != name[i] {
			return ruleStatusLine
		}
	}
	if i == len(b) {
		return ruleOK
	}
	if l.minor = b[i] - '0'; l.minor > 9 {
		return ruleStatusLine
	}
	if i++; i == len(b) {
		return ruleOK
	}
	if b[i] != ' ' {
		return ruleStatusLine
	}
	i++
	for j := range 3 {
		if i == len(b) {
			return ruleOK
		}
		// RFC 9110 section 15: status codes are 100 to 599; 600 to 999 are in use, and harmless.
		d := b[i] - '0'
		if d > 9 || j == 0 && d == 0 {
			return ruleStatusCode
		}
		l.status = l.status*10 + int(d)
		i++
	}
	return l.scanReason(b, i, p)
}

// scanReason reads the rest of the line. RFC 9112 section 4 asks for a space in front of an empty reason phrase too; many
// servers leave it out.
func (l *statusLine) scanReason(b []byte, i int, p *progress) rule {
	if i == len(b) {
		return ruleOK
	}
	if b[i] != ' ' && b[i] != '\r' {
		if b[i] == '\n' {
			return ruleBareLF
		}
		return ruleStatusCode
	}
	if b[i] == ' ' {
		i++
	}
	l.reason.off = i
	i = syntax.ScanValue(b, i)
	l.reason.len = i - l.reason.off
	if i == len(b) {
		p.seen = uint32(i)
		return ruleOK
	}
	if b[i] != '\r' {
		if b[i] == '\n' {
			return ruleBareLF
		}
		return ruleReasonPhrase
	}
	if i++; i == len(b) {
		return ruleOK
	}
	if b[i] != '\n' {
		return ruleBareCR
	}
	l.end = i + 1
	return ruleOK
}

// response is what a client codec takes from a response head, beside the Header.
type response struct {
	line      statusLine
	fields    section
	options   options
	body      bodyKind
	length    int64  // of bodyLength
	keepAlive uint16 // seconds of Keep-Alive: timeout=
}

// scan reads a response head from the start of b into h, or goes on reading one. r.fields.end is behind the head, or -1
// while it is not whole.
func (r *response) scan(b []byte, p *progress, l *protocols.Limits, h *protocols.Header, t traits) rule {
	r.fields.end = -1
	whole, full := clip(b, min(l.HeadBytes, maxHead))
	if p.more(whole, syntax.ScanValue) {
		return orFull(ruleOK, full)
	}
	if p.line == 0 {
		if rl := r.line.scan(whole, p); rl != ruleOK || r.line.end < 0 {
			return orFull(rl, full)
		}
		p.line, p.seen, p.fields = uint32(r.line.end), 0, 0
	}
	again := r.line.end == 0 // this call did not see the start
	h.Lend(whole)
	rl := r.fields.scanFields(whole, p, responseFields(l), h)
	if rl != ruleOK || r.fields.end < 0 {
		return orFull(rl, full)
	}
	if again {
		*p, *r = progress{}, response{}
		return r.scan(b, p, l, h, t)
	}
	h.Trim(r.fields.end)
	return r.interpret(h, t)
}

// responseFields is the limit of fields in a response head: twice that of a request's.
func responseFields(l *protocols.Limits) int {
	if l.HeadFields > maxHead {
		return l.HeadFields
	}
	return 2 * l.HeadFields
}

// interpret checks what a whole response head says and completes h.
func (r *response) interpret(h *protocols.Header, t traits) rule {
	h.Proto = protocols.ProtocolHTTP1
	h.Minor = r.line.minor
	h.Status = r.line.status
	h.SpanReason(r.line.reason.off, r.line.reason.len)
	f := framed{length: -1}
	if r.fields.set&special != 0 {
		var rl rule
		if f, rl = scanFraming(h, r.fields.set, r.fields.repeated, r.line.minor); rl != ruleOK {
			return rl
		}
		if rl = r.interpretFields(h); rl != ruleOK {
			return rl
		}
	}
	return r.interpretBody(h, f, t)
}

func (r *response) interpretFields(h *protocols.Header) (rl rule) {
	if r.fields.set.Has(protocols.NameConnection) {
		if r.options, rl = scanConnection(h); rl != ruleOK {
			return rl
		}
	}
	if r.fields.set.Has(protocols.NameKeepAlive) {
		r.keepAlive = scanKeepAlive(h.Get(protocols.NameKeepAlive))
	}
	// Upgrade in any other answer advertises what the server could speak on its own connections; that is not ours to
	// pass on.
	if r.fields.set.Has(protocols.NameUpgrade) && (h.Status == 101 || h.Status == 426) {
		scanUpgrade(h)
	}
	if r.fields.set&(hopByHop|notInAnswers) != 0 {
		deleteFields(h, hopByHop|notInAnswers)
	}
	return ruleOK
}

// interpretBody decides how the body is delimited, in the order of RFC 9112 section 6.3.
func (r *response) interpretBody(h *protocols.Header, f framed, t traits) rule {
	connected := t&isConnect != 0 && h.Status >= 200 && h.Status < 300
	switch {
	case f.chunked && (h.Status < 200 || h.Status == 204):
		// RFC 9112 section 6.1: "A server MUST NOT send a Transfer-Encoding header field in any response with a status
		// code of 1xx (Informational) or 204 (No Content)."
		return ruleCodingForbidden
	case connected || h.Status < 200:
		// RFC 9112 section 6.3: "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in
		// such a message."
		h.Del(protocols.NameContentLength)
		return ruleOK
	}
	h.ContentLength = f.length
	switch {
	case t&isHead != 0 || h.Status == 204 || h.Status == 304 || f.length == 0:
	case f.chunked:
		r.body = bodyChunkLine
	case f.length > 0:
		r.body, r.length = bodyLength, f.length
	default:
		r.body = bodyUntilEOF
	}
	return ruleOK
}

// scanKeepAlive returns the seconds of `timeout=` in a Keep-Alive value (RFC 2068 section 19.7.1.1), 0 without one.
func scanKeepAlive(value []byte) uint16 {
	const name = "timeout="
	for param, rest, more := nextElement(value); ; param, rest, more = nextElement(rest) {
		if len(param) > len(name) && protocols.EqualFold(param[:len(name)], name) {
			if n, r := parseLength(param[len(name):]); r == ruleOK {
				return uint16(min(n, 1<<16-1))
			}
		}
		if !more {
			return 0
		}
	}
}
