package gateway

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// codecDeadline is when the codec wants to act on its own.
func (m *mux) codecDeadline() time.Duration {
	if d := m.codec.Deadline(); d != 0 {
		return d
	}
	return never
}

// deadline is when something must have happened on the connection or on one of its streams.
func (m *mux) deadline() time.Duration {
	d := m.codecDeadline()
	if m.phase == muxOpen {
		d = min(d, m.ageEnd)
	}
	if m.first == nil {
		return min(d, m.idleDeadline())
	}
	d = min(d, m.headDeadline())
	for st := m.first; st != nil; st = st.nextInSession {
		d = min(d, m.streamDeadline(st))
	}
	return d
}

// headDeadline is the limit on a frame, or a field block, that is incomplete.
func (m *mux) headDeadline() time.Duration {
	if m.unread == 0 || !m.incomplete() {
		return never
	}
	return after(m.since, m.l.timeouts.Head)
}

// idleDeadline is how long the connection may go on without a stream.
func (m *mux) idleDeadline() time.Duration {
	switch {
	case m.unread > 0:
		return after(m.since, m.l.timeouts.Head)
	case m.phase == muxLeaving, m.w.draining != drainOff:
		return m.moved + drainIdle
	}
	return after(m.moved, m.l.idle)
}

// streamDeadline is the limit on the progress of st. While the connection as a whole has too much output, a stream that
// waits for its turn is not to blame.
func (m *mux) streamDeadline(st *stream) time.Duration {
	d := st.progressDeadline()
	if st.answer.state == directionFull && m.conn.Buffered() > protocols.OutputHigh {
		d = max(d, after(m.left, m.l.timeouts.Progress))
	}
	return d
}

func (m *mux) rearm() { m.armAt(m.deadline()) }

// watch implements carrier.
func (m *mux) watch(st *stream) { m.armBy(m.streamDeadline(st)) }

// Expired implements loop.Expirer.
func (m *mux) Expired(_ *loop.Timer, now time.Duration) {
	if m.phase == muxClosing {
		return
	}
	if _, sent := m.conn.Transferred(); sent != m.told {
		m.told, m.left = sent, now
		if m.conn.Buffered() > 0 {
			m.moved = now
		}
	}
	if m.codecDeadline() <= now && !m.advance(now) || m.settle() {
		return
	}
	if m.ageEnd <= now {
		m.drain(now)
	}
	for st := m.first; st != nil; {
		next := st.nextInSession
		st.noticeProgress(now)
		if m.streamDeadline(st) <= now {
			m.streamExpired(st)
			next = m.first // others may have ended with it
		}
		st = next
	}
	if m.first != nil && m.headDeadline() <= now {
		m.announceEnd(now)
		m.refuse(&protocols.Error{Reason: protocols.ReasonHeadTimeout, Detail: protocols.ReasonHeadTimeout.Text()})
		return
	}
	if m.first == nil && m.phase != muxClosing && m.idleDeadline() <= now {
		m.idleExpired(now)
	}
	if !m.settle() {
		m.rearm()
	}
}

// streamExpired ends an exchange that made no progress.
func (m *mux) streamExpired(st *stream) {
	switch r := st.stalled(); r {
	case protocols.ReasonSlowReader, protocols.ReasonIdleTimeout:
		st.cut(r)
	default:
		st.moved = m.w.loop.Now() // the client has its time to take the answer
		st.fail(r)
	}
}

// idleExpired ends a connection that nobody uses.
func (m *mux) idleExpired(now time.Duration) {
	switch {
	case m.unread > 0:
		m.w.shard.Inc(m.l.counters.Failed[protocols.ReasonHeadTimeout])
		m.close(loop.CloseFlushed, nil)
	case m.phase == muxLeaving:
		m.close(loop.CloseFlushed, nil)
	default:
		// A request that is on its way is not lost: the client learns that it was not processed.
		if m.w.draining == drainOff {
			m.w.shard.Inc(m.l.counters.Failed[protocols.ReasonIdleTimeout])
		}
		m.drain(now)
		m.moved = now
	}
}
