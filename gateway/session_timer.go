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
func (s *session) deadline() time.Duration {
	t := &s.l.timeouts
	switch s.phase {
	case phaseHead:
		if s.w.draining != drainOff && s.unread == 0 {
			return s.moved + drainIdle
		}
		return after(s.moved, t.Head)
	case phaseIdle:
		switch {
		case s.conn.Buffered() > loop.HighWater:
			return after(s.moved, t.Progress)
		case !s.codec.Status().Idle:
			return after(s.moved, t.Head) // for what is left of a request that was answered early
		case s.w.draining != drainOff:
			return s.moved + drainIdle
		}
		return after(s.moved, s.l.idle)
	case phaseExchange:
		return s.exchangeDeadline()
	case phaseTunnel:
		return after(s.moved, t.TunnelIdle)
	case phaseClosing:
	}
	return never
}

// exchangeDeadline is the limit on a body, a reader or an answer that makes no progress.
func (s *session) exchangeDeadline() time.Duration {
	t := &s.l.timeouts
	st := s.stream
	switch {
	case s.eof && st.answer == directionWaiting:
		return s.moved + answerGrace
	case st.answer == directionFull, st.request == directionFull, st.receiving():
		return after(s.moved, t.Progress)
	}
	return after(s.moved, t.StreamIdle)
}

func after(from, limit time.Duration) time.Duration {
	if limit < 0 {
		return never
	}
	return from + limit
}

// rearm moves the timer to the deadline.
func (s *session) rearm() {
	if d := s.deadline(); d != never {
		s.w.loop.Arm(&s.timer, d)
	} else {
		s.w.loop.Disarm(&s.timer)
	}
}

// hasten moves the timer to the deadline if that is earlier: a later one is seen when the timer fires.
func (s *session) hasten() {
	if d := s.deadline(); d != never && (!s.timer.Armed() || d < s.timer.At()) {
		s.w.loop.Arm(&s.timer, d)
	}
}

// Expired implements loop.Expirer.
func (s *session) Expired(_ *loop.Timer, now time.Duration) {
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
		case s.conn.Buffered() > loop.HighWater:
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
		s.stream.reason = protocols.ReasonIdleTimeout
		s.stream.gone()
	case phaseClosing:
	}
}

// noticeProgress counts bytes that a receiver took, though not enough of them for Drained.
func (s *session) noticeProgress(now time.Duration) {
	n := s.conn.Buffered()
	if n < s.buffered {
		s.moved = now
	}
	s.buffered = n
	if st := s.stream; st != nil && st.lease != nil {
		n := st.lease.Buffered()
		if n < st.buffered {
			s.moved = now
		}
		st.buffered = n
	}
}

// timeout closes a session that has nothing in progress.
func (s *session) timeout(r protocols.Reason) {
	s.w.shard.Inc(s.l.counters.Failed[r])
	s.close(loop.CloseFlushed, nil)
}

// exchangeExpired ends an exchange that made no progress, for the reason that applies.
func (s *session) exchangeExpired() {
	st := s.stream
	switch {
	case s.eof && st.answer == directionWaiting:
		st.cut(protocols.ReasonClientGone)
		s.close(loop.CloseNow, nil)
	case st.answer == directionFull:
		st.cut(protocols.ReasonSlowReader)
		s.close(loop.CloseReset, nil)
	case st.receiving():
		s.announceEnd(s.w.loop.Now()) // the rest of the body is not waited for
		st.fail(protocols.ReasonBodyTimeout)
		if s.phase != phaseClosing {
			s.close(loop.CloseLingering, nil)
		}
	default: // among others: the upstream takes no more of the request
		st.fail(protocols.ReasonStreamIdle)
	}
}
