package loop

import "sync/atomic"

// counters are a loop's account of rare events: each is written at most a few times per connection, by atomic adds, so
// any goroutine may read them at any time.
type counters struct {
	open       atomic.Int64
	accepted   atomic.Int64
	refused    atomic.Int64
	dialled    atomic.Int64
	handedOver atomic.Int64
	noFiles    atomic.Int64
	panics     atomic.Int64
	slow       atomic.Int64
	// pending is what hand-over balances: the accepted connections that are open here or on their way here.
	pending atomic.Int64
}

// Counters are a snapshot of one loop's counters.
type Counters struct {
	Open          int64 // connections that exist now, accepted and dialled
	Accepted      int64 // connections that an Acceptor was asked about
	Refused       int64 // of these, refused by it; and those over a listener's MaxConns
	Dialled       int64 // connects started
	HandedOver    int64 // accepted here and given to another loop
	NoFiles       int64 // accepts that failed for want of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM)
	Panics        int64 // handlers, timers and posted functions that panicked
	SlowCallbacks int64 // callbacks that ran for more than 50 ms; those just above may be missed
}

// Counters returns a snapshot. It is safe on any goroutine.
func (r *Reactor) Counters() Counters {
	c := &r.counters
	return Counters{
		Open:          c.open.Load(),
		Accepted:      c.accepted.Load(),
		Refused:       c.refused.Load(),
		Dialled:       c.dialled.Load(),
		HandedOver:    c.handedOver.Load(),
		NoFiles:       c.noFiles.Load(),
		Panics:        c.panics.Load(),
		SlowCallbacks: c.slow.Load(),
	}
}
