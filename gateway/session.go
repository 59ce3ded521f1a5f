package gateway

import (
	"errors"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// A session is one downstream connection as its streams see it. What the connection does with several streams, or with
// one after the other, is its kind: serial, mux, and detector before it is known which. It belongs to its loop.
type session struct {
	w              *worker
	l              *localListener
	conn           loop.Conn
	codec          protocols.Codec
	protocol       *protocols.Protocol
	kind           sessionKind
	timer          loop.Timer
	guest          loop.Guest // of the loop's lobby; outside while the session is copied
	next, prev     *session
	received, sent uint64     // what countBytes has counted
	serverName     string     // that the client has asked for by TLS, whoever ends it
	client         *clientTLS // nil unless certificates of clients matter here
	secure         bool       // bytes come through TLS that ends here
}

// A sessionKind is what a connection is beside what all have in common: the handler of its socket.
type sessionKind interface {
	loop.Handler
	loop.Expirer
	// drain announces that the connection takes no further request.
	drain(now time.Duration)
}

// A carrier is the session of a stream, as far as its kind matters: serial or mux.
type carrier interface {
	// ended is called by a stream whose exchange is complete; the stream is void.
	ended(st *stream)
	// pauseInput stops the request of st, after an event that was answered Pause; resumeInput lets it go on, and returns
	// held bytes of what was paused to where they came from. wake does so for whichever stream there is.
	pauseInput(st *stream)
	resumeInput(st *stream, held int)
	wake()
	// full reports whether the connection has too much output to take more of an answer.
	full() bool
	// tunnelled follows st into passing bytes unframed; endOutput ends the sending direction of a tunnel.
	tunnelled(st *stream)
	endOutput()
	// watch lets the timer fire at the deadline of st, or earlier.
	watch(st *stream)
	drain(now time.Duration)
}

// open starts a session on an accepted connection. name is the server's if bytes are TLS that ends elsewhere.
func (l *localListener) open(c loop.Conn, name string) loop.Handler {
	s := l.newSession(c)
	s.serverName = name
	return s.meet()
}

// newSession counts a connection, of which it is not known what it speaks.
func (l *localListener) newSession(c loop.Conn) session {
	l.w.shard.Inc(l.counters.Connections)
	l.w.shard.AddGauge(l.counters.Active, 1)
	return session{w: l.w, l: l, conn: c}
}

// meet makes s a session of the only protocol that there is, or of the one that its first bytes show.
func (s session) meet() loop.Handler {
	if len(s.l.protocols) > 1 || s.l.fallback != nil {
		return newDetector(s)
	}
	return s.speak(s.l.protocols[0])
}

// speak makes s a session of the kind that p needs. s itself is void afterwards.
func (s session) speak(p *protocols.Protocol) sessionKind {
	s.protocol = p
	s.codec = p.Server(s.l.env)
	if p.Multiplexed {
		return newMux(s)
	}
	return newSerial(s)
}

// begin is called by every kind when it has its place in memory.
func (s *session) begin(kind sessionKind) {
	s.kind = kind
	s.timer.Init(kind)
	s.w.sessions.add(s)
}

// over ends what begin began; the connection has closed.
func (s *session) over() {
	s.w.loop.Disarm(&s.timer)
	s.w.lobby.Leave(&s.guest)
	s.w.sessions.remove(s)
	s.countBytes()
	if c, ok := s.codec.(protocols.Closer); ok {
		c.Closed()
	}
	s.w.shard.AddGauge(s.l.counters.Active, -1)
	s.w.shard.Inc(s.l.counters.ConnectionsClosed)
	if s.w.draining != drainOff {
		s.w.g.drained.check(s.w)
	}
}

// fault is the reason and the detail of what a codec refused.
func fault(err error) (protocols.Reason, string) {
	var pe *protocols.Error
	if errors.As(err, &pe) {
		return pe.Reason, pe.Detail
	}
	return protocols.ReasonProtocolError, err.Error()
}

// announceEnd makes the codec say that the connection's end is near, if it still can.
func (s *session) announceEnd(now time.Duration) {
	s.w.goAway = protocols.Event{Kind: protocols.KindGoAway, Reason: protocols.ReasonDrained}
	_, _ = s.codec.Encode(now, &s.w.goAway, s.conn)
}

// armAt moves the timer to t, or stops it.
func (s *session) armAt(t time.Duration) {
	if t != never {
		s.w.loop.Arm(&s.timer, t)
	} else {
		s.w.loop.Disarm(&s.timer)
	}
}

// armBy makes the timer fire at t or earlier: a later deadline is seen when the timer fires.
func (s *session) armBy(t time.Duration) {
	if t != never && (!s.timer.Armed() || t < s.timer.At()) {
		s.w.loop.Arm(&s.timer, t)
	}
}
