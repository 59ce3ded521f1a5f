package rpc

import (
	"time"

	"sluice/protocols"
)

// A Server is the server's end of a connection: a [protocols.Multiplexer] and a [protocols.Closer].
type Server struct{ conn }

var (
	_ protocols.Multiplexer = (*Server)(nil)
	_ protocols.Closer      = (*Server)(nil)
)

// NewServer returns the server's end of a connection whose frames are what spec says.
func NewServer(spec *Spec, env *protocols.Env) *Server { return &Server{conn: newConn(spec, env)} }

// Decode implements protocols.Codec.
func (c *Server) Decode(now time.Duration, b []byte, sink protocols.Sink, out protocols.Output) (n int, err error) {
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
			r *Rule
		)
		if c.in.state == inHead {
			k, r = c.decodeFrame(b[n:], sink, out)
		} else {
			k, r = c.decodePiece(b[n:], sink)
		}
		if r != nil {
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
func (c *Server) decodeFrame(b []byte, sink protocols.Sink, out protocols.Output) (n int, r *Rule) {
	f := &c.shared.in
	*f = Frame{}
	r = c.spec.Format.Parse(f, b, &c.env.Limits)
	if r == nil && f.Head > 0 {
		if r = checkRequest(f); r == nil {
			n, r = c.extent(f, b)
		}
	}
	switch {
	case r != nil:
		return 0, c.refuse(f, r, out)
	case n == 0:
		return 0, nil
	case f.Command == Call:
		return n, c.decodeRequest(f, b[:n], sink, out)
	case n == f.Head && f.Content > 0:
		return 0, c.refuse(f, RuleContent, out)
	case f.Command == GoAway:
		c.goneAway(sink)
	case f.Kind == Answer:
		c.env.Counts.Unknown++ // to a heartbeat that nobody sent
	case f.Kind == Request && f.Command == Heartbeat:
		r = c.reply(f, 200, protocols.ReasonNone, out)
	}
	return n, r
}

// checkRequest refuses what a client does not send.
func checkRequest(f *Frame) *Rule {
	switch {
	case f.Command == Heartbeat:
		return nil
	case f.Kind == Answer:
		return RuleDirection
	case f.Command == Unknown:
		return RuleCommand
	}
	return nil
}

// refuse answers a request that can't be understood, before the connection ends.
func (c *Server) refuse(f *Frame, r *Rule, out protocols.Output) *Rule {
	if f.Kind == Request && f.Command != GoAway {
		f.Command = Call
		_ = c.reply(f, 400, r.Request.Reason, out) // the connection ends anyhow
	}
	return r
}

// decodeRequest opens a stream. b is all of the frame, or the head of a long one.
func (c *Server) decodeRequest(f *Frame, b []byte, sink protocols.Sink, out protocols.Output) *Rule {
	h, r := c.readHead(f, b, c.env.Limits.HeadFields)
	if r != nil {
		return c.refuse(f, r, out)
	}
	content := b[f.Head:]
	long := len(content) < f.Content
	if int(c.used) >= min(c.env.Limits.Calls, maxSlots-spareSlots) {
		return c.busy(f, b, long, out)
	}
	i := c.open()
	s := &c.slots[i]
	id := s.id
	s.peer, s.mark, s.kind = f.ID, f.Mark, f.Kind
	c.mark = f.Mark
	if long {
		c.stream(f, b, id)
	}
	end := f.Content == 0
	if end && h.OneWay {
		c.end(i)
	}
	c.env.Ev.Set(&protocols.Event{Kind: protocols.KindHead, End: end, Stream: id, Header: h})
	sink.Event(&c.env.Ev)
	owner := c.env.Ev.Owner
	if i = c.lookup(id); i < 0 {
		return nil // it has its answer
	}
	c.slots[i].owner = owner
	if !end && !long {
		c.complete(i, content[:f.Content], sink)
	}
	return nil
}

// complete passes on the last piece of a request.
func (c *Server) complete(i int, piece []byte, sink protocols.Sink) {
	s := &c.slots[i]
	id, owner := s.id, s.owner
	if s.kind == OneWay {
		c.end(i)
	}
	c.emitData(sink, id, owner, piece, true)
}

// busy refuses a request that is one too many. What comes of it is dropped.
func (c *Server) busy(f *Frame, b []byte, long bool, out protocols.Output) *Rule {
	c.env.Counts.Refused++
	if long {
		c.stream(f, b, 0)
	}
	if f.Kind == OneWay {
		return nil
	}
	return c.reply(f, 503, protocols.ReasonOverflow, out)
}

// decodePiece passes on a piece of a long request.
func (c *Server) decodePiece(b []byte, sink protocols.Sink) (n int, r *Rule) {
	id := c.in.id
	piece, n, last, r := c.decodeContent(b)
	if last {
		c.in.id = 0
	}
	if i := c.lookup(id); i >= 0 && r == nil {
		if last {
			c.complete(i, piece, sink)
		} else if n > 0 {
			c.emitData(sink, id, c.slots[i].owner, piece, false)
		}
	}
	return n, r
}

// fail ends the inbound direction. Other streams may still be answered.
func (c *Server) fail(r *Rule, sink protocols.Sink, out protocols.Output) error {
	id := c.in.id
	c.in.state, c.in.id = inEnded, 0
	if i := c.lookup(id); i >= 0 {
		// The request that is being read is void.
		owner := c.slots[i].owner
		c.reset(i, r.Request.Reason, out)
		c.env.Ev.Set(&protocols.Event{Kind: protocols.KindReset, Stream: id, Owner: owner, Reason: r.Request.Reason})
		sink.Event(&c.env.Ev)
	}
	c.drain(true)
	return r.Request
}

// DecodeEOF implements protocols.Codec. Streams whose requests are complete may still be answered.
func (c *Server) DecodeEOF(_ time.Duration, rest []byte, sink protocols.Sink, out protocols.Output) error {
	if c.in.state == inEnded {
		return nil
	}
	if len(rest) > 0 || c.in.state == inContent {
		return c.fail(RuleCut, sink, out)
	}
	c.in.state = inEnded
	c.drain(true)
	return nil
}

// Status implements protocols.Codec.
func (c *Server) Status() protocols.Status { return c.state() }

// Deadline implements protocols.TimedCodec.
func (c *Server) Deadline() time.Duration {
	switch {
	case c.turnDue():
		return max(c.moved, 1)
	case c.used == 0 && c.phase == protocols.PhaseDraining:
		return c.moved + quiet
	}
	return 0
}

// Advance implements protocols.TimedCodec.
func (c *Server) Advance(now time.Duration, sink protocols.Sink, out protocols.Output) error {
	c.giveTurns(sink, out)
	if c.used == 0 && c.phase == protocols.PhaseDraining && now >= c.moved+quiet {
		c.drain(true)
	}
	return nil
}

// Drained implements protocols.Multiplexer.
func (c *Server) Drained(_ time.Duration, sink protocols.Sink, out protocols.Output) {
	if c.traits&isBlocked != 0 {
		c.traits = c.traits&^isBlocked | isYielded
	}
	c.giveTurns(sink, out)
}
