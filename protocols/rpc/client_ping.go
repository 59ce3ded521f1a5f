package rpc

import (
	"time"

	"sluice/protocols"
)

// ErrSilent is the end of a connection whose server does not answer pings.
var ErrSilent = &protocols.Error{Reason: protocols.ReasonUpstreamSilent, Detail: "several heartbeats in a row were not answered"}

// Deadline implements protocols.TimedCodec.
func (c *Client) Deadline() time.Duration {
	ping, stall := c.pingDeadline(), c.stallEnd()
	if ping == 0 || stall == 0 {
		return max(ping, stall)
	}
	return min(ping, stall)
}

// pingDeadline is when a heartbeat, or the answer to one, is due; 0: never.
func (c *Client) pingDeadline() time.Duration {
	switch l := &c.env.Limits; {
	case l.PingInterval <= 0 || c.traits&isCut != 0 || c.phase > protocols.PhaseDraining:
		return 0
	case c.traits&isPinging != 0:
		return c.pinged + l.PingTimeout
	default:
		return max(c.moved+l.PingInterval, 1)
	}
}

// Advance implements protocols.TimedCodec.
func (c *Client) Advance(now time.Duration, sink protocols.Sink, out protocols.Output) error {
	c.giveTurns(sink, out)
	c.endStall(now, sink)
	return c.ping(now, out)
}

// ping sends a heartbeat when nothing has come for PingInterval; when that many of them have not been answered, each
// within PingTimeout, the peer is gone.
func (c *Client) ping(now time.Duration, out protocols.Output) error {
	due := c.pingDeadline()
	switch {
	case due == 0 || now < due:
		return nil
	case c.moved == 0 || !c.between() || c.stalled():
		// The silence of a new connection starts now; while a frame is on its way no other can be sent; and a peer that
		// nobody reads from is not silent.
		c.moved = max(now, 1)
		c.traits &^= isPinging
		return nil
	case c.traits&isPinging != 0:
		if c.unanswered++; c.unanswered == pingFailures {
			c.in.state = inEnded
			c.phase = protocols.PhaseAbort
			return ErrSilent
		}
	}
	c.traits |= isPinging
	c.pinged = now
	c.pings++
	c.env.Counts.Pings++
	ping := &c.shared.out
	*ping = Frame{ID: uint64(pingMark | c.pings), Mark: c.mark, Kind: Request, Command: Heartbeat}
	c.writeOwn(ping, protocols.ReasonNone, out)
	return nil
}

// Drained implements protocols.Multiplexer.
func (c *Client) Drained(_ time.Duration, sink protocols.Sink, out protocols.Output) {
	c.traits &^= isFull
	c.giveTurns(sink, out)
}
