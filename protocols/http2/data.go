package http2

import (
	"encoding/binary"

	"sluice/protocols"
)

// readData reads the head of a DATA frame; its payload is passed on as it comes. The whole frame, padding included, is
// charged to the windows at once (RFC 9113 section 6.9.1).
func (c *conn) readData(t *call, f frame, b []byte) (int, rule) {
	if f.stream == 0 {
		return 0, ruleFrameNoStream
	}
	k, pad := headerLen, 0
	if f.flags&flagPadded != 0 {
		if f.length == 0 {
			return 0, ruleFrameFixed
		}
		if len(b) == k {
			c.need = int32(k + 1)
			return 0, ruleOK
		}
		pad = int(b[k])
		k++
		if pad >= f.length {
			return 0, rulePadding
		}
	}
	n := f.length - pad - (k - headerLen)
	if r := c.arrived(f.length, t.out); r != ruleOK {
		return 0, r
	}
	c.left, c.drop = 0, int32(n+pad)
	s := c.streams.get(f.stream)
	if s == nil {
		return k, c.dataNowhere(t, f.stream)
	}
	end := f.flags&flagEndStream != 0
	if r := c.checkData(t, s, f.length, n, end); r != ruleOK {
		if r >= ruleFloodReset && r <= ruleFloodUnread {
			return k, r
		}
		return k, c.resetStream(t, s, r)
	}
	s.recv -= int32(f.length)
	s.unsaid += int32(f.length - n)
	c.cur, c.left, c.drop = s.id, int32(n), int32(pad)
	c.flags &^= endsData
	if end {
		c.flags |= endsData
	}
	if n > 0 {
		return k, ruleOK
	}
	if end {
		return k, c.deliver(t, s, nil, true)
	}
	c.replenish(t.now, s, t.out) // padding alone uses the window up, too
	return k, ruleOK
}

// checkData says which rule a DATA frame of s breaks: length bytes, of which n are data.
func (c *conn) checkData(t *call, s *stream, length, n int, end bool) rule {
	switch {
	case s.in == progressDone:
		// RFC 9113 section 5.1, half-closed (remote): "If an endpoint receives additional frames, other than
		// WINDOW_UPDATE, PRIORITY, or RST_STREAM, for a stream that is in this state, it MUST respond with a stream error
		// of type STREAM_CLOSED."
		return ruleHalfClosed
	case s.in == progressHead:
		return ruleDataFirst
	case int32(length) > s.recv:
		return ruleWindowStream
	case n == 0 && !end && !c.rates.empties.take(t.now, perSecond100, cheapBurst):
		return ruleFloodEmpty
	}
	if s.inLeft >= 0 {
		// RFC 9113 section 8.1.1: "A request or response that is defined as having content when it contains a
		// Content-Length header field is malformed if the value of the Content-Length header field does not equal the sum
		// of the DATA frame payload lengths that form the content".
		if int64(n) > s.inLeft || end && int64(n) < s.inLeft {
			return ruleLengthSum
		}
		s.inLeft -= int64(n)
	}
	return ruleOK
}

// dataNowhere is a DATA frame of a stream that is in no table.
func (c *conn) dataNowhere(t *call, id uint32) rule {
	if c.ignored(id) {
		return c.late(t)
	}
	if c.isIdle(id) {
		return ruleIdleStream
	}
	switch c.fates.of(id) {
	case fateSkipped:
		return ruleIdleStream
	case fateClosed:
		return c.refuse(t, id, ruleClosedStream)
	case fateResetThere:
		return c.refuse(t, id, ruleClosedReset)
	case fateResetHere, fateForgotten:
	}
	return c.late(t)
}

// late takes a frame of a stream that we have reset: it may have been on its way.
func (c *conn) late(t *call) rule {
	if !c.rates.late.take(t.now, perSecond100/10, resetBurst) {
		return ruleFloodLate
	}
	return ruleOK
}

// readPayload passes on what has come of a DATA frame's data.
func (c *conn) readPayload(t *call, b []byte) (int, rule) {
	k := min(int(c.left), len(b))
	c.left -= int32(k)
	s := c.streams.get(c.cur)
	if s == nil {
		return k, ruleOK // reset since
	}
	return k, c.deliver(t, s, b[:k], c.left == 0 && c.flags&endsData != 0)
}

// deliver gives the sink data of s.
func (c *conn) deliver(t *call, s *stream, data []byte, end bool) rule {
	id := s.id
	ev := protocols.Event{Kind: protocols.KindData, Stream: protocols.StreamID(id), Data: data, End: end, Owner: s.owner}
	if end {
		c.endIn(s)
	}
	v := c.emit(t, ev)
	if len(data) == 0 || c.streams.get(id) != s {
		return ruleOK
	}
	return c.passed(t, s, len(data), v)
}

// endIn ends what the peer sends on s, which closes the stream if our direction is over, too.
func (c *conn) endIn(s *stream) {
	s.in = progressDone
	if s.out == progressDone {
		c.remove(s, fateClosed)
	}
}

func (c *conn) readReset(t *call, f frame, p []byte) rule {
	switch {
	case f.stream == 0:
		return ruleFrameNoStream
	case f.length != 4:
		return ruleFrameFixed
	case c.ignored(f.stream):
		return ruleOK
	case c.isIdle(f.stream):
		return ruleIdleStream
	case !c.rates.resets.take(t.now, perSecond100, resetBurst):
		return ruleFloodReset
	}
	s := c.streams.get(f.stream)
	if s == nil {
		return ruleOK
	}
	ev := protocols.Event{Kind: protocols.KindReset, Stream: protocols.StreamID(s.id), Owner: s.owner,
		Reason: protocols.ReasonClientGone}
	if c.role == roleClient {
		ev.Reason = protocols.ReasonUpstreamReset
		if s.in != progressHead {
			ev.Reason = protocols.ReasonUpstreamCut
		}
		// RFC 9113 section 8.7: "The REFUSED_STREAM error code can be included in a RST_STREAM frame to indicate that the
		// stream is being closed prior to any processing having occurred."
		ev.Unprocessed = code(binary.BigEndian.Uint32(p)) == codeRefusedStream && s.in == progressHead
	}
	c.remove(s, fateResetThere)
	c.emit(t, ev)
	return ruleOK
}

// readPriority reads PRIORITY, which means nothing any more (RFC 9113 section 5.3.2), but is counted.
func (c *conn) readPriority(t *call, f frame, p []byte) rule {
	switch {
	case f.stream == 0:
		return ruleFrameNoStream
	case f.length != 5:
		return ruleFrameFixed
	case binary.BigEndian.Uint32(p)&maxStream == f.stream:
		return ruleSelfDependency
	}
	return c.takePriority(t)
}

// readPriorityUpdate reads the new priority of a stream (RFC 9218 section 7.1).
func (c *conn) readPriorityUpdate(t *call, f frame, p []byte) rule {
	switch {
	case c.role == roleClient:
		return ruleFrameStream // section 7.1: only clients send it
	case f.stream != 0:
		return ruleFrameStream
	case f.length < 4:
		return ruleFrameFixed
	}
	if r := c.takePriority(t); r != ruleOK {
		return r
	}
	if s := c.streams.get(binary.BigEndian.Uint32(p) & maxStream); s != nil {
		c.prioritize(s, urgencyOf(p[4:]))
	}
	return ruleOK
}

// prioritize moves s to its new place in the queue.
func (c *conn) prioritize(s *stream, urgency uint8) {
	if s.turn != turnQueued {
		s.urgency = urgency
		return
	}
	c.queue.remove(s)
	s.urgency = urgency
	c.queue.push(s)
}

// urgencyOf reads `u=` of a priority field value (RFC 9218 section 4.1): a dictionary of which the rest is ignored.
func urgencyOf(b []byte) uint8 {
	urgency := uint8(defaultUrgency)
	for i := 0; i+2 < len(b); i++ {
		starts := i == 0 || b[i-1] == ',' || b[i-1] == ' ' || b[i-1] == '\t'
		if starts && b[i] == 'u' && b[i+1] == '=' && b[i+2] >= '0' && b[i+2] <= '7' && (i+3 == len(b) || b[i+3] < '0' || b[i+3] > '9') {
			urgency = b[i+2] - '0'
		}
	}
	return urgency
}
