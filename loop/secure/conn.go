package secure

import (
	"crypto/tls"

	"sluice/loop"
)

// phase is the life of a connection.
//
//	accepted: hello ──(whole ClientHello)──┐
//	dialled:  connecting ──(Opened)────────┴─> handshake ──(done)──> open ──(Close, failure)──> closing ──> closed
//	              └───────────(failure, timeout, Close)──┴───────────────────────────────────────┘
type phase uint8

const (
	phaseHello phase = iota
	phaseConnecting
	phaseHandshake
	phaseOpen
	phaseClosing // the socket is closed, Closed is due
	phaseClosed
)

// The flags of a connection are independent facts about it.
type connFlags uint16

const (
	flagPaused    connFlags = 1 << iota // the handler wants no Received
	flagResumed                         // what is unconsumed must be offered in the next Turn
	flagReceiving                       // inside the handler's Received
	flagYielded                         // Turn is coming
	flagGathering                       // Gathered is coming
	flagFIN                             // the socket has told its end
	flagEOF                             // no more plaintext comes
	flagEOFTold                         // ReadClosed has been called
	flagTruncated                       // the end came without close_notify
	flagShut                            // close_notify is sent, or about to be: no more output
)

// A Conn is a connection with TLS. It is a loop.Conn: its methods, ownership and callbacks are those of package loop,
// for plaintext. Transferred counts what went through the socket.
type Conn struct {
	engine  *Engine
	raw     loop.Conn
	h       loop.Handler
	tls     *tls.Conn // nil until the handshake begins
	opening *opening  // until the connection is established
	wire    wire
	in      []byte // unconsumed plaintext, pooled; nil when there is none
	out     []byte // plaintext to be encrypted, pooled; nil when there is none
	control int    // bytes that tls.Conn itself has written since the socket was last empty
	skip    int    // how much of the socket's unconsumed input tls has had already
	flags   connFlags
	phase   phase
}

var (
	_ loop.Conn    = (*Conn)(nil)
	_ loop.Handler = (*Conn)(nil)
	_ loop.Layer   = (*Conn)(nil)
)

// State is the handshake's outcome: version, cipher suite, application protocol, certificates. It is zero before. The
// copy is large, so it is for the beginning of a connection.
func (s *Conn) State() tls.ConnectionState {
	if s.tls == nil || s.opening != nil {
		return tls.ConnectionState{}
	}
	return s.tls.ConnectionState()
}

// Choice is the Config that an accepted connection was established by: see Choosing. It is known while the Acceptor is
// asked, and nil at other times.
func (s *Conn) Choice() *Config {
	if s.engine.accepting != s {
		return nil
	}
	return s.engine.choice
}

// Truncated reports whether the peer's sending direction ended without close_notify: what came last may be incomplete
// through an attacker's doing. It is known when ReadClosed is called.
func (s *Conn) Truncated() bool { return s.flags&flagTruncated != 0 }

// SetHandler implements loop.Conn.
func (s *Conn) SetHandler(h loop.Handler) { s.h = h }

// Loop implements loop.Conn.
func (s *Conn) Loop() loop.Loop { return s.engine.loop }

// LocalAddr implements loop.Conn.
func (s *Conn) LocalAddr() loop.Addr { return s.raw.LocalAddr() }

// RemoteAddr implements loop.Conn.
func (s *Conn) RemoteAddr() loop.Addr { return s.raw.RemoteAddr() }

// ID implements loop.Conn: it is the socket's.
func (s *Conn) ID() uint64 { return s.raw.ID() }

// Transferred implements loop.Conn: bytes of ciphertext.
func (s *Conn) Transferred() (received, sent uint64) { return s.raw.Transferred() }

// Opened implements loop.Handler for the socket of a Dial.
func (s *Conn) Opened(loop.Conn) {
	if s.phase == phaseConnecting {
		s.opening.arm()
		s.opening.begin(nil)
	}
}

// Drained implements loop.Handler. What is gathered has not been counted by the socket; it is less than a record.
func (s *Conn) Drained(loop.Conn) {
	if s.phase == phaseOpen {
		s.h.Drained(s)
	}
}

// Closed implements loop.Handler.
func (s *Conn) Closed(_ loop.Conn, err error) {
	if s.opening != nil {
		s.opening.closed(s.phase, err)
	}
	s.phase = phaseClosed
	s.drop(&s.in)
	s.drop(&s.out)
	h := s.h
	s.h = nobody{}
	h.Closed(s, err)
}

// Turn implements loop.Layer.
func (s *Conn) Turn() {
	s.flags &^= flagYielded
	switch s.phase {
	case phaseHandshake:
		s.opening.stepped()
	case phaseOpen:
		s.serve()
	case phaseClosing:
		if s.opening != nil {
			s.opening.back()
		}
	case phaseHello, phaseConnecting, phaseClosed:
	}
}

// yield asks for a Turn.
func (s *Conn) yield() {
	if s.flags&flagYielded == 0 {
		s.flags |= flagYielded
		s.engine.loop.Yield(s.raw, s)
	}
}

// fail ends the connection because of e.
func (s *Conn) fail(e *Error, how loop.CloseMode) {
	if s.opening != nil {
		s.opening.end()
	}
	s.engine.counters.failed(e)
	s.phase = phaseClosing
	s.raw.Close(how, e)
}

func (s *Conn) drop(b *[]byte) {
	if *b != nil {
		s.engine.bufs.Put(*b)
		*b = nil
	}
}
