package gateway

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// drainIdle is how long a drain leaves an idle connection open for a request that is already on its way.
const drainIdle = 2 * time.Second

// never is a deadline beyond the life of a process.
const never = time.Duration(1<<63 - 1)

// deadline is when something must have happened on the session. The timer is armed for it when a phase begins and looks
// again when it fires: progress in between costs a store.
func (s *serial) deadline() time.Duration {
	t := &s.l.timeouts
	switch s.phase {
	case phaseHead:
		if s.w.draining != drainOff && s.unread == 0 {
			return s.moved + drainIdle
		}
		return after(s.moved, t.Head)
	case phaseIdle:
		switch {
		case s.conn.Full():
			return after(s.moved, t.Progress)
		case !s.codec.Status().Idle:
			return after(s.moved, t.Head) // for what is left of a request that was answered early
		case s.w.draining != drainOff:
			return s.moved + drainIdle
		}
		return after(s.moved, s.l.idle)
	case phaseExchange, phaseTunnel:
		if s.stream == nil {
			return after(s.moved, t.TunnelIdle)
		}
		if s.eof && s.phase == phaseExchange && s.stream.answer.state == directionWaiting {
			return s.moved + answerGrace
		}
		return s.stream.progressDeadline()
	case phaseClosing:
	}
	return never
}

func after(from, limit time.Duration) time.Duration {
	if limit < 0 {
		return never
	}
	return from + limit
}

// rearm moves the timer to the deadline.
func (s *serial) rearm() { s.armAt(s.deadline()) }

// hasten moves the timer to the deadline if that is earlier.
func (s *serial) hasten() { s.armBy(s.deadline()) }

// watch implements carrier.
func (s *serial) watch(*stream) { s.hasten() }

// Expired implements loop.Expirer.
func (s *serial) Expired(_ *loop.Timer, now time.Duration) {
	s.noticeProgress(now)
	if d := s.deadline(); d > now {
		s.rearm()
		return
	}
	switch s.phase {
	case phaseHead:
		if s.unread > 0 {
			s.refuse(&protocols.Error{Reason: protocols.ReasonHeadTimeout, Detail: protocols.ReasonHeadTimeout.Text()})
			return
		}
		s.timeout(protocols.ReasonIdleTimeout)
	case phaseIdle:
		switch {
		case s.conn.Full():
			s.w.shard.Inc(s.l.counters.Failed[protocols.ReasonSlowReader])
			s.close(loop.CloseReset, nil)
		case !s.codec.Status().Idle:
			s.timeout(protocols.ReasonBodyTimeout)
		default:
			s.timeout(protocols.ReasonIdleTimeout)
		}
	case phaseExchange:
		s.exchangeExpired()
	case phaseTunnel:
		if s.stream == nil {
			s.timeout(protocols.ReasonIdleTimeout)
			return
		}
		s.stream.gone(protocols.ReasonIdleTimeout)
	case phaseClosing:
	}
}

// noticeProgress counts bytes that a receiver took, though not enough of them for Drained.
func (s *serial) noticeProgress(now time.Duration) {
	n := s.conn.Buffered()
	if n < s.buffered {
		s.moved = now
		if s.stream != nil {
			s.stream.moved = now
		}
	}
	s.buffered = n
	if s.stream != nil {
		s.stream.noticeProgress(now)
	}
}

// timeout closes a session that has nothing in progress.
func (s *serial) timeout(r protocols.Reason) {
	s.w.shard.Inc(s.l.counters.Failed[r])
	s.close(loop.CloseFlushed, nil)
}

// exchangeExpired ends an exchange that made no progress, for the reason that applies.
func (s *serial) exchangeExpired() {
	st := s.stream
	if s.eof && st.answer.state == directionWaiting {
		st.cut(protocols.ReasonClientGone)
		s.close(loop.CloseNow, nil)
		return
	}
	switch r := st.stalled(); r {
	case protocols.ReasonSlowReader:
		st.cut(r)
		s.close(loop.CloseReset, nil)
	case protocols.ReasonBodyTimeout:
		s.announceEnd(s.w.loop.Now()) // the rest of the body is not waited for
		st.fail(r)
		if s.phase != phaseClosing {
			s.close(loop.CloseLingering, nil)
		}
	default: // among others: the upstream takes no more of the request
		st.fail(r)
	}
}
