package gateway

import (
	"errors"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// phase is the life of a downstream connection.
//
//	head <──first byte── idle <──answer complete── exchange ──101, CONNECT──> tunnel
//	  └──────Head event──────────────────────────────>┘
//	any ──error, timeout, last answer──> closing ──Closed──> (gone)
type phase uint8

const (
	phaseHead     phase = iota // new, or a request head is on its way
	phaseIdle                  // between requests
	phaseExchange              // a request is being served
	phaseTunnel                // bytes pass unframed
	phaseClosing               // only Closed is still to come
)

// maxStartsPerRead bounds how many requests one callback starts, so that a pipelining client shares the loop.
const maxStartsPerRead = 64

// answerGrace is how long a client that has closed its sending direction waits for its answer to start.
const answerGrace = 10 * time.Second

// A session is one downstream connection: the handler of its socket and the sink of its codec. It belongs to its loop.
type session struct {
	w      *worker
	l      *localListener
	conn   loop.Conn
	codec  protocols.Codec
	stream *stream // the exchange in progress
	timer  loop.Timer
	moved  time.Duration // when the phase began, or bytes last moved
	// buffered is the output that waited when the timer last looked: less of it means that the client reads.
	buffered       int
	unread         int // bytes that Decode has left with the loop
	next, prev     *session
	received, sent uint64 // what countBytes has counted
	phase          phase
	eof            bool // the client has closed its sending direction
}

// open starts a session on an accepted connection.
func (l *localListener) open(c loop.Conn) *session {
	w := l.w
	s := &session{w: w, l: l, conn: c, codec: l.protocol.Server(l.env), moved: w.loop.Now()}
	s.timer.Init(s)
	w.sessions.add(s)
	w.shard.Inc(l.counters.Connections)
	w.shard.AddGauge(l.counters.Active, 1)
	if l.protocol.ID == protocols.ProtocolTCP {
		// In many protocols the server speaks first: the stream starts without waiting for a byte.
		s.phase = phaseTunnel
		s.Received(c, nil)
	} else {
		s.rearm()
	}
	return s
}

// Opened implements loop.Handler; an accepted connection is open already.
func (s *session) Opened(loop.Conn) {}

// Received implements loop.Handler.
func (s *session) Received(c loop.Conn, b []byte) int {
	if s.phase == phaseClosing {
		return len(b)
	}
	if s.stream != nil && s.stream.holding() {
		s.unread = len(b)
		return 0
	}
	now := s.w.loop.Now()
	n := 0
	for starts := 0; ; starts++ {
		if s.stream == nil && c.Buffered() > loop.HighWater {
			// A client that sends requests and reads no answers must not make us keep them: Drained goes on.
			s.unread = len(b) - n
			s.moved = now
			c.Pause()
			s.hasten()
			return n
		}
		used, err := s.codec.Decode(now, b[n:], s, c)
		n += used
		if err != nil {
			s.refuse(err)
			return len(b)
		}
		if s.phase == phaseClosing {
			return len(b)
		}
		// A request that was answered at once leaves the next one to be decoded.
		if s.stream != nil || used == 0 || n == len(b) {
			break
		}
		if starts == maxStartsPerRead {
			s.unread = len(b) - n
			c.Resume()
			return n
		}
	}
	s.unread = len(b) - n
	switch {
	case s.phase == phaseClosing:
	case s.stream == nil:
		s.between(now)
	case s.eof && s.phase == phaseTunnel:
		s.endInput(nil)
	}
	return n
}

// between settles the phase when no exchange is in progress.
func (s *session) between(now time.Duration) {
	switch {
	case s.codec.Status().Linger:
		// The rest of a request that was answered early is more than is read and dropped.
		s.close(loop.CloseLingering, nil)
	case s.eof:
		if s.unread > 0 {
			s.w.shard.Inc(s.l.counters.Failed[protocols.ReasonClientGone])
		}
		s.close(loop.CloseFlushed, nil)
	case s.unread > 0 && s.phase == phaseIdle:
		s.phase = phaseHead // it has its time as a whole: trickling it does not help
		s.moved = now
		s.hasten()
	}
}

// Event implements protocols.Sink.
func (s *session) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead {
		st := s.w.newStream(s)
		s.stream = st
		if s.phase != phaseTunnel {
			s.phase = phaseExchange
		}
		return st.start(ev)
	}
	if s.stream == nil {
		return protocols.More
	}
	return s.stream.requestEvent(ev)
}

// refuse ends the session after the codec refused what came: with an answer when there is nothing to confuse it with.
func (s *session) refuse(err error) {
	reason := protocols.ReasonProtocolError
	detail := err.Error()
	var pe *protocols.Error
	if errors.As(err, &pe) {
		reason, detail = pe.Reason, pe.Detail
	}
	switch st := s.stream; {
	case st != nil:
		st.detail = detail
		st.fail(reason)
	case s.codec.Status().Idle || s.codec.Status().Phase == protocols.PhaseClosing:
		// Nothing that could be answered: empty lines, or the rest of a request whose answer is complete.
		s.w.shard.Inc(s.l.counters.Failed[reason])
	default:
		st := s.w.newStream(s)
		s.stream = st
		st.refuse(reason, detail)
	}
	if s.phase != phaseClosing {
		s.close(loop.CloseLingering, err)
	}
}

// ReadClosed implements loop.Handler.
func (s *session) ReadClosed(c loop.Conn, rest []byte) {
	if s.phase == phaseClosing {
		return
	}
	s.eof = true
	s.moved = s.w.loop.Now()
	st := s.stream
	switch {
	case st == nil && len(rest) > 0:
		// There may be whole requests in front of the FIN. What Received can't use is a head that was cut.
		c.Resume()
	case st == nil:
		s.close(loop.CloseFlushed, nil)
	case s.phase != phaseTunnel && (st.request == directionEnded || st.wantsTunnel()):
		// The request is complete: its answer is still wanted (RFC 9112 section 9.6 lets a client half-close), but not
		// for ever.
		s.hasten()
	case st.holding():
		// The upstream is told when there is one: resumeInput.
	default:
		s.endInput(rest)
	}
}

// resumeInput lets a request go on that was held back.
func (s *session) resumeInput() {
	s.conn.Resume()
	if s.eof && s.unread == 0 && s.phase == phaseTunnel && s.stream != nil && !s.stream.holding() {
		s.endInput(nil)
	}
}

// endInput tells the codec that nothing comes behind rest, in the middle of an exchange.
func (s *session) endInput(rest []byte) {
	err := s.codec.DecodeEOF(s.w.loop.Now(), rest, s, s.conn)
	if err != nil && s.phase != phaseClosing && s.stream != nil {
		s.stream.gone()
		s.close(loop.CloseNow, err)
	}
}

// Drained implements loop.Handler.
func (s *session) Drained(loop.Conn) {
	s.moved = s.w.loop.Now()
	if s.stream != nil {
		s.stream.drained()
	} else {
		s.conn.Resume() // Received paused it
	}
}

// Closed implements loop.Handler.
func (s *session) Closed(_ loop.Conn, _ error) {
	s.phase = phaseClosing
	if s.stream != nil {
		s.stream.gone()
	}
	s.w.loop.Disarm(&s.timer)
	s.w.sessions.remove(s)
	s.countBytes()
	s.w.shard.AddGauge(s.l.counters.Active, -1)
	s.w.shard.Inc(s.l.counters.ConnectionsClosed)
	if s.w.draining != drainOff {
		s.w.g.drained.check(s.w)
	}
}

// close ends the connection; Closed follows from the loop.
func (s *session) close(how loop.CloseMode, err error) {
	s.phase = phaseClosing
	s.w.loop.Disarm(&s.timer)
	s.conn.Close(how, err)
}

// finished is called by the stream when its exchange is complete.
func (s *session) finished() {
	s.stream = nil
	if s.phase == phaseClosing {
		return
	}
	switch st := s.codec.Status(); {
	case st.Phase == protocols.PhaseAbort:
		s.close(loop.CloseReset, nil)
	case st.Phase == protocols.PhaseClosing && st.Linger:
		s.close(loop.CloseLingering, nil)
	case st.Phase == protocols.PhaseClosing || s.phase == phaseTunnel || s.eof && s.unread == 0:
		s.close(loop.CloseFlushed, nil)
	default:
		now := s.w.loop.Now()
		s.phase = phaseIdle
		s.moved = now
		s.rearm()
		if s.unread > 0 {
			s.conn.Resume()
		}
	}
}

// drain announces that the connection takes no further request.
func (s *session) drain(now time.Duration) {
	if s.phase == phaseExchange {
		s.announceEnd(now)
		return
	}
	s.hasten()
}

// announceEnd makes the answer in progress say that it is the last, if its head is still to come.
func (s *session) announceEnd(now time.Duration) {
	s.w.goAway = protocols.Event{Kind: protocols.KindGoAway, Reason: protocols.ReasonDrained}
	_, _ = s.codec.Encode(now, &s.w.goAway, s.conn)
}
