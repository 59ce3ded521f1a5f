package bolt

import (
	"time"

	"sluice/protocols"
)

// server is the server's end of a connection.
type server struct{ conn }

var (
	_ protocols.Multiplexer = (*server)(nil)
	_ protocols.Closer      = (*server)(nil)
)

func newServer(env *protocols.Env) *server { return &server{conn: newConn(env)} }

// Decode implements protocols.Codec.
func (c *server) Decode(now time.Duration, b []byte, sink protocols.Sink, out protocols.Output) (n int, err error) {
	c.begins()
	c.giveTurns(sink, out)
	for starts := 0; n < len(b); starts++ {
		if c.in.state == inEnded {
			return len(b), nil
		}
		if c.pausing(starts, n) {
			break
		}
		if out.Buffered() > protocols.OutputHigh {
			// Whatever comes may ask for an answer, and the client does not read those that it has.
			c.traits |= isBlocked
			break
		}
		var (
			k int
			r rule
		)
		if c.in.state == inHead {
			k, r = c.decodeFrame(b[n:], sink, out)
		} else {
			k, r = c.decodePiece(b[n:], sink)
		}
		if r != ruleOK {
			return n, c.fail(r, sink, out)
		}
		if k == 0 {
			break
		}
		n += k
	}
	if n > 0 {
		c.moved = now
	}
	return n, nil
}

// decodeFrame reads a frame, or the head of a long one.
func (c *server) decodeFrame(b []byte, sink protocols.Sink, out protocols.Output) (n int, r rule) {
	f, fixed, r := parseFrame(b)
	if fixed == 0 || r != ruleOK {
		return 0, r
	}
	if r = checkRequest(&f); r != ruleOK {
		return 0, c.refuse(&f, r, out)
	}
	head, n, r := c.extent(&f, fixed, b)
	switch {
	case r != ruleOK:
		return 0, c.refuse(&f, r, out)
	case n == 0:
		return 0, ruleOK
	case f.command == commandRequest:
		return n, c.decodeRequest(&f, fixed, b[:head], b[head:n], sink, out)
	}
	if n == head && f.content > 0 {
		return 0, c.refuse(&f, ruleContent, out)
	}
	switch {
	case f.command == commandGoAway:
		c.goneAway(sink)
	case f.kind == kindResponse:
		c.env.Counts.Unknown++ // to a heartbeat that nobody sent
	case f.kind == kindRequest:
		r = c.reply(&f, commandHeartbeat, statusSuccess, protocols.ReasonNone, out)
	}
	return n, r
}

// checkRequest refuses what a client does not send.
func checkRequest(f *frame) rule {
	switch {
	case f.command == commandHeartbeat:
		return ruleOK
	case f.kind == kindResponse:
		return ruleDirection
	case f.command == commandRequest || f.command == commandGoAway:
		return ruleOK
	}
	return ruleCommand
}

// refuse answers a request that can't be understood, before the connection ends.
func (c *server) refuse(f *frame, r rule, out protocols.Output) rule {
	if f.kind == kindRequest && f.command != commandGoAway {
		_ = c.reply(f, commandResponse, statusCodecException, requestErrors[r].Reason, out) // the connection ends anyhow
	}
	return r
}

// goneAway is a client's word that it will open no more streams.
func (c *server) goneAway(sink protocols.Sink) {
	if c.phase != protocols.PhaseOpen {
		return
	}
	c.drain(true)
	c.env.Ev = protocols.Event{Kind: protocols.KindGoAway, Reason: protocols.ReasonDrained}
	sink.Event(&c.env.Ev)
}

// decodeRequest opens a stream. content is all of it, or nothing of that of a long frame.
func (c *server) decodeRequest(f *frame, fixed int, head, content []byte, sink protocols.Sink, out protocols.Output) rule {
	h, r := c.parseHead(f, fixed, head, c.env.Limits.HeadFields)
	if r != ruleOK {
		return c.refuse(f, r, out)
	}
	long := len(content) < f.content
	if int(c.used) >= min(c.env.Limits.Calls, maxSlots-spareSlots) {
		return c.busy(f, head, long, out)
	}
	i := c.open()
	id := c.slots[i].id
	c.slots[i].remember(f)
	c.version = f.version
	h.OneWay = f.kind == kindOneWay
	if h.Timeout = int64(int32(f.timeout)); h.Timeout < 0 {
		h.Timeout = -1
	}
	if long {
		c.stream(f, head, id)
	}
	end := f.content == 0
	if end && h.OneWay {
		c.end(i)
	}
	c.env.Ev = protocols.Event{Kind: protocols.KindHead, End: end, Stream: id, Header: h}
	sink.Event(&c.env.Ev)
	owner := c.env.Ev.Owner
	if i = c.lookup(id); i < 0 {
		return ruleOK // it has its answer
	}
	c.slots[i].owner = owner
	if !end && !long {
		c.complete(i, content[:f.content], sink)
	}
	return ruleOK
}

// complete passes on the last piece of a request.
func (c *server) complete(i int, piece []byte, sink protocols.Sink) {
	s := &c.slots[i]
	id, owner := s.id, s.owner
	if s.kind == kindOneWay {
		c.end(i)
	}
	c.emitData(sink, id, owner, piece, true)
}

// busy refuses a request that is one too many. What comes of it is dropped.
func (c *server) busy(f *frame, head []byte, long bool, out protocols.Output) rule {
	c.env.Counts.Refused++
	if long {
		c.stream(f, head, 0)
	}
	if f.kind == kindOneWay {
		return ruleOK
	}
	return c.reply(f, commandResponse, statusBusy, protocols.ReasonOverflow, out)
}

// decodePiece passes on a piece of a long request.
func (c *server) decodePiece(b []byte, sink protocols.Sink) (n int, r rule) {
	id := c.in.id
	piece, n, last, r := c.decodeContent(b)
	if last {
		c.in.id = 0
	}
	if i := c.lookup(id); i >= 0 && r == ruleOK {
		if last {
			c.complete(i, piece, sink)
		} else if n > 0 {
			c.emitData(sink, id, c.slots[i].owner, piece, false)
		}
	}
	return n, r
}

// fail ends the inbound direction. Other streams may still be answered.
func (c *server) fail(r rule, sink protocols.Sink, out protocols.Output) error {
	id := c.in.id
	c.in.state, c.in.id = inEnded, 0
	if i := c.lookup(id); i >= 0 {
		// The request that is being read is void.
		owner := c.slots[i].owner
		c.reset(i, requestErrors[r].Reason, out)
		c.env.Ev = protocols.Event{Kind: protocols.KindReset, Stream: id, Owner: owner, Reason: requestErrors[r].Reason}
		sink.Event(&c.env.Ev)
	}
	c.drain(true)
	return requestErrors[r]
}

// DecodeEOF implements protocols.Codec. Streams whose requests are complete may still be answered.
func (c *server) DecodeEOF(_ time.Duration, rest []byte, sink protocols.Sink, out protocols.Output) error {
	if c.in.state == inEnded {
		return nil
	}
	if len(rest) > 0 || c.in.state == inContent {
		return c.fail(ruleCut, sink, out)
	}
	c.in.state = inEnded
	c.drain(true)
	return nil
}

// Status implements protocols.Codec.
func (c *server) Status() protocols.Status { return c.state() }

// Deadline implements protocols.TimedCodec.
func (c *server) Deadline() time.Duration {
	switch {
	case c.turnDue():
		return max(c.moved, 1)
	case c.used == 0 && c.phase == protocols.PhaseDraining:
		return c.moved + quiet
	}
	return 0
}

// Advance implements protocols.TimedCodec.
func (c *server) Advance(now time.Duration, sink protocols.Sink, out protocols.Output) error {
	c.giveTurns(sink, out)
	if c.used == 0 && c.phase == protocols.PhaseDraining && now >= c.moved+quiet {
		c.drain(true)
	}
	return nil
}

// Drained implements protocols.Multiplexer.
func (c *server) Drained(_ time.Duration, sink protocols.Sink, out protocols.Output) {
	if c.traits&isBlocked != 0 {
		c.traits = c.traits&^isBlocked | isYielded
	}
	c.giveTurns(sink, out)
}
