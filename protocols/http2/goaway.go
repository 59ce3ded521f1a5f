package http2

import (
	"encoding/binary"
	"time"

	"sluice/protocols"
)

// leaving is how far the end of a connection is agreed on.
//
//	not ──Encode(GoAway) at a server: GOAWAY 2^31-1, PING──> soon ──PING's answer, or 1 s: GOAWAY last──> now
//	  └──Encode(GoAway) at a client, or a GOAWAY from the peer──────────────────────────────────────────^
//
// With the last stream, now becomes PhaseClosing.
type leaving uint8

const (
	leavingNot leaving = iota
	leavingSoon
	leavingNow
)

// goAway starts the end of the connection. RFC 9113 section 6.8: "A server that is attempting to gracefully shut down a
// connection SHOULD send an initial GOAWAY frame with the last stream identifier set to 2^31-1 and a NO_ERROR code. [...]
// After allowing time for any in-flight stream creation (at least one round-trip time), the server MAY send another
// GOAWAY frame with an updated last stream identifier."
func (c *conn) goAway(now time.Duration, out protocols.Output) {
	if c.phase != protocols.PhaseOpen {
		return
	}
	switch {
	case c.role == roleClient:
		if c.leaving == leavingNot && c.flags&sentSettings != 0 {
			c.writeGoAway(out, 0, codeNone, "")
		}
		c.leaving = leavingNow
		c.lastStreamEnded()
	case c.leaving == leavingNot && c.input == inputPreface:
		// The client has not said a word: it has no stream that could be lost.
		c.begin(now, out)
		c.leave(out)
	case c.leaving == leavingNot:
		c.leaving = leavingSoon
		c.writeGoAway(out, maxStream, codeNone, "")
		c.writeOwnPing(out, pingLeaves)
		c.timers.leave = now + goAwayTimeout
	case c.leaving == leavingSoon:
		c.leave(out)
	}
}

// leave tells which streams are the last.
func (c *conn) leave(out protocols.Output) {
	c.leaving, c.timers.leave = leavingNow, 0
	c.lastGood, c.flags = c.fates.last, c.flags|announced
	c.writeGoAway(out, c.lastGood, codeNone, "")
	c.lastStreamEnded()
}

// lastStreamEnded closes a connection that was left with its streams.
func (c *conn) lastStreamEnded() {
	if c.streams.n > 0 || c.phase != protocols.PhaseOpen {
		return
	}
	if c.leaving == leavingNow || c.role == roleClient && c.nextOpen > maxStream {
		c.phase = protocols.PhaseClosing
	}
}

// ignored reports whether the new stream id is above the last one that we take.
func (c *conn) ignored(id uint32) bool {
	return c.flags&announced != 0 && id > c.lastGood
}

func (c *conn) readGoAway(t *call, f frame, p []byte) rule {
	switch {
	case f.stream != 0:
		return ruleFrameStream
	case f.length < 8:
		return ruleFrameFixed
	}
	last, why := binary.BigEndian.Uint32(p)&maxStream, code(binary.BigEndian.Uint32(p[4:]))
	c.leaving, c.timers.leave = leavingNow, 0
	if c.role == roleClient {
		// RFC 9113 section 6.8: "streams with identifiers higher than the included last stream identifier [...] were not
		// or will not be processed".
		c.unprocessed(t, last)
	}
	reason := protocols.ReasonDrained
	if why != codeNone {
		reason = c.errorOf(rulePreface).Reason // a protocol error, by whoever made it
	}
	c.emit(t, protocols.Event{Kind: protocols.KindGoAway, Reason: reason})
	c.lastStreamEnded()
	return ruleOK
}

// unprocessed tells of the streams above last that nothing was done about them.
func (c *conn) unprocessed(t *call, last uint32) {
	for {
		s := c.find(func(s *stream) bool { return s.id > last })
		if s == nil {
			return
		}
		ev := protocols.Event{Kind: protocols.KindReset, Stream: protocols.StreamID(s.id), Owner: s.owner,
			Unprocessed: true, Reason: protocols.ReasonUpstreamReset}
		c.remove(s, fateResetThere)
		c.emit(t, ev)
	}
}
