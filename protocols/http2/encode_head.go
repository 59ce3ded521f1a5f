package http2

import (
	"strconv"
	"time"

	"sluice/protocols"
	"sluice/protocols/http2/hpack"
	"sluice/protocols/syntax"
)

// neverSent are the fields that no HTTP/2 message carries: those of HTTP/1 connections (RFC 9113 section 8.2.2), and
// host, which :authority replaces.
var neverSent = ofConnections | protocols.NameSetOf(protocols.NameHTTP2Settings, protocols.NameHost)

// encodeAnswer writes the head of an answer.
func (c *conn) encodeAnswer(s *stream, ev *protocols.Event, out protocols.Output) error {
	h := ev.Header
	status := h.Status
	switch {
	case s.out != progressHead:
		return errHeadTwice
	case status < 100 || status > 999:
		return errStatus
	case !sendable(h):
		return errField
	}
	switch {
	case status == 101:
		// RFC 8441 section 5: a 2xx grants what 101 does in HTTP/1.
		if s.traits&isUpgrade == 0 {
			return errUpgrade
		}
		c.encodeTunnel(s, ev, 200, out)
		return nil
	case status < 200:
		c.writeAnswer(s.id, status, h, notInAnswers|protocols.NameSetOf(protocols.NameContentLength), -1, false, out)
		return nil
	case status < 300 && s.traits&isConnect != 0:
		c.encodeTunnel(s, ev, status, out)
		return nil
	case status < 300 && s.traits&isUpgrade != 0:
		status = 502 // the upgrade was not granted, and a 2xx would say that it was
	}
	return c.encodeFinal(s, ev, status, out)
}

// notInAnswers are fields that no answer carries.
var notInAnswers = neverSent | protocols.NameSetOf(protocols.NameTE)

// encodeTunnel writes the head that makes a tunnel of s. RFC 9110 section 9.3.6: "A server MUST NOT send any
// Transfer-Encoding or Content-Length header fields in a 2xx (Successful) response to CONNECT."
func (c *conn) encodeTunnel(s *stream, ev *protocols.Event, status int, out protocols.Output) {
	c.writeAnswer(s.id, status, ev.Header, notInAnswers|protocols.NameSetOf(protocols.NameContentLength), -1, ev.End, out)
	s.out = progressBody
	s.traits |= isTunnel
	if ev.End {
		c.endOut(s, out)
	}
}

// encodeFinal writes a final head that is followed by a body, or by nothing.
func (c *conn) encodeFinal(s *stream, ev *protocols.Event, status int, out protocols.Output) error {
	h := ev.Header
	leaveOut := notInAnswers
	set, repeated := h.Present()
	length, missing, err := announce(h, set, repeated)
	if err != nil {
		return err
	}
	switch {
	case s.traits&isHead != 0 || status == 304:
		s.traits |= noBody
	case status == 204:
		// RFC 9110 section 8.6: "A server MUST NOT send a Content-Length header field in any response with a status code
		// of 1xx (Informational) or 204 (No Content)."
		s.traits |= noBody
		leaveOut |= protocols.NameSetOf(protocols.NameContentLength)
		missing = false
	case ev.End && length > 0:
		return errBodyShort
	default:
		s.outLeft = length
	}
	if !missing {
		length = -1
	}
	c.writeAnswer(s.id, status, h, leaveOut, length, ev.End, out)
	s.out = progressBody
	if ev.End {
		c.endOut(s, out)
	}
	return nil
}

// announce returns the length of the body to send, -1 when it is not announced, and whether the field is missing.
func announce(h *protocols.Header, set, repeated protocols.NameSet) (length int64, missing bool, err error) {
	if !set.Has(protocols.NameContentLength) {
		return h.ContentLength, h.ContentLength >= 0, nil
	}
	length, ok := parseLength(h.Get(protocols.NameContentLength))
	if !ok || repeated.Has(protocols.NameContentLength) || h.ContentLength >= 0 && h.ContentLength != length {
		return 0, false, errLength
	}
	return length, false, nil
}

// sendable reports whether every field of h can be sent. Those that HTTP codecs have decoded are known to be.
func sendable(h *protocols.Header) bool {
	if h.Proto == protocols.ProtocolHTTP1 || h.Proto == protocols.ProtocolHTTP2 {
		return true
	}
	for i := range h.Len() {
		_, name, value, ok := h.Field(i)
		if ok && (len(name) == 0 || !syntax.Token.All(name) || !validValue(value)) {
			return false
		}
	}
	return true
}

// writeAnswer writes an answer's head. length, if it is not negative, is a content-length that is not among the fields.
func (c *conn) writeAnswer(id uint32, status int, h *protocols.Header, leaveOut protocols.NameSet, length int64, end bool,
	out protocols.Output,
) {
	digits := [3]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)}
	b := c.enc.AppendPseudo(c.enc.Begin(c.loop.block[:0]), pseudoStatus, digits[:])
	b = c.appendFields(b, h, leaveOut)
	if length >= 0 {
		b = c.appendLength(b, length)
	}
	c.loop.block = b
	c.writeBlock(out, id, b, end)
}

func (c *conn) appendLength(b []byte, n int64) []byte {
	var digits [20]byte
	return c.enc.Append(b, protocols.NameContentLength, nil, strconv.AppendInt(digits[:0], n, 10),
		hpack.DefaultPolicy(protocols.NameContentLength))
}

// appendFields appends the fields of h but those in leaveOut.
func (c *conn) appendFields(b []byte, h *protocols.Header, leaveOut protocols.NameSet) []byte {
	for i := range h.Len() {
		id, name, value, ok := h.Field(i)
		if !ok || leaveOut.Has(id) {
			continue
		}
		policy := hpack.DefaultPolicy(id)
		if h.Secret(i) {
			// RFC 7541 section 6.2.3: "Intermediaries MUST use the same representation for encoding this header field."
			policy = hpack.PolicyNever
		}
		b = c.enc.Append(b, id, name, value, policy)
	}
	return b
}

// writeBlock writes a field block in as many frames as it needs.
func (c *conn) writeBlock(out protocols.Output, id uint32, block []byte, end bool) {
	var flags uint8
	if end {
		flags = flagEndStream
	}
	kind := frameHeaders
	b := out.Reserve(len(block) + headerLen*(1+len(block)/frameSize))
	for {
		k := min(len(block), frameSize)
		if k == len(block) {
			flags |= flagEndHeaders
		}
		b = append(appendFrame(b, k, kind, flags, id), block[:k]...)
		if block = block[k:]; len(block) == 0 {
			break
		}
		kind, flags = frameContinuation, 0
	}
	out.Commit(b)
}

// encodeRequest writes the head of a request and opens its stream.
func (c *conn) encodeRequest(now time.Duration, ev *protocols.Event, out protocols.Output) error {
	h := ev.Header
	if ev.Stream != 0 {
		return errHeadTwice
	}
	if c.Status().Room == 0 {
		return errPhase
	}
	if !sendable(h) {
		return errField
	}
	set, repeated := h.Present()
	length, missing, err := announce(h, set, repeated)
	if err != nil {
		return err
	}
	if ev.End && length > 0 {
		return errBodyShort
	}
	upgrade := len(h.Upgrade()) > 0 && length <= 0 && h.Method != protocols.MethodConnect
	if err = checkRequestLine(h, upgrade); err != nil {
		return err
	}
	c.begin(now, out)
	switch {
	case !upgrade || c.flags&takesConnect != 0:
	case c.flags&gotSettings == 0:
		// RFC 8441 section 3: "A client [...] MUST NOT send [an extended CONNECT] before receiving the setting".
		c.loop.addEarly(c, ev.Owner)
		return protocols.ErrWait
	default:
		return errNoConnect
	}
	c.adapt(now, out)
	leaveOut := neverSent
	tunnel := upgrade || h.Method == protocols.MethodConnect
	if tunnel {
		leaveOut |= protocols.NameSetOf(protocols.NameContentLength)
		length, missing = -1, false
	}
	if te := h.Get(protocols.NameTE); te != nil && !protocols.EqualFold(te, "trailers") {
		leaveOut |= protocols.NameSetOf(protocols.NameTE)
	}
	b := c.appendRequestLine(h, upgrade)
	b = c.appendFields(b, h, leaveOut)
	if missing {
		b = c.appendLength(b, length)
	}
	c.loop.block = b
	ev.Stream = protocols.StreamID(c.nextOpen)
	c.writeBlock(out, c.nextOpen, b, ev.End && !tunnel)
	s := c.openRequest(now, ev, length, upgrade)
	if ev.End && tunnel {
		c.writeEnd(out, s) // a request for a tunnel does not end, but the tunnel may at once
	}
	return nil
}

// openRequest makes the stream of a request that was encoded.
func (c *conn) openRequest(now time.Duration, ev *protocols.Event, length int64, upgrade bool) *stream {
	s := c.loop.stream()
	s.id, s.owner = c.nextOpen, ev.Owner
	s.recv, s.recvMax, s.send = c.recvFirst, c.recvFirst, c.sendFirst
	s.inLeft, s.outLeft = -1, length
	s.updated = now
	s.out, s.urgency = progressBody, defaultUrgency
	if value := ev.Header.Get(protocols.NamePriority); value != nil {
		s.urgency = urgencyOf(value)
	}
	switch {
	case upgrade:
		s.traits |= isUpgrade
		s.upgrade = internProtocol(ev.Header.Upgrade())
	case ev.Header.Method == protocols.MethodHead:
		s.traits |= isHead
	case ev.Header.Method == protocols.MethodConnect:
		s.traits |= isConnect
	}
	if ev.End {
		s.out = progressDone
	}
	c.fates.open(s.id)
	c.nextOpen += 2
	c.streams.add(s, c.loop)
	c.loop.opened()
	return s
}

// internProtocol makes a string of a protocol's name, which is websocket.
func internProtocol(b []byte) string {
	if string(b) == "websocket" {
		return "websocket"
	}
	return string(b)
}

// checkRequestLine looks at every request: a rewrite may have changed what a codec has decoded.
func checkRequestLine(h *protocols.Header, upgrade bool) error {
	method, authority, path := h.MethodBytes(), h.Authority(), h.Path()
	switch {
	case len(method) == 0 || h.Method == protocols.MethodOther && !syntax.Token.All(method):
		return errRequest
	case !syntax.Host.All(authority):
		return errRequest
	case upgrade && (!syntax.IsProtocolName(h.Upgrade()) || len(h.Upgrade()) > maxProtocol):
		return errRequest
	case h.Method == protocols.MethodConnect:
		if len(authority) == 0 {
			return errRequest
		}
		return nil
	case len(path) > 0 && !validTarget(path, true):
		return errRequest
	}
	return nil
}

// appendRequestLine begins a request's block with its pseudo fields.
func (c *conn) appendRequestLine(h *protocols.Header, upgrade bool) []byte {
	b := c.enc.Begin(c.loop.block[:0])
	if h.Method == protocols.MethodConnect {
		b = c.enc.AppendPseudo(b, pseudoMethod, h.MethodBytes())
		return c.enc.AppendPseudo(b, pseudoAuthority, h.Authority())
	}
	if upgrade {
		b = c.enc.AppendPseudo(b, pseudoMethod, connectMethod)
		b = c.enc.AppendPseudo(b, pseudoProtocol, h.Upgrade())
	} else {
		b = c.enc.AppendPseudo(b, pseudoMethod, h.MethodBytes())
	}
	scheme, path := h.Scheme(), h.Path()
	if string(scheme) != "https" {
		scheme = httpScheme
	}
	if len(path) == 0 {
		path = rootPath
	}
	b = c.enc.AppendPseudo(b, pseudoScheme, scheme)
	if authority := h.Authority(); len(authority) > 0 {
		b = c.enc.AppendPseudo(b, pseudoAuthority, authority)
	}
	return c.enc.AppendPseudo(b, pseudoPath, path)
}

// These are never written to.
var (
	connectMethod = []byte("CONNECT")
	httpScheme    = []byte("http")
	rootPath      = []byte("/")
)
