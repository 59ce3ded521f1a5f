package http1

import (
	"time"

	"sluice/protocols"
	"sluice/protocols/syntax"
)

// Encode implements protocols.Codec. Stream may be zero for the exchange in progress. After Decode has refused a head,
// or while only a part of one has come, one answer may be encoded with Stream zero though no stream was announced.
func (c *server) Encode(_ time.Duration, ev *protocols.Event, out protocols.Output) (int, error) {
	switch ev.Kind {
	case protocols.KindGoAway:
		c.goAway()
		return 0, nil
	case protocols.KindCredit:
		return 0, nil // HTTP/1 has no windows: the owner pauses the connection
	case protocols.KindHead, protocols.KindData, protocols.KindTrailer, protocols.KindReset:
	default:
		return 0, errKind
	}
	if ev.Kind == protocols.KindHead && ev.Stream == 0 {
		c.giveUp()
	}
	if c.out == serverIdle || ev.Stream != 0 && ev.Stream != c.stream {
		return 0, errStream
	}
	var err error
	switch {
	case ev.Kind == protocols.KindReset:
		c.abort()
	case ev.Kind == protocols.KindHead && c.out == serverAnswer:
		err = c.encodeHead(ev, out)
	case ev.Kind == protocols.KindHead:
		err = errHeadTwice
	case c.out == serverAnswer:
		err = errHeadFirst
	default:
		return c.encodeBody(ev, out)
	}
	return 0, err
}

// giveUp ends the wait for a head of which a part has come: what is encoded next answers it (408, when it took too long).
func (c *server) giveUp() {
	if c.out == serverIdle && c.in == serverHead && c.traits&isPartial != 0 {
		c.nextStream()
		c.out, c.in = serverAnswer, serverEnded
		c.traits |= isLast
	}
}

// goAway lets the next answer's head be the last. When the head of the answer in progress is out already, the client
// does not know: the connection stays PhaseDraining and Idle behind that answer, until one more request was answered
// or GoAway is encoded again.
func (c *server) goAway() {
	if c.in == serverHead && c.traits&isPartial == 0 && c.phase == protocols.PhaseOpen {
		c.close(true)
		return
	}
	c.traits |= goingAway
}

func (c *server) abort() {
	c.in, c.out, c.phase = serverEnded, serverIdle, protocols.PhaseAbort
}

func (c *server) encodeBody(ev *protocols.Event, out protocols.Output) (int, error) {
	if c.out == serverTunnelOut {
		if len(ev.Data) > 0 {
			out.Write(ev.Data)
		}
		if ev.End {
			c.endTunnelOut()
		}
		return len(ev.Data), nil
	}
	var err error
	if ev.Kind == protocols.KindTrailer {
		err = c.answer.writeTrailer(ev.Header, out)
	} else {
		err = c.answer.write(ev.Data, ev.End, out)
	}
	if err != nil {
		// What went out must not be taken for a complete answer: only a broken connection says so (RFC 9112 section 8).
		c.abort()
		return 0, err
	}
	if c.answer.kind == writerDone {
		c.answered()
	}
	return len(ev.Data), nil
}

// encodeHead writes the head of an answer.
func (c *server) encodeHead(ev *protocols.Event, out protocols.Output) error {
	h := ev.Header
	status := h.Status
	if status < 100 || status > 999 {
		return errStatus
	}
	set, repeated := h.Present()
	if h.Proto != protocols.ProtocolHTTP1 && !sendable(h) {
		return errField
	}
	if phrase := h.ReasonPhrase(); syntax.ScanValue(phrase, 0) < len(phrase) {
		return errField
	}
	if set&notInAnswers != 0 {
		deleteFields(h, notInAnswers)
	}
	if status < 200 && status != 101 {
		c.encodeInterim(h, set, out)
		return nil
	}
	if status == 101 || c.traits&isConnect != 0 && status < 300 {
		return c.encodeTunnel(ev, set, out)
	}
	length, missing, err := announce(h, set, repeated)
	if err != nil {
		return err
	}
	kind := c.framing(status, length, ev.End)
	if kind == writerLength && ev.End && length > 0 {
		return errBodyShort
	}
	if kind == writerLength && !ev.End && c.traits&isOld == 0 && becomesChunked(h, set) {
		kind, length, missing = writerChunked, -1, false
	}
	if status == 204 {
		// RFC 9110 section 8.6: "A server MUST NOT send a Content-Length header field in any response with a status
		// code of 1xx (Informational) or 204 (No Content)."
		h.Del(protocols.NameContentLength)
		missing = false
	}
	if c.traits&goingAway != 0 || kind == writerUntilEOF || c.in == serverBody && c.traits&expectsWait != 0 ||
		c.in == serverHeld && c.traits&isConnect != 0 {
		c.traits |= isLast
	}
	b := beginAnswer(h, out)
	if missing || length < 0 && kind == writerLength {
		b = appendLength(b, max(length, 0))
	}
	if kind == writerChunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if status == 426 && syntax.IsProtocolName(h.Upgrade()) {
		b = appendUpgrade(b, h)
	}
	out.Commit(append(c.appendPersistence(b), "\r\n"...))
	c.answer = bodyWriter{kind: kind, left: max(length, 0)}
	c.out = serverAnswerBody
	if ev.End {
		c.answer.kind = writerDone
		c.answered()
	}
	return nil
}

// notInAnswers are fields that no answer carries from a Header: the encoder writes what it needs of them itself.
var notInAnswers = hopByHop | protocols.NameSetOf(protocols.NameTE)

// framing chooses how the body of an answer is delimited (RFC 9112 section 6.3).
func (c *server) framing(status int, length int64, end bool) writerKind {
	switch {
	case c.traits&isHead != 0 || status == 204 || status == 304:
		return writerNone
	case length >= 0 || end:
		return writerLength
	case c.traits&isOld != 0:
		// RFC 9112 section 6.1: "A server MUST NOT send a response containing Transfer-Encoding unless the
		// corresponding request indicates HTTP/1.1 (or later minor revisions)."
		return writerUntilEOF
	}
	return writerChunked
}

// encodeInterim writes a 1xx head, to a client that can take it.
func (c *server) encodeInterim(h *protocols.Header, set protocols.NameSet, out protocols.Output) {
	// RFC 9110 section 15.2: "A server MUST NOT send a 1xx response to an HTTP/1.0 client."
	if c.traits&isOld != 0 {
		return
	}
	if h.Status == 100 {
		if c.traits&expects100 == 0 {
			return // nobody waits for it
		}
		c.traits &^= expects100 | expectsWait
	}
	if set.Has(protocols.NameContentLength) {
		h.Del(protocols.NameContentLength)
	}
	out.Commit(append(beginAnswer(h, out), "\r\n"...))
}

// encodeTunnel writes the head that makes the connection a tunnel.
func (c *server) encodeTunnel(ev *protocols.Event, set protocols.NameSet, out protocols.Output) error {
	h := ev.Header
	if h.Status == 101 && (c.asked != hashFold(h.Upgrade()) || !syntax.IsProtocolName(h.Upgrade()) || c.traits&isConnect != 0) {
		return errUpgrade
	}
	if set.Has(protocols.NameContentLength) {
		// RFC 9110 section 9.3.6: "A server MUST NOT send any Transfer-Encoding or Content-Length header fields in a
		// 2xx (Successful) response to CONNECT."
		h.Del(protocols.NameContentLength)
	}
	b := beginAnswer(h, out)
	if h.Status == 101 {
		b = appendUpgrade(b, h)
	}
	out.Commit(append(b, "\r\n"...))
	c.out, c.phase = serverTunnelOut, protocols.PhaseTunnel
	if c.in == serverHeld {
		c.in = serverTunnel
	}
	if ev.End {
		c.endTunnelOut()
	}
	return nil
}

func (c *server) endTunnelOut() {
	c.out = serverIdle
	if c.in == serverEnded {
		c.phase = protocols.PhaseClosing
	}
}

// answered is the end of an answer.
func (c *server) answered() {
	c.out = serverIdle
	last := c.traits&isLast != 0
	switch c.in {
	case serverBody:
		// RFC 9112 section 9.3: a server must read the whole request, or close, before it reads another one.
		if last || c.body.kind == bodyLength && c.body.left > int64(c.env.Limits.DiscardBytes) {
			c.close(true)
			return
		}
		c.in = serverDiscard
	case serverHeld:
		// The upgrade was refused. What the client has already sent may be of the other protocol.
		if last || c.traits&sentAhead != 0 {
			c.close(true)
			return
		}
		c.next()
	case serverDone:
		if last {
			c.close(c.traits&goingAway != 0)
			return
		}
		c.next()
	case serverHead, serverDiscard, serverTunnel, serverEnded:
		c.close(true)
	}
}

// appendPersistence says whether the connection stays, where the client can't know (RFC 9112 section 9.3).
func (c *server) appendPersistence(b []byte) []byte {
	switch {
	case c.traits&isLast != 0:
		return append(b, "Connection: close\r\n"...)
	case c.traits&isOld != 0:
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// beginAnswer reserves room for the whole head and appends the status line and the fields.
func beginAnswer(h *protocols.Header, out protocols.Output) []byte {
	const around = 192 // the status line, and the fields that the encoder adds
	b := out.Reserve(h.RawLen() + h.Len() + around)
	s := h.Status
	b = append(b, "HTTP/1.1 "...)
	b = append(b, byte('0'+s/100), byte('0'+s/10%10), byte('0'+s%10), ' ')
	if phrase := h.ReasonPhrase(); len(phrase) > 0 {
		b = append(b, phrase...)
	} else {
		b = append(b, StatusText(s)...)
	}
	return h.AppendLines(append(b, "\r\n"...))
}

func appendUpgrade(b []byte, h *protocols.Header) []byte {
	b = append(b, "Connection: upgrade\r\nUpgrade: "...)
	b = append(b, h.Upgrade()...)
	return append(b, "\r\n"...)
}
