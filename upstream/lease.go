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
	// Reused: the connection had served another exchange before, so the other side may have closed it while it was
	// idle, without having seen the request.
	Reused bool
	// Answered: bytes of an answer had arrived.
	Answered bool
	// Unprocessed: the other side says that it has done nothing about the request.
	Unprocessed bool
}

// A Lease is the right to use a connection for one exchange. It belongs to the loop, and ends with Release, Abort, or
// the Exchange's Lost.
type Lease struct{ c *conn }

// Encode sends ev, whose Stream it fills in; see protocols.Codec.
func (l *Lease) Encode(ev *protocols.Event) (int, error) {
	c := l.c
	return c.codec.Encode(c.host.local.loop.Now(), ev, c.c)
}

// Buffered is the number of bytes that wait to be sent.
func (l *Lease) Buffered() int { return l.c.c.Buffered() }

// Pause is called by an Exchange that has answered Pause to an Event. A connection of one exchange stops reading; on a
// multiplexed one the verdict has said it all.
func (l *Lease) Pause() { l.c.c.Pause() }

// Resume undoes Pause. held is the number of bytes of paused Data events that have been passed on since: a multiplexed
// connection returns them to the stream's window, one of a single exchange reads again, and offers again what a paused
// Decode left.
func (l *Lease) Resume(held int) { l.c.c.Resume() }

// Multiplexed reports whether other exchanges share the connection.
func (l *Lease) Multiplexed() bool { return l.c.protocol.Multiplexed }

// CloseWrite ends the sending direction of a tunnel behind its End: a connection of one exchange sends a FIN, which the
// End of a multiplexed stream needs not.
func (l *Lease) CloseWrite() { l.c.c.CloseWrite() }

// Endpoint is where the connection goes.
func (l *Lease) Endpoint() *Endpoint { return l.c.host.endpoint }

// Reused reports whether the connection has served another exchange before.
func (l *Lease) Reused() bool { return l.c.reused }

// Tunnel reports whether the connection passes bytes unframed.
func (l *Lease) Tunnel() bool { return l.c.codec.Status().Phase == protocols.PhaseTunnel }

// Conn is the connection below, for its addresses and ID.
func (l *Lease) Conn() loop.Conn { return l.c.c }

// Release ends an exchange whose both directions are complete. The connection goes back to its pool if its codec says
// that it is clean, and is closed otherwise.
func (l *Lease) Release() { l.c.release() }

// Abort ends an exchange at any point: the connection is closed, or the stream on it reset.
func (l *Lease) Abort(r protocols.Reason) { l.c.abort(r) }
