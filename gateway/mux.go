package gateway

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// muxPhase is the life of a multiplexed downstream connection.
//
//	open ──idle, drain, age──> leaving (GOAWAY) ──last stream ended──> closing ──Closed──> (gone)
//	any ──error, the client's FIN with nothing in progress──> closing
type muxPhase uint8

const (
	muxOpen muxPhase = iota
	muxLeaving
	muxClosing // only Closed is still to come
)

// A mux is a downstream connection that serves many exchanges at once.
type mux struct {
	session
	codec  protocols.Multiplexer
	first  *stream       // the exchanges in progress
	moved  time.Duration // bytes last came, or left, or the last exchange ended
	left   time.Duration // bytes last left, as far as the timer has seen
	told   uint64        // bytes that had left when the timer last looked
	unread int           // bytes that Decode has left with the loop
	since  time.Duration // the first of them came
	ageEnd time.Duration // when the client is asked to take another connection; never, if nobody says so
	phase  muxPhase
	eof    bool // the client has closed its sending direction
	paused bool // nothing is read until streams have passed on what they hold
	due    bool // it is in worker.turns
}

func newMux(base session) *mux {
	m := &mux{session: base, moved: base.w.loop.Now()}
	m.codec = m.session.codec.(protocols.Multiplexer)
	m.begin(m)
	m.ageEnd = never
	if age := m.l.maxAge[m.protocol.ID]; age > 0 {
		// A tenth more or less, so that what connected together does not come back together.
		m.ageEnd = m.moved + age*9/10 + time.Duration(m.w.rng.Uint64()%uint64(age/5+1))
	}
	m.rearm()
	return m
}

// Opened implements loop.Handler; an accepted connection is open already.
func (m *mux) Opened(loop.Conn) {}

// Received implements loop.Handler.
func (m *mux) Received(c loop.Conn, b []byte) int {
	if m.phase == muxClosing {
		return len(b)
	}
	now := m.w.loop.Now()
	m.moved = now
	n, err := m.codec.Decode(now, b, m, c)
	if n > 0 || m.unread == 0 {
		m.since = now // what is left has its time as a whole: trickling it does not help
	}
	m.unread = len(b) - n
	if err != nil {
		m.refuse(err)
		return len(b)
	}
	if m.settle() {
		return len(b)
	}
	m.obey()
	m.armBy(m.codecDeadline())
	if m.unread > 0 || m.guest.Waits() {
		m.lodge(n)
		m.armBy(m.headDeadline())
	}
	return n
}

// Event implements protocols.Sink.
func (m *mux) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead {
		st := m.w.newStream(&m.session, m)
		ev.Owner = st
		if st.nextInSession = m.first; m.first != nil {
			m.first.prevInSession = st
		}
		m.first = st
		st.start(ev)
		return protocols.More
	}
	st, _ := ev.Owner.(*stream)
	if st == nil {
		return protocols.More
	}
	switch ev.Kind {
	case protocols.KindData, protocols.KindTrailer:
		return st.requestEvent(ev)
	case protocols.KindReset:
		st.gone(ev.Reason)
	case protocols.KindCredit:
		st.flushAnswer()
	case protocols.KindHead, protocols.KindGoAway:
	}
	return protocols.More
}

// ended implements carrier.
func (m *mux) ended(st *stream) {
	if st.prevInSession != nil {
		st.prevInSession.nextInSession = st.nextInSession
	} else {
		m.first = st.nextInSession
	}
	if st.nextInSession != nil {
		st.nextInSession.prevInSession = st.prevInSession
	}
	st.nextInSession, st.prevInSession = nil, nil
	if m.phase == muxClosing {
		return
	}
	if m.protocol.InTurn {
		m.obey() // what st held, or was in the middle of, may have been in the way of others
	}
	if m.first != nil {
		return
	}
	m.moved = m.w.loop.Now()
	if m.eof || m.phase == muxLeaving {
		// Inside Decode the codec may not know yet that its last stream is over: the timer looks again.
		m.armBy(m.moved)
		return
	}
	m.armBy(m.deadline())
}

// settle closes a connection whose codec has nothing more to say. It reports whether the connection is closing.
func (m *mux) settle() bool {
	if m.phase == muxClosing {
		return true
	}
	switch m.codec.Status().Phase {
	case protocols.PhaseAbort:
		m.close(loop.CloseReset, nil)
		return true
	case protocols.PhaseClosing:
		m.close(loop.CloseLingering, nil)
		return true
	case protocols.PhaseDraining:
		if m.phase == muxOpen {
			m.phase = muxLeaving
		}
	case protocols.PhaseOpen, protocols.PhaseTunnel:
	}
	if m.eof && m.first == nil {
		m.close(loop.CloseFlushed, nil)
		return true
	}
	return false
}

// refuse ends the connection, whose codec has refused what came and said so to the client.
func (m *mux) refuse(err error) {
	reason, _ := fault(err)
	if m.first == nil {
		m.w.shard.Inc(m.l.counters.Failed[reason])
	}
	m.close(loop.CloseLingering, err)
	m.endAll(reason)
}

// endAll ends all exchanges; there is nobody any more to be told.
func (m *mux) endAll(reason protocols.Reason) {
	for m.first != nil {
		m.first.gone(reason)
	}
}

// ReadClosed implements loop.Handler. What was asked completely is answered; the rest will never be.
func (m *mux) ReadClosed(c loop.Conn, rest []byte) {
	if m.phase == muxClosing {
		return
	}
	m.eof = true
	now := m.w.loop.Now()
	var err error
	for n := -1; n != 0 && err == nil && m.codec.Status().Yielded; rest = rest[n:] {
		n, err = m.codec.Decode(now, rest, m, c)
	}
	if err == nil {
		err = m.codec.DecodeEOF(now, rest, m, c)
	}
	if err != nil {
		m.refuse(err)
		return
	}
	for st := m.first; st != nil; {
		next := st.nextInSession
		if st.request.state != directionEnded {
			st.gone(protocols.ReasonClientGone)
			next = m.first // others may have ended with it
		}
		st = next
	}
	m.settle()
}

// Drained implements loop.Handler.
func (m *mux) Drained(c loop.Conn) {
	if m.phase == muxClosing {
		return
	}
	m.moved = m.w.loop.Now()
	m.codec.Drained(m.moved, m, c)
	if !m.settle() {
		m.obey()
	}
}

// Closed implements loop.Handler.
func (m *mux) Closed(loop.Conn, error) {
	m.phase = muxClosing
	m.endAll(protocols.ReasonClientGone)
	m.over()
}

// close ends the connection; Closed follows from the loop.
func (m *mux) close(how loop.CloseMode, err error) {
	m.phase = muxClosing
	m.w.loop.Disarm(&m.timer)
	m.w.lobby.Leave(&m.guest)
	m.conn.Close(how, err)
}

// pauseInput implements carrier: the verdict has said it all.
func (m *mux) pauseInput(*stream) {}

// resumeInput implements carrier.
func (m *mux) resumeInput(st *stream, held int) {
	if held == 0 || m.phase == muxClosing {
		return
	}
	m.w.credit.Set(&protocols.Event{Kind: protocols.KindCredit, Stream: st.id, N: held})
	_, _ = m.codec.Encode(m.w.loop.Now(), &m.w.credit, m.conn)
	m.obey()
}

// wake implements carrier: nothing was left unread for the sake of a stream.
func (m *mux) wake() {}

// full implements carrier: the codec takes less, and tells when there is room.
func (m *mux) full() bool { return false }

// endOutput implements carrier: End has said it.
func (m *mux) endOutput() {}

// tunnelled implements carrier.
func (m *mux) tunnelled(*stream) {}

// drain implements sessionKind and carrier.
func (m *mux) drain(now time.Duration) {
	if m.phase != muxOpen {
		return
	}
	m.phase = muxLeaving
	m.announceEnd(now)
	m.armBy(now) // the codec may have nothing more to say
}
