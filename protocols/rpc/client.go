package rpc

import (
	"math"
	"time"

	"sluice/protocols"
)

const (
	// pingFailures is how many pings in a row may go without an answer.
	pingFailures = 3
	// pingMark is set in the ids of pings and in no stream's.
	pingMark = 1 << 31
)

// A Client is the client's end of a connection: a [protocols.Multiplexer] and a [protocols.Closer].
type Client struct {
	conn
	tombstones int           // streams that were given up and whose answers may still come
	pinged     time.Duration // when the last ping was sent
	pings      uint32        // sent so far
	unanswered uint8         // pings in a row
	stall      stall
}

var (
	_ protocols.Multiplexer = (*Client)(nil)
	_ protocols.Closer      = (*Client)(nil)
)

// NewClient returns the client's end of a connection whose frames are what spec says.
func NewClient(spec *Spec, env *protocols.Env) *Client { return &Client{conn: newConn(spec, env)} }

// Decode implements protocols.Codec.
func (c *Client) Decode(now time.Duration, b []byte, sink protocols.Sink, out protocols.Output) (n int, err error) {
	c.begins()
	c.giveTurns(sink, out)
	for starts := 0; n < len(b); starts++ {
		if c.in.state == inEnded {
			return len(b), nil
		}
		if c.pausing(starts, n) {
			if c.traits&isHalted != 0 {
				c.stall.begin(now)
			}
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
			return n, c.fail(r)
		}
		if k == 0 {
			break
		}
		n += k
	}
	if n > 0 {
		c.moved = now
		c.traits &^= isPinging
		c.unanswered = 0
	}
	return n, nil
}

// decodeFrame reads a frame, or the head of a long one.
func (c *Client) decodeFrame(b []byte, sink protocols.Sink, out protocols.Output) (n int, r *Rule) {
	f := &c.shared.in
	*f = Frame{}
	r = c.spec.Format.Parse(f, b, &c.env.Limits)
	if f.Head == 0 || r != nil {
		return 0, r
	}
	if r = checkAnswer(f); r != nil {
		return 0, r
	}
	if n, r = c.extent(f, b); r != nil || n == 0 {
		return 0, r
	}
	switch {
	case f.Command == Call:
		return n, c.decodeAnswer(f, b[:n], sink)
	case n == f.Head && f.Content > 0:
		return 0, RuleContent
	case f.Command == GoAway:
		c.goneAway(sink)
	case f.Kind == Request && f.Command == Heartbeat && out.Buffered() <= protocols.OutputHigh:
		// A peer that does not read needs no sign of life: it has what it does not read.
		r = c.reply(f, 200, protocols.ReasonNone, out)
	}
	return n, r
}

// checkAnswer refuses what a server does not send.
func checkAnswer(f *Frame) *Rule {
	switch {
	case f.Command == Unknown:
		return RuleCommand
	case f.Command == Call && f.Kind != Answer:
		return RuleDirection
	}
	return nil
}

// decodeAnswer passes on an answer. b is all of the frame, or the head of a long one.
func (c *Client) decodeAnswer(f *Frame, b []byte, sink protocols.Sink) *Rule {
	content := b[f.Head:]
	long := len(content) < f.Content
	i := c.waiter(f.ID)
	if i < 0 {
		if long {
			c.stream(f, b, 0)
		}
		return nil
	}
	h, r := c.readHead(f, b, c.maxFields())
	if r != nil {
		return r
	}
	end := f.Content == 0
	id, owner := c.slots[i].id, c.slots[i].owner
	switch {
	case end:
		c.answered(i)
	case long:
		c.stream(f, b, id)
		c.stall.allow(f.Content)
	default:
		c.in.id = id
	}
	c.env.Ev.Set(&protocols.Event{Kind: protocols.KindHead, End: end, Stream: id, Owner: owner, Header: h})
	sink.Event(&c.env.Ev)
	if !end && !long && c.in.id == id { // otherwise it was reset
		c.answered(c.lookup(id))
		c.emitData(sink, id, owner, content[:f.Content], true)
	}
	return nil
}

// decodePiece passes on a piece of a long answer.
func (c *Client) decodePiece(b []byte, sink protocols.Sink) (n int, r *Rule) {
	id := c.in.id
	piece, n, last, r := c.decodeContent(b)
	i := c.lookup(id)
	if i < 0 || r != nil || n == 0 {
		return n, r
	}
	owner := c.slots[i].owner
	if last {
		c.answered(i)
	}
	c.emitData(sink, id, owner, piece, last)
	return n, r
}

// answered is the end of an answer, just before the sink learns of it.
func (c *Client) answered(i int) {
	c.in.id = 0
	if c.out.slot == int32(i+1) {
		c.slots[i].state = slotAnswered
		return
	}
	c.end(i)
}

// fail ends the inbound direction, and with it any use of the connection.
func (c *Client) fail(r *Rule) error {
	c.in.state, c.in.id = inEnded, 0
	c.phase = protocols.PhaseAbort
	return r.Response
}

// DecodeEOF implements protocols.Codec. Answers that are still due will not come: the owner knows its streams.
func (c *Client) DecodeEOF(_ time.Duration, rest []byte, _ protocols.Sink, _ protocols.Output) error {
	if c.in.state == inEnded {
		return nil
	}
	if len(rest) > 0 || c.in.state == inContent {
		return c.fail(RuleCut)
	}
	c.in.state = inEnded
	if c.phase != protocols.PhaseAbort {
		c.phase = protocols.PhaseClosing
	}
	return nil
}

// waiter returns the stream that waits for an answer with the id, or a negative number.
func (c *Client) waiter(id uint64) int {
	if id <= math.MaxUint32 {
		i := c.lookup(protocols.StreamID(id))
		if i >= 0 && c.slots[i].kind == Request && c.slots[i].state != slotAnswered && c.slots[i].state != slotOwed {
			return i
		}
	}
	if c.tombstones > 0 {
		c.tombstones--
		c.env.Counts.Late++
	} else {
		c.env.Counts.Unknown++
	}
	return -1
}

// maxFields is the limit of fields in an answer's head: twice that of a request's.
func (c *Client) maxFields() int {
	if n := c.env.Limits.HeadFields; n < math.MaxInt/2 {
		return 2 * n
	}
	return math.MaxInt
}
