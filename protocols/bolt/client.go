package bolt

import (
	"time"

	"sluice/protocols"
)

const (
	// pingFailures is how many pings in a row may go without an answer.
	pingFailures = 3
	// pingMark is set in the ids of pings and in no stream's.
	pingMark = 1 << 31
)

// client is the client's end of a connection.
type client struct {
	conn
	tombstones int           // streams that were given up and whose answers may still come
	pinged     time.Duration // when the last ping was sent
	pings      uint32        // sent so far
	unanswered uint8         // pings in a row
}

var (
	_ protocols.Multiplexer = (*client)(nil)
	_ protocols.Closer      = (*client)(nil)
)

func newClient(env *protocols.Env) *client { return &client{conn: newConn(env)} }

// Decode implements protocols.Codec.
func (c *client) Decode(now time.Duration, b []byte, sink protocols.Sink, out protocols.Output) (n int, err error) {
	c.begins()
	c.giveTurns(sink, out)
	for starts := 0; n < len(b); starts++ {
		if c.in.state == inEnded {
			return len(b), nil
		}
		if c.pausing(starts, n) {
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
func (c *client) decodeFrame(b []byte, sink protocols.Sink, out protocols.Output) (n int, r rule) {
	f, fixed, r := parseFrame(b)
	if fixed == 0 || r != ruleOK {
		return 0, r
	}
	if r = checkResponse(&f); r != ruleOK {
		return 0, r
	}
	head, n, r := c.extent(&f, fixed, b)
	if r != ruleOK || n == 0 {
		return 0, r
	}
	if f.command == commandResponse {
		return n, c.decodeResponse(&f, fixed, b[:head], b[head:n], sink)
	}
	if n == head && f.content > 0 {
		return 0, ruleContent
	}
	switch {
	case f.command == commandGoAway:
		c.goneAway(sink)
	case f.kind == kindRequest && out.Buffered() <= protocols.OutputHigh:
		// A peer that does not read needs no sign of life: it has what it does not read.
		r = c.reply(&f, commandHeartbeat, statusSuccess, protocols.ReasonNone, out)
	}
	return n, r
}

// checkResponse refuses what a server does not send.
func checkResponse(f *frame) rule {
	switch {
	case f.command == commandHeartbeat, f.command == commandResponse && f.kind == kindResponse,
		f.command == commandGoAway && f.kind != kindResponse:
		return ruleOK
	case f.command == commandRequest && f.kind != kindResponse:
		return ruleDirection
	}
	return ruleCommand
}

// goneAway is a server's word that it takes no more streams. Those in progress go on.
func (c *client) goneAway(sink protocols.Sink) {
	if c.phase != protocols.PhaseOpen {
		return
	}
	c.drain(true)
	c.env.Ev = protocols.Event{Kind: protocols.KindGoAway, Reason: protocols.ReasonDrained}
	sink.Event(&c.env.Ev)
}

// decodeResponse passes on an answer. content is all of it, or nothing of that of a long frame.
func (c *client) decodeResponse(f *frame, fixed int, head, content []byte, sink protocols.Sink) rule {
	long := len(content) < f.content
	i := c.waiter(protocols.StreamID(f.id))
	if i < 0 {
		if long {
			c.stream(f, head, 0)
		}
		return ruleOK
	}
	h, r := c.parseHead(f, fixed, head, c.maxFields())
	if r != ruleOK {
		return r
	}
	h.Code = f.status
	h.Status = httpStatus(f.status)
	end := f.content == 0
	id, owner := c.slots[i].id, c.slots[i].owner
	switch {
	case end:
		c.answered(i)
	case long:
		c.stream(f, head, id)
	default:
		c.in.id = id
	}
	c.env.Ev = protocols.Event{Kind: protocols.KindHead, End: end, Stream: id, Owner: owner, Header: h}
	sink.Event(&c.env.Ev)
	if !end && !long && c.in.id == id { // otherwise it was reset
		c.answered(c.lookup(id))
		c.emitData(sink, id, owner, content[:f.content], true)
	}
	return ruleOK
}

// decodePiece passes on a piece of a long answer.
func (c *client) decodePiece(b []byte, sink protocols.Sink) (n int, r rule) {
	id := c.in.id
	piece, n, last, r := c.decodeContent(b)
	i := c.lookup(id)
	if i < 0 || r != ruleOK || n == 0 {
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
func (c *client) answered(i int) {
	c.in.id = 0
	if c.out.slot == int32(i+1) {
		c.slots[i].state = slotAnswered
		return
	}
	c.end(i)
}

// fail ends the inbound direction, and with it any use of the connection.
func (c *client) fail(r rule) error {
	c.in.state, c.in.id = inEnded, 0
	c.phase = protocols.PhaseAbort
	return responseErrors[r]
}

// DecodeEOF implements protocols.Codec. Answers that are still due will not come: the owner knows its streams.
func (c *client) DecodeEOF(_ time.Duration, rest []byte, _ protocols.Sink, _ protocols.Output) error {
	if c.in.state == inEnded {
		return nil
	}
	if len(rest) > 0 || c.in.state == inContent {
		return c.fail(ruleCut)
	}
	c.in.state = inEnded
	if c.phase != protocols.PhaseAbort {
		c.phase = protocols.PhaseClosing
	}
	return nil
}

// waiter returns the stream that waits for an answer with the id, or a negative number.
func (c *client) waiter(id protocols.StreamID) int {
	if i := c.lookup(id); i >= 0 && c.slots[i].kind == kindRequest && c.slots[i].state != slotAnswered && c.slots[i].state != slotOwed {
		return i
	}
	if c.tombstones > 0 {
		c.tombstones--
		c.env.Counts.Late++
	} else {
		c.env.Counts.Unknown++
	}
	return -1
}

// maxFields is the limit of entries in an answer's header block: twice that of a request's.
func (c *client) maxFields() int {
	if n := c.env.Limits.HeadFields; n < maxBlock {
		return 2 * n
	}
	return maxBlock
}
