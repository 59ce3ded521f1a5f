package http1

import (
	"sluice/protocols"
	"sluice/protocols/syntax"
)

// maxMethod is longer than any registered method (UPDATEREDIRECTREF has 17 bytes).
const maxMethod = 64

// requestLine is where the parts of a request line are; end is behind its CRLF, or -1 while that has not arrived.
type requestLine struct {
	method int // its length; it starts at 0
	target span
	minor  uint8
	end    int
}

// scan reads the request line at the start of b, strictly from left to right (see scanFields). p.seen is set when the
// line is cut within its target.
func (l *requestLine) scan(b []byte, p *progress) rule {
	l.end = -1
	i := 0
	for i < len(b) && syntax.Token.Has(b[i]) {
		i++
	}
	if i > maxMethod {
		// RFC 9112 section 3: "A server that receives a method longer than any that it implements SHOULD respond with
		// a 501 (Not Implemented) status code."
		return ruleMethodLong
	}
	if i == len(b) {
		return ruleOK
	}
	if i == 0 {
		return ruleGarbage
	}
	if b[i] != ' ' {
		return ruleMethod
	}
	l.method = i
	l.target.off = i + 1
	i = syntax.ScanTarget(b, i+1)
	l.target.len = i - l.target.off
	if i == len(b) {
		p.seen = uint32(i)
		return ruleOK
	}
	if b[i] != ' ' {
		return badTarget(b[i], l.target.len)
	}
	if l.target.len == 0 {
		return ruleTargetMissing
	}
	return l.scanVersion(b, i+1)
}

func badTarget(c byte, before int) rule {
	switch {
	case c != '\r' && c != '\n':
		return ruleTarget
	case before == 0:
		return ruleTargetMissing
	}
	return ruleHTTP09
}

func (l *requestLine) scanVersion(b []byte, i int) rule {
	const name = "HTTP/1."
	for j := range len(name) {
		if i+j == len(b) {
			return ruleOK
		}
		if b[i+j] != name[j] {
			if j == len("HTTP/") && b[i+j] == '2' {
				return ruleHTTP2
			}
			return ruleVersion
		}
	}
	i += len(name)
	if i == len(b) {
		return ruleOK
	}
	// RFC 9112 section 2.3: a minor version above 1 is compatible with 1.
	if l.minor = b[i] - '0'; l.minor > 9 {
		return ruleVersion
	}
	if i++; i == len(b) {
		return ruleOK
	}
	if b[i] != '\r' {
		if b[i] == '\n' {
			return ruleBareLF
		}
		return ruleVersion
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

// request is what a server codec takes from a request head, beside the Header.
type request struct {
	line    requestLine
	fields  section
	options options
	body    bodyKind
	length  int64 // of bodyLength
	expect  bool  // Expect: 100-continue, by a client that may be answered 100
	tunnel  bool  // CONNECT, or an Upgrade that is passed on
}

// scan reads a request head from the start of b into h, or goes on reading one. r.fields.end is behind the head, or -1
// while it is not whole.
func (r *request) scan(b []byte, p *progress, l *protocols.Limits, h *protocols.Header) rule {
	r.fields.end = -1
	whole, full := clip(b, min(l.HeadBytes, maxHead))
	if p.line == 0 {
		if rl := r.scanLine(whole, p, l); rl != ruleOK || r.line.end < 0 {
			return orFull(rl, full)
		}
		p.line, p.seen, p.fields = uint32(r.line.end), 0, 0
	} else if p.more(whole, syntax.ScanValue) {
		return orFull(ruleOK, full)
	}
	again := r.line.end == 0 // this call did not see the start
	h.Lend(whole)
	rl := r.fields.scanFields(whole, p, l.HeadFields, h)
	if rl != ruleOK || r.fields.end < 0 {
		return orFull(rl, full)
	}
	if again {
		*p, *r = progress{}, request{}
		return r.scan(b, p, l, h)
	}
	h.Trim(r.fields.end)
	return r.interpret(whole[:r.fields.end:r.fields.end], h)
}

func (r *request) scanLine(whole []byte, p *progress, l *protocols.Limits) rule {
	r.line.end = -1
	line, full := whole, false
	if l.RequestLine < len(whole)-2 {
		line, full = whole[:l.RequestLine+2], true
	}
	if p.more(line, syntax.ScanTarget) {
		if full {
			return ruleTargetLong
		}
		return ruleOK
	}
	rl := r.line.scan(line, p)
	if rl == ruleOK && r.line.end < 0 && full {
		return ruleTargetLong
	}
	return rl
}

// orFull turns "more bytes are needed" into a refusal when no more may come.
func orFull(r rule, full bool) rule {
	if r == ruleOK && full {
		return ruleHeadBytes
	}
	return r
}

// interpret checks what a whole request head says and completes h. b is the head.
func (r *request) interpret(b []byte, h *protocols.Header) rule {
	h.Proto = protocols.ProtocolHTTP1
	h.Minor = r.line.minor
	h.Method = protocols.LookupMethod(b[:r.line.method])
	h.SpanMethod(0, r.line.method)
	if r.fields.set&special != 0 {
		if rl := r.interpretFields(h); rl != ruleOK {
			return rl
		}
	}
	return r.interpretTarget(b, h)
}

// interpretFields reads the special fields.
func (r *request) interpretFields(h *protocols.Header) rule {
	if rl := r.interpretFraming(h); rl != ruleOK {
		return rl
	}
	if r.fields.set.Has(protocols.NameConnection) {
		var rl rule
		if r.options, rl = scanConnection(h); rl != ruleOK {
			return rl
		}
	}
	if rl := r.interpretExpect(h); rl != ruleOK {
		return rl
	}
	if r.fields.set.Has(protocols.NameUpgrade) {
		r.interpretUpgrade(h)
	}
	if r.fields.set.Has(protocols.NameTE) {
		scanTE(h)
	}
	if r.fields.set&hopByHop != 0 {
		deleteFields(h, hopByHop)
	}
	return ruleOK
}

func (r *request) interpretFraming(h *protocols.Header) rule {
	f, rl := scanFraming(h, r.fields.set, r.fields.repeated, r.line.minor)
	if rl != ruleOK {
		return rl
	}
	if f.chunked {
		r.body = bodyChunkLine
	} else if f.length > 0 {
		r.body, r.length = bodyLength, f.length
	}
	if h.Method == protocols.MethodConnect && r.body != bodyNone {
		return ruleConnectBody
	}
	h.ContentLength = f.length
	return ruleOK
}

// interpretExpect checks the Expect fields.
func (r *request) interpretExpect(h *protocols.Header) rule {
	if !r.fields.set.Has(protocols.NameExpect) {
		return ruleOK
	}
	if r.line.minor == 0 {
		// RFC 9110 section 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST
		// ignore that expectation."
		h.Del(protocols.NameExpect)
		return ruleOK
	}
	for i := range h.Len() {
		// "A server that receives an Expect field value containing a member other than 100-continue MAY respond with
		// a 417 (Expectation Failed) status code".
		if id, _, value, ok := h.Field(i); ok && id == protocols.NameExpect && !protocols.EqualFold(value, "100-continue") {
			return ruleExpect
		}
	}
	r.expect = true
	return ruleOK
}

// interpretUpgrade moves the wish of an Upgrade field to h.Upgrade.
//
// RFC 9110 section 7.8: "A server MAY ignore a received Upgrade header field". It is ignored in HTTP/1.0 (as it must
// be), without the connection option (a forgotten hop-by-hop field of another hop), with a body (whose end and the new
// protocol's start would have to be told apart), and with CONNECT.
func (r *request) interpretUpgrade(h *protocols.Header) {
	if r.line.minor == 0 || r.options&optUpgrade == 0 || r.body != bodyNone || h.Method == protocols.MethodConnect {
		return
	}
	r.tunnel = scanUpgrade(h)
}

// persists says whether the client keeps the connection when it has its answer (RFC 9112 section 9.3).
func persists(minor uint8, o options) bool {
	if o&optClose != 0 {
		return false
	}
	return minor > 0 || o&optKeepAlive != 0
}
