package http1

import (
	"time"

	"sluice/protocols"
	"sluice/protocols/syntax"
)

// Encode implements protocols.Codec.
func (c *client) Encode(_ time.Duration, ev *protocols.Event, out protocols.Output) (int, error) {
	switch ev.Kind {
	case protocols.KindGoAway:
		c.traits |= goingAway
		if c.in == clientIdle {
			c.close()
		}
		return 0, nil
	case protocols.KindCredit:
		return 0, nil // HTTP/1 has no windows: the owner pauses the connection
	case protocols.KindHead:
		return 0, c.encodeHead(ev, out)
	case protocols.KindData, protocols.KindTrailer, protocols.KindReset:
	default:
		return 0, errKind
	}
	if c.in == clientIdle || ev.Stream != c.stream {
		return 0, errStream
	}
	if ev.Kind == protocols.KindReset {
		c.abort()
		return 0, nil
	}
	return c.encodeBody(ev, out)
}

func (c *client) abort() {
	c.in, c.out, c.phase = clientEnded, clientDone, protocols.PhaseAbort
}

func (c *client) encodeBody(ev *protocols.Event, out protocols.Output) (int, error) {
	var err error
	switch c.out {
	case clientDone:
		return 0, errStream
	case clientHeld:
		return c.encodeHeld(ev), nil
	case clientTunnelOut:
		if len(ev.Data) > 0 {
			out.Write(ev.Data)
		}
		if ev.End {
			c.endTunnelOut()
		}
		return len(ev.Data), nil
	case clientSending:
		if ev.Kind == protocols.KindTrailer {
			err = c.request.writeTrailer(ev.Header, out)
		} else {
			err = c.request.write(ev.Data, ev.End, out)
		}
	}
	if err != nil {
		// What went out must not be taken for a complete request: only a broken connection says so.
		c.abort()
		return 0, err
	}
	if c.request.kind == writerDone {
		c.out = clientDone
	}
	return len(ev.Data), nil
}

// encodeHeld takes nothing of what is meant for a tunnel that does not exist yet; a Credit event asks for it later.
func (c *client) encodeHeld(ev *protocols.Event) int {
	if len(ev.Data) > 0 {
		c.traits |= sentAhead
		return 0
	}
	if ev.End {
		c.out = clientDone
	}
	return 0
}

func (c *client) endTunnelOut() {
	c.out = clientDone
	if c.in == clientEnded {
		c.phase = protocols.PhaseClosing
	}
}

// encodeHead writes the head of a request and opens its stream.
func (c *client) encodeHead(ev *protocols.Event, out protocols.Output) error {
	switch {
	case c.phase != protocols.PhaseOpen || c.traits&goingAway != 0:
		return errPhase
	case c.in != clientIdle:
		return errHeadBusy
	}
	h := ev.Header
	target, err := checkRequestLine(h)
	if err != nil {
		return err
	}
	set, repeated := h.Present()
	if h.Proto != protocols.ProtocolHTTP1 && !sendable(h) {
		return errField
	}
	length, missing, err := announce(h, set, repeated)
	if err != nil {
		return err
	}
	if ev.End && length > 0 {
		return errBodyShort
	}
	if set&hopByHop != 0 {
		deleteFields(h, hopByHop)
	}
	if length >= 0 && !ev.End && becomesChunked(h, set) {
		length, missing = -1, false
	}
	tunnel := h.Method == protocols.MethodConnect || len(h.Upgrade()) > 0 && length <= 0
	b := beginRequest(h, target, set, out)
	switch {
	case missing:
		b = appendLength(b, length)
	case length >= 0 || tunnel:
	case !ev.End:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case h.Method == protocols.MethodPost || h.Method == protocols.MethodPut || h.Method == protocols.MethodPatch:
		// RFC 9110 section 8.6: "A user agent SHOULD send Content-Length in a request when the method defines a meaning
		// for enclosed content and it is not sending Transfer-Encoding."
		b = appendLength(b, 0)
	}
	b = appendConnection(b, h, tunnel, set.Has(protocols.NameTE))
	out.Commit(append(b, "\r\n"...))
	c.open(ev, length, tunnel)
	return nil
}

// open makes ev's stream the one in progress.
func (c *client) open(ev *protocols.Event, length int64, tunnel bool) {
	if c.stream++; c.stream == 0 {
		c.stream = 1
	}
	ev.Stream = c.stream
	h := ev.Header
	c.traits &= ofConnection
	c.interims, c.asked = 0, 0
	c.body = bodyReader{}
	c.in = clientHead
	switch h.Method {
	case protocols.MethodHead:
		c.traits |= isHead
	case protocols.MethodConnect:
		c.traits |= isConnect
	}
	switch {
	case tunnel:
		c.out = clientHeld
		if c.traits&isConnect == 0 {
			c.asked = hashFold(h.Upgrade())
		}
	case length >= 0:
		c.out, c.request = clientSending, bodyWriter{kind: writerLength, left: length}
	default:
		c.out, c.request = clientSending, bodyWriter{kind: writerChunked}
	}
	if ev.End {
		c.out = clientDone
	}
}

// checkRequestLine returns the request target of h when it and the method can be sent. It looks at every request: a
// rewrite may have changed the path of a head that HTTP/1 has decoded.
func checkRequestLine(h *protocols.Header) (target []byte, err error) {
	method := h.MethodBytes()
	if len(method) == 0 || syntax.Token.Scan(method, 0) < len(method) {
		return nil, errRequestLine
	}
	authority := h.Authority()
	if syntax.Host.Scan(authority, 0) < len(authority) {
		return nil, errRequestLine
	}
	if upgrade := h.Upgrade(); len(upgrade) > 0 && !syntax.IsProtocolName(upgrade) {
		return nil, errRequestLine
	}
	if h.Method == protocols.MethodConnect {
		if len(authority) == 0 {
			return nil, errRequestLine
		}
		return authority, nil
	}
	target = h.Path()
	if syntax.ScanTarget(target, 0) < len(target) {
		return nil, errRequestLine
	}
	if len(target) > 0 && target[0] != '/' && (len(target) > 1 || target[0] != '*') {
		return nil, errRequestLine
	}
	return target, nil
}

// beginRequest reserves room for the whole head and appends the request line and the fields.
func beginRequest(h *protocols.Header, target []byte, set protocols.NameSet, out protocols.Output) []byte {
	const around = 160 // the version, and the fields that the encoder adds
	authority := h.Authority()
	b := out.Reserve(h.RawLen() + h.Len() + len(authority) + around)
	b = append(b, h.MethodBytes()...)
	b = append(b, ' ')
	if len(target) == 0 {
		b = append(b, '/')
	}
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\n"...)
	// RFC 9112 section 3.2: "A client MUST send a Host header field [...] in all HTTP/1.1 request messages", first, and
	// "with an empty field value" when there is no authority. The field stays where and as it came while it says what
	// Authority says.
	if !set.Has(protocols.NameHost) || string(h.Get(protocols.NameHost)) != string(authority) {
		if set.Has(protocols.NameHost) {
			h.Del(protocols.NameHost)
		}
		b = append(b, "Host: "...)
		b = append(b, authority...)
		b = append(b, "\r\n"...)
	}
	return h.AppendLines(b)
}

// appendConnection appends what this hop needs to know.
func appendConnection(b []byte, h *protocols.Header, tunnel, te bool) []byte {
	upgrade := tunnel && h.Method != protocols.MethodConnect
	switch {
	case upgrade && te:
		b = append(b, "Connection: upgrade, te\r\n"...)
	case upgrade:
		b = append(b, "Connection: upgrade\r\n"...)
	case te:
		// RFC 9110 section 10.1.4: "A sender of TE MUST also send a "TE" connection option".
		b = append(b, "Connection: te\r\n"...)
	}
	if upgrade {
		b = append(b, "Upgrade: "...)
		b = append(b, h.Upgrade()...)
		b = append(b, "\r\n"...)
	}
	return b
}
