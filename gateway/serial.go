package gateway

import (
	"time"

	"sluice/loop"
	"sluice/loop/secure"
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

// A serial is a downstream connection that serves one exchange after the other.
type serial struct {
	session
	stream *stream       // the exchange in progress
	moved  time.Duration // when the phase began, or bytes last moved
	// buffered is the output that waited when the timer last looked: less of it means that the client reads.
	buffered int
	stalled  int // the output that waited when the client was last found not to take it
	unread   int // bytes that Decode has left with the loop
	phase    phase
	eof      bool // the client has closed its sending direction
}

func newSerial(base session) *serial {
	s := &serial{session: base, moved: base.w.loop.Now()}
	s.begin(s)
	if s.protocol.ID == protocols.ProtocolTCP {
		// In many protocols the server speaks first: the stream starts without waiting for a byte.
		s.phase = phaseTunnel
		s.Received(s.conn, nil)
	} else {
		s.rearm()
	}
	return s
}

// Opened implements loop.Handler; an accepted connection is open already.
func (s *serial) Opened(loop.Conn) {}

// Received implements loop.Handler.
func (s *serial) Received(c loop.Conn, b []byte) int {
	n := s.receive(c, b)
	if s.unread > 0 || s.guest.Waits() {
		s.lodge(n)
	}
	return n
}

func (s *serial) receive(c loop.Conn, b []byte) int {
	if s.phase == phaseClosing {
		return len(b)
	}
	if s.stream != nil && s.stream.holding() && !s.stream.wantsTunnel() { // the codec is to know what comes ahead of a tunnel
		s.unread = len(b)
		return 0
	}
	now := s.w.loop.Now()
	n := 0
	for starts := 0; ; starts++ {
		if s.stream == nil && s.full() {
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
func (s *serial) between(now time.Duration) {
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
func (s *serial) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind != protocols.KindHead {
		if s.stream == nil {
			return protocols.More
		}
		return s.stream.requestEvent(ev)
	}
	st := s.w.newStream(&s.session, s)
	s.stream = st
	if s.phase != phaseTunnel {
		s.phase = phaseExchange
	}
	s.moved = s.w.loop.Now()
	st.tunnel = s.phase == phaseTunnel
	st.start(ev)
	// The stream may be over, unless it still is the session's. Received looks at what that means for the next one.
	if s.stream != st || st.holding() {
		return protocols.Pause
	}
	return protocols.More
}

// refuse ends the session after the codec refused what came: with an answer when there is nothing to confuse it with.
func (s *serial) refuse(err error) {
	reason, detail := fault(err)
	switch st := s.stream; {
	case st != nil:
		st.detail = detail
		st.fail(reason)
	case s.codec.Status().Idle || s.codec.Status().Phase == protocols.PhaseClosing:
		// Nothing that could be answered: empty lines, or the rest of a request whose answer is complete.
		s.w.shard.Inc(s.l.counters.Failed[reason])
	default:
		st := s.w.newStream(&s.session, s)
		s.stream = st
		if s.phase == phaseHead || s.phase == phaseIdle {
			s.phase = phaseExchange
		}
		st.refuse(reason, detail)
	}
	if s.phase != phaseClosing {
		s.close(loop.CloseLingering, err)
	}
}

// ReadClosed implements loop.Handler.
func (s *serial) ReadClosed(c loop.Conn, rest []byte) {
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
	case s.phase != phaseTunnel && (st.request.state == directionEnded || st.wantsTunnel()):
		// The request is complete: its answer is still wanted (RFC 9112 section 9.6 lets a client half-close), but not
		// for ever.
		s.hasten()
	case st.holding():
		// The upstream is told when there is one: resumeInput.
	default:
		s.endInput(rest)
	}
}

// pauseInput implements carrier.
func (s *serial) pauseInput(*stream) { s.conn.Pause() }

// resumeInput implements carrier.
func (s *serial) resumeInput(st *stream, _ int) {
	if st.request.state != directionFull {
		s.wake()
	}
}

// wake implements carrier. It looks at what was left even if nothing was paused.
func (s *serial) wake() {
	s.conn.Resume()
	if s.eof && s.unread == 0 && s.phase == phaseTunnel && s.stream != nil && !s.stream.holding() {
		s.endInput(nil)
	}
}

// full implements carrier.
func (s *serial) full() bool {
	if !s.conn.Full() {
		return false
	}
	s.stalls(s.conn.Buffered())
	return true
}

// stalls accounts for the output that the client does not take: n bytes.
func (s *serial) stalls(n int) {
	if n != s.stalled {
		s.w.stallMore(n - s.stalled)
		s.stalled = n
	}
}

// endOutput implements carrier.
func (s *serial) endOutput() { s.conn.CloseWrite() }

// tunnelled implements carrier.
func (s *serial) tunnelled(*stream) {
	s.phase = phaseTunnel
	s.rearm()
}

// endInput tells the codec that nothing comes behind rest, in the middle of an exchange.
func (s *serial) endInput(rest []byte) {
	if c, ok := s.conn.(*secure.Conn); ok && s.phase == phaseTunnel && c.Truncated() {
		// A FIN without close_notify may be anybody's: it is passed on as an abort, not as the end of what was to be said.
		s.stream.gone(protocols.ReasonClientGone)
		s.close(loop.CloseReset, nil)
		return
	}
	err := s.codec.DecodeEOF(s.w.loop.Now(), rest, s, s.conn)
	if err != nil && s.phase != phaseClosing && s.stream != nil {
		s.stream.gone(protocols.ReasonClientGone)
		s.close(loop.CloseNow, err)
	}
}

// Drained implements loop.Handler.
func (s *serial) Drained(loop.Conn) {
	s.stalls(0)
	s.moved = s.w.loop.Now()
	if s.stream != nil {
		s.stream.flushAnswer()
	} else {
		s.conn.Resume() // Received paused it
	}
}

// Closed implements loop.Handler.
func (s *serial) Closed(_ loop.Conn, _ error) {
	s.stalls(0)
	s.phase = phaseClosing
	if s.stream != nil {
		s.stream.gone(protocols.ReasonClientGone)
	}
	s.over()
}

// close ends the connection; Closed follows from the loop.
func (s *serial) close(how loop.CloseMode, err error) {
	s.phase = phaseClosing
	s.w.loop.Disarm(&s.timer)
	s.w.lobby.Leave(&s.guest)
	s.conn.Close(how, err)
}

// ended implements carrier.
func (s *serial) ended(*stream) {
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

// drain implements sessionKind.
func (s *serial) drain(now time.Duration) {
	if s.phase == phaseExchange {
		s.announceEnd(now)
		return
	}
	s.hasten()
}
