package secure

import "sync/atomic"

// counters are written by the loop, at most a few times per connection, and read by anyone.
type counters struct {
	begun     atomic.Int64
	done      atomic.Int64
	resumed   atomic.Int64
	truncated atomic.Int64
	waiting   atomic.Int64
	handshake [reasons]atomic.Int64
	later     [reasons]atomic.Int64
}

// Counters are a snapshot of an Engine's counters.
type Counters struct {
	Begun     int64 // handshakes for which a whole ClientHello came, or that we began
	Done      int64 // handshakes that ended well
	Resumed   int64 // of these, those that continued an earlier session
	Waiting   int64 // connections that are not established yet
	Truncated int64 // connections that ended without close_notify
	// HandshakeErrors counts by Reason what failed before a connection was established, RecordErrors afterwards.
	HandshakeErrors [reasons]int64
	RecordErrors    [reasons]int64
}

func (c *counters) snapshot() Counters {
	s := Counters{
		Begun: c.begun.Load(), Done: c.done.Load(), Resumed: c.resumed.Load(), Waiting: c.waiting.Load(),
		Truncated: c.truncated.Load(),
	}
	for i := range c.handshake {
		s.HandshakeErrors[i] = c.handshake[i].Load()
		s.RecordErrors[i] = c.later[i].Load()
	}
	return s
}

func (c *counters) failed(e *Error) {
	if e.Handshake {
		c.handshake[e.Reason].Add(1)
	} else {
		c.later[e.Reason].Add(1)
	}
}
