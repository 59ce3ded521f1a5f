package http2

import (
	"encoding/binary"
	"time"

	"sluice/protocols"
)

// passed accounts for n bytes of s that the sink has been given.
func (c *conn) passed(t *call, s *stream, n int, v protocols.Verdict) rule {
	if v == protocols.More {
		s.unsaid += int32(n)
		c.replenish(t.now, s, t.out)
		return ruleOK
	}
	s.owed += int32(n)
	c.owed += n
	c.env.Owed += n
	return c.shed(t)
}

// returned takes back n bytes that the sink had paused on: they are the peer's to send again.
func (c *conn) returned(now time.Duration, s *stream, n int, out protocols.Output) {
	n = min(n, int(s.owed))
	if n <= 0 {
		return
	}
	s.owed -= int32(n)
	c.owed -= n
	c.env.Owed -= n
	s.unsaid += int32(n)
	c.replenish(now, s, out)
}

// shortestTrip is the round trip that a window is made for on paths that are shorter: clocks of loops are coarse, and an update
// for every few KiB costs both ends more than the bytes in flight.
const shortestTrip = time.Millisecond

// replenish gives s its window back when half of it has been passed on. A window is too small for its path when half of it
// is used up within a round trip: it doubles, as long as nobody downstream holds anything back. What the windows of a
// connection grow by together stays below what shed resets streams for: readers may stall later, all at once.
func (c *conn) replenish(now time.Duration, s *stream, out protocols.Output) {
	if s.unsaid == 0 || s.unsaid < s.recvMax/2 || !s.receiving() {
		return
	}
	if s.inLeft >= 0 && s.inLeft <= int64(s.recv) {
		return // the rest fits
	}
	by := s.unsaid
	most := int32(min(c.env.Limits.WindowMax, maxWindow/2))
	quick := c.timers.rtt > 0 && now-s.updated < max(c.timers.rtt, shortestTrip)
	more := min(s.recvMax, most-s.recvMax)
	if quick && more > 0 && s.owed == 0 && c.grown+int(more) <= c.env.Limits.Owed/2 &&
		c.env.Owed <= c.env.Limits.OwedOnLoop/growUntilOwed {
		by += more
		s.recvMax += more
		s.grown += more
		c.grown += int(more)
	}
	s.updated = now
	s.unsaid = 0
	s.recv += by
	c.writeWord(out, frameWindowUpdate, s.id, uint32(by))
}

// shed resets the heaviest of the streams that hold bytes because nobody reads them, while they are too many.
func (c *conn) shed(t *call) rule {
	l := &c.env.Limits
	for c.owed > c.mostOwed() || c.env.Owed > l.OwedOnLoop {
		var heaviest *stream
		for _, s := range c.streams.slots {
			if s != nil && s.owed > 0 && (heaviest == nil || s.owed > heaviest.owed) {
				heaviest = s
			}
		}
		if heaviest == nil {
			break
		}
		if r := c.resetStream(t, heaviest, ruleOwed); r != ruleOK || c.owed <= c.mostOwed() {
			return r
		}
	}
	return ruleOK
}

// arrived accounts for n bytes on the connection. They are given back on receipt: what bounds memory are the windows of
// the streams, and Limits.Owed.
func (c *conn) arrived(n int, out protocols.Output) rule {
	if int32(n) > c.recv {
		return ruleWindowConn
	}
	c.recv -= int32(n)
	c.unsaid += int32(n)
	if c.unsaid >= c.connWindow()/2 {
		c.writeWord(out, frameWindowUpdate, 0, uint32(c.unsaid))
		c.recv += c.unsaid
		c.unsaid = 0
	}
	return ruleOK
}

func (c *conn) readUpdate(t *call, f frame, p []byte) rule {
	if f.length != 4 {
		return ruleFrameFixed
	}
	if !c.rates.updates.take(t.now, perSecond100, cheapBurst) {
		return ruleFloodUpdate
	}
	by := binary.BigEndian.Uint32(p) & maxWindow
	if f.stream == 0 {
		switch {
		case by == 0:
			return ruleUpdateZero
		case int64(c.send)+int64(by) > maxWindow:
			return ruleUpdateOverflow
		}
		c.send += int32(by)
		c.serve(t)
		return ruleOK
	}
	if c.isIdle(f.stream) {
		return ruleIdleStream
	}
	s := c.streams.get(f.stream)
	switch {
	case s == nil:
		// RFC 9113 section 6.9: "a receiver could receive a WINDOW_UPDATE frame on a stream in a "half-closed (remote)"
		// or "closed" state. A receiver MUST NOT treat this as an error".
		return ruleOK
	case by == 0:
		return c.resetStream(t, s, ruleUpdateZero)
	case int64(s.send)+int64(by) > maxWindow:
		return c.resetStream(t, s, ruleUpdateOverflow)
	}
	s.send += int32(by)
	if s.turn == turnParked && s.send > 0 {
		c.enqueue(s)
		c.serve(t)
	}
	return ruleOK
}

// isIdle reports whether nobody has opened the stream id.
func (c *conn) isIdle(id uint32) bool { return id > c.fates.last || id&1 == 0 }

// enqueue lets s wait for its turn.
func (c *conn) enqueue(s *stream) {
	if c.queue == nil {
		c.queue = c.loop.queue()
	}
	s.turn = turnQueued
	c.queue.push(s)
}

// serve gives the streams that wait their turns, while the connection can send.
func (c *conn) serve(t *call) {
	for c.queue != nil && c.send > 0 && t.out.Buffered() <= protocols.OutputHigh {
		s := c.queue.pop()
		if s == nil {
			break
		}
		if s.send <= 0 {
			s.turn = turnParked
			continue
		}
		s.turn = turnServed
		id := s.id
		c.emit(t, protocols.Event{Kind: protocols.KindCredit, Stream: protocols.StreamID(id), Owner: s.owner,
			N: int(min(s.send, c.send))})
		if c.streams.get(id) == s && s.turn == turnServed {
			s.turn = turnNone
		}
	}
	c.dropQueue()
}

// Drained implements protocols.Multiplexer.
func (c *conn) Drained(now time.Duration, sink protocols.Sink, out protocols.Output) {
	c.unread = 0
	c.serve(&call{now, sink, out})
}
