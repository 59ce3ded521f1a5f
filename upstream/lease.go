package upstream

import (
	"sluice/loop"
	"sluice/protocols"
)

// An Exchange is a stream that uses a connection of a pool. Its methods run on the loop of both.
type Exchange interface {
	// Ready gives the connection that a Wait stood for. It may be called from inside Release of another stream.
	Ready(l *Lease)
	// Failed says that a Wait has ended without a connection to e.
	Failed(r protocols.Reason, e *Endpoint)
	// Event gives what the other side answers; see protocols.Sink. It is never a Reset.
	Event(ev *protocols.Event) protocols.Verdict
	// Drained says that there is room for more of the request: the output of the connection has fallen below its low-water
	// mark, or the other side has opened its window.
	Drained()
	// Lost says that the connection, or the exchange's stream on it, has ended under the exchange. The Lease is void.
	Lost(how Loss)
}

// A Loss is how a connection ended under an exchange, and what that means for trying again.
type Loss struct {
	Reason protocols.Reason
	// Reused: the connection had served another exchange, or lain idle, before; so the other side may have closed it
	// meanwhile, without having seen the request.
	Reused bool
	// Answered: bytes of an answer had arrived.
	Answered bool
	// Unprocessed: the other side says that it has done nothing about the request.
	Unprocessed bool
	// Cause is the error with which the connection itself has ended; nil when there was none, or none is known yet.
	Cause error
}

// A Lease is the right to use a connection for one exchange: a connection of its own, or one stream of a multiplexed one.
// It belongs to the loop, and ends with Release, Abort, or the Exchange's Lost. Its Conn and Endpoint may be asked for
// until that call returns; afterwards it may be somebody else's.
type Lease struct {
	on         *link
	carrier    carrier
	exchange   Exchange // nil once the exchange is over
	stream     protocols.StreamID
	reused     bool
	answered   bool   // something of an answer has arrived
	next, prev *Lease // the others on a multiplexed connection; or free ones
}

// A carrier is what a connection does for its leases: a conn for one, a muxConn for many.
type carrier interface {
	encode(ev *protocols.Event) (int, error)
	// resume is Lease.Resume.
	resume(l *Lease, held int)
	// release and abort end an exchange that is not over yet.
	release(l *Lease)
	abort(l *Lease, r protocols.Reason)
}

// Encode sends ev, whose Stream it fills in; see protocols.Codec. When it takes fewer bytes than it is given (of a
// multiplexed stream only) the Exchange's Drained follows.
func (l *Lease) Encode(ev *protocols.Event) (int, error) {
	ev.Stream = l.stream
	if ev.Kind == protocols.KindHead {
		ev.Owner = l
	}
	n, err := l.carrier.encode(ev)
	if err == nil {
		l.stream = ev.Stream
	}
	return n, err
}

// Buffered is the number of bytes that wait to be sent on the connection.
func (l *Lease) Buffered() int { return l.on.c.Buffered() }

// Pause is called by an Exchange that has answered Pause to an Event. A connection of one exchange stops reading; on a
// multiplexed one the verdict has said it all.
func (l *Lease) Pause() {
	if !l.Multiplexed() {
		l.on.c.Pause()
	}
}

// Resume undoes Pause. held is the number of bytes of paused Data events that have been passed on since: a multiplexed
// connection returns them to the stream's window, one of a single exchange reads again, and offers again what a paused
// Decode left.
func (l *Lease) Resume(held int) {
	if l.exchange != nil {
		l.carrier.resume(l, held)
	}
}

// Multiplexed reports whether other exchanges share the connection.
func (l *Lease) Multiplexed() bool { return l.on.lane.protocol.Multiplexed }

// CloseWrite ends the sending direction of a tunnel behind its End: a connection of one exchange sends a FIN, which the
// End of a multiplexed stream needs not.
func (l *Lease) CloseWrite() {
	if !l.Multiplexed() {
		l.on.c.CloseWrite()
	}
}

// Endpoint is where the connection goes.
func (l *Lease) Endpoint() *Endpoint { return l.on.host.endpoint }

// Reused reports whether the connection had served another exchange, or lain idle, when this one got it.
func (l *Lease) Reused() bool { return l.reused }

// Conn is the connection below, for its addresses and ID.
func (l *Lease) Conn() loop.Conn { return l.on.c }

// Release ends an exchange whose both directions are complete. A connection of its own goes back to the pool if its codec
// says that it is clean, and is closed otherwise; requests that wait may get their connection (Ready) before it returns.
func (l *Lease) Release() {
	if l.exchange != nil {
		l.carrier.release(l)
	}
}

// Abort ends an exchange at any point: the connection is closed, or the stream on it reset for reason r while the others
// go on. It may be called, as Release may, inside an Event or Drained of any Exchange.
func (l *Lease) Abort(r protocols.Reason) {
	if l.exchange != nil {
		l.carrier.abort(l, r)
	}
}

// end takes the lease from its exchange, which it returns.
func (l *Lease) end() Exchange {
	x := l.exchange
	l.exchange = nil
	l.on.host.drop()
	return x
}

// lose ends an exchange whose connection or stream has ended. With ReasonNone it depends on what had arrived.
func (l *Lease) lose(r protocols.Reason, unprocessed bool) {
	if r == protocols.ReasonNone {
		r = protocols.ReasonUpstreamReset
		if l.answered {
			r = protocols.ReasonUpstreamCut
		}
	}
	l.end().Lost(Loss{Reason: r, Reused: l.reused, Answered: l.answered, Unprocessed: unprocessed, Cause: l.on.cause})
}
