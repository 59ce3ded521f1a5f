package gateway

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// detectTimeout is how long a client may take to show which protocol it speaks.
const detectTimeout = 5 * time.Second

// A detector is a downstream connection whose first bytes tell which of the listener's protocols it speaks.
type detector struct {
	session
	unread int
}

func newDetector(base session) *detector {
	d := &detector{session: base}
	d.begin(d)
	d.armAt(d.w.loop.Now() + detectTimeout)
	return d
}

// Opened implements loop.Handler; an accepted connection is open already.
func (d *detector) Opened(loop.Conn) {}

// Received implements loop.Handler.
func (d *detector) Received(c loop.Conn, b []byte) int {
	p, maybe := detect(d.l.protocols, b)
	switch {
	case p != nil:
		return d.become(p).Received(c, b)
	case maybe:
		d.unread = len(b)
		d.w.lobby.Hold(&d.guest, d, loop.KeptSize(len(b)))
		return 0
	case d.l.fallback != nil:
		return d.fallBack().Received(c, b)
	default:
		d.refuse(protocols.ReasonProtocolError)
		return len(b)
	}
}

// detect returns the protocol of a connection that starts with b; maybe says that more bytes may tell.
func detect(candidates []*protocols.Protocol, b []byte) (p *protocols.Protocol, maybe bool) {
	for _, p := range candidates {
		switch p.Detect(b) {
		case protocols.MatchYes:
			return p, false
		case protocols.MatchMaybe:
			maybe = maybe || len(b) < p.PrefixLen
		case protocols.MatchNo:
		}
	}
	return nil, maybe
}

// become makes the connection one of p.
func (d *detector) become(p *protocols.Protocol) sessionKind {
	d.stop()
	d.w.sessions.remove(&d.session)
	d.w.shard.Inc(d.l.counters.Detected[p.ID])
	kind := d.speak(p)
	d.conn.SetHandler(kind)
	return kind
}

func (d *detector) stop() {
	d.w.loop.Disarm(&d.timer)
	d.w.lobby.Leave(&d.guest)
}

// fallBack makes the connection one whose bytes nobody reads, as the listener's proxy asks for with unknown protocols.
func (d *detector) fallBack() sessionKind {
	d.l = d.l.fallback
	return d.become(d.l.protocols[0])
}

// refuse closes a connection that speaks none of the protocols, or nothing.
func (d *detector) refuse(r protocols.Reason) {
	d.w.shard.Inc(d.l.counters.Failed[r])
	d.w.shard.Inc(d.l.counters.Detected[protocols.ProtocolUnknown])
	d.stop()
	d.conn.Close(loop.CloseFlushed, nil)
}

// ReadClosed implements loop.Handler.
func (d *detector) ReadClosed(c loop.Conn, rest []byte) {
	switch {
	case d.l.fallback != nil && d.unread > 0:
		kind := d.fallBack()
		kind.Received(c, rest) // it leaves them until there is an upstream
		kind.ReadClosed(c, rest)
	case d.unread > 0:
		d.refuse(protocols.ReasonProtocolError)
	default:
		d.stop()
		d.conn.Close(loop.CloseFlushed, nil)
	}
}

// Drained implements loop.Handler.
func (d *detector) Drained(loop.Conn) {}

// Closed implements loop.Handler.
func (d *detector) Closed(loop.Conn, error) { d.over() }

// Expired implements loop.Expirer. A client that says nothing may be one that waits for the server to speak first.
func (d *detector) Expired(*loop.Timer, time.Duration) {
	if d.l.fallback == nil || d.w.draining != drainOff {
		d.refuse(protocols.ReasonHeadTimeout)
		return
	}
	d.fallBack()
	d.conn.Resume()
}

// drain implements sessionKind: a client that has not said anything yet has its usual time, but not more than others.
func (d *detector) drain(now time.Duration) { d.armBy(now + drainIdle) }
