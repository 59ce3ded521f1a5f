package upstream

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// Opened implements loop.Handler.
func (m *muxConn) Opened(c loop.Conn) {
	m.opened(c)
	m.openedAt = m.now()
	m.state = muxFull // place sees that it is not
	m.armBy(m.ageEnd)
	m.settle()
	m.follow()
}

// Received implements loop.Handler.
func (m *muxConn) Received(c loop.Conn, b []byte) int {
	m.lane.inside = m
	n, err := m.mux.Decode(m.now(), b, m, c)
	m.lane.inside = nil
	if err != nil {
		m.fail(err)
	} else {
		s := m.mux.Status()
		m.learn(s)
		if m.obey(s) && m.remote {
			m.readEnd(c, b[n:])
		}
	}
	m.settle()
	if m.state == muxClosing {
		return len(b)
	}
	m.follow()
	return n
}

// ReadClosed implements loop.Handler. What the codec has left for another round comes to Received first.
func (m *muxConn) ReadClosed(c loop.Conn, rest []byte) {
	m.remote = true
	if len(rest) > 0 && !m.obey(m.mux.Status()) {
		return
	}
	m.readEnd(c, rest)
	m.settle()
}

// readEnd ends the connection behind the last byte of the other side, rest of which belongs to nothing whole. There is no
// half-closed connection of many streams: those that the codec has not ended are cut.
func (m *muxConn) readEnd(c loop.Conn, rest []byte) {
	m.lane.inside = m
	err := m.mux.DecodeEOF(m.now(), rest, m, c)
	m.lane.inside = nil
	how := loop.CloseNow
	if m.streams == 0 && err == nil {
		how = loop.CloseFlushed // nothing is lost: see conn.part
	}
	m.shut(how, err, protocols.ReasonNone)
}

// Drained implements loop.Handler.
func (m *muxConn) Drained(c loop.Conn) {
	m.lane.inside = m
	m.mux.Drained(m.now(), m, c)
	m.lane.inside = nil
	m.settle()
	m.follow()
}

// Closed implements loop.Handler.
func (m *muxConn) Closed(_ loop.Conn, err error) {
	h := m.host
	if m.lane.inside == m {
		m.lane.inside = nil // a handler has panicked
	}
	woken := m.closed()
	if m.state == muxDialling {
		m.state = muxClosing
		m.count()
		m.use()
		m.dialFailed(err)
	} else {
		busy := m.cut || m.streams > 0
		h.hooks().ConnClosed(h.local.loop, h.endpoint, m.state != muxClosing || m.remote, busy)
		m.cause = err
		m.end(protocols.ReasonNone)
	}
	if !woken {
		h.dialMore()
	}
	m.discard()
}

// Event implements protocols.Sink.
func (m *muxConn) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindGoAway {
		m.drain(false)
		return protocols.More
	}
	l, ok := ev.Owner.(*Lease)
	if !ok || l.on != &m.link || l.stream != ev.Stream || l.exchange == nil {
		return protocols.More // of a stream that is nobody's: an answer must never become somebody else's
	}
	switch ev.Kind {
	case protocols.KindReset:
		l.reused = false // the connection is well: what it tells of this stream is no sign of having gone stale
		m.lose(l, ev.Reason, ev.Unprocessed)
	case protocols.KindCredit:
		l.exchange.Drained()
	case protocols.KindHead, protocols.KindData, protocols.KindTrailer, protocols.KindGoAway:
		l.answered = true
		return l.exchange.Event(ev)
	}
	return protocols.More
}

// fail ends the connection after its codec has refused what came, or what has not come in time.
func (m *muxConn) fail(err error) {
	how := loop.CloseFlushed // the codec has said why
	if m.mux.Status().Phase == protocols.PhaseAbort {
		how = loop.CloseNow
	}
	m.shut(how, err, refusal(err))
}

// becomeIdle starts the time for which the connection may lie unused.
func (m *muxConn) becomeIdle() {
	if m.idleFor >= 0 {
		m.idleEnd = m.now() + m.idleFor
		m.armBy(m.idleEnd)
	}
}

// follow arms the timer for the codec's deadline. It is called where that may have become earlier: when the codec was
// given bytes, time or the first event of a stream.
func (m *muxConn) follow() {
	if at := m.mux.Deadline(); at != 0 && m.state != muxClosing {
		m.armBy(at)
	}
}

// armBy makes the timer fire at the given time or before it. One that fires early finds out what it is for: so nothing
// is moved when a deadline is put off, which is what every exchange does.
func (m *muxConn) armBy(at time.Duration) {
	if at == never {
		return
	}
	if armed := m.timer.At(); armed == 0 || at < armed {
		m.host.local.loop.Arm(&m.timer, at)
	}
}

// Expired implements loop.Expirer.
func (m *muxConn) Expired(_ *loop.Timer, now time.Duration) {
	if at := m.mux.Deadline(); at != 0 && now >= at {
		m.lane.inside = m
		err := m.mux.Advance(now, m, m.c)
		m.lane.inside = nil
		if err != nil {
			m.fail(err)
		}
	}
	if now >= m.ageEnd || m.streams == 0 && now >= m.idleEnd {
		m.drain(true)
	}
	m.settle()
	if m.state == muxClosing {
		return
	}
	if m.state != muxDraining {
		m.armBy(m.ageEnd)
		m.armBy(m.idleEnd)
	}
	m.follow()
}
