package secure

import (
	"io"

	"sluice/loop"
)

// Received implements loop.Handler: b is ciphertext.
func (s *Conn) Received(_ loop.Conn, b []byte) int {
	switch s.phase {
	case phaseHello:
		return s.opening.hello(b)
	case phaseHandshake:
		return s.opening.feed(b)
	case phaseOpen:
		skip := s.skip
		s.skip = 0
		return skip + s.receive(b[skip:])
	case phaseConnecting, phaseClosing, phaseClosed:
	}
	return len(b)
}

// receive decrypts whole records and offers what is in them. What is left makes another turn: an incomplete record when
// the rest has come, others in the next Round, or when the handler has consumed something.
func (s *Conn) receive(b []byte) (used int) {
	if s.flags&flagEOF != 0 {
		return len(b) // RFC 8446, 6.1: "Any data received after a closure alert has been received MUST be ignored"
	}
	plain, used, err := s.decrypt(b)
	if len(plain) > 0 {
		s.deliver(plain)
	}
	if s.phase != phaseOpen {
		return len(b)
	}
	switch {
	case err == io.EOF: //nolint:errorlint // tls.Conn returns it as it is
		s.flags |= flagEOF
		s.tellEOF()
		return len(b)
	case err != nil:
		// tls.Conn has written the alert.
		s.fail(classify(err, false), loop.CloseLingering)
		return len(b)
	case s.control > maxControl:
		s.fail(&Error{Reason: ReasonMalformed, Err: errFlood}, loop.CloseNow)
		return len(b)
	case record(b[used:]) > 0:
		if len(s.in) < s.engine.maxUnread {
			s.raw.Resume()
		}
	case s.flags&flagFIN != 0:
		s.truncated()
	}
	return used
}

// decrypt makes plaintext of the records at the beginning of b. It is lent until the next call on any connection of
// the loop.
func (s *Conn) decrypt(b []byte) (plain []byte, used int, err error) {
	buf := s.engine.plain
	room := min(readAhead, s.engine.maxUnread-len(s.in))
	n := 0
	for count := 0; n < room && count < recordsPerTurn && err == nil; count++ {
		k := record(b[used:])
		if k == 0 {
			break
		}
		s.wire.record = b[used : used+k]
		used += k
		var m int
		m, err = s.read(buf[n:])
		n += m
		if err == (wouldBlock{}) { //nolint:errorlint // tls.Conn returns it as it is
			err = nil
		}
	}
	s.wire.record = nil
	return buf[:n], used, err
}

// deliver offers new plaintext, behind what is unconsumed, and keeps what the handler leaves.
func (s *Conn) deliver(plain []byte) {
	bufs := &s.engine.bufs
	if len(s.in) > 0 {
		if cap(s.in)-len(s.in) < len(plain) {
			s.in = bufs.Grow(s.in, len(plain))
		}
		s.in = append(s.in, plain...)
		s.offerKept()
		return
	}
	if rest := s.offer(plain); len(rest) > 0 && s.phase == phaseOpen {
		s.in = append(bufs.Get(len(rest)), rest...)
	}
	s.offered()
}

// offer gives the handler b and returns what is not consumed.
func (s *Conn) offer(b []byte) []byte {
	s.flags |= flagReceiving
	used := s.h.Received(s, b)
	s.flags &^= flagReceiving
	return b[min(max(used, 0), len(b)):]
}

// offerKept offers what is unconsumed. The buffer is held here meanwhile: it stays good if the handler closes.
func (s *Conn) offerKept() {
	b := s.in
	s.in = nil
	s.flags &^= flagResumed
	if rest := s.offer(b); len(rest) > 0 && s.phase == phaseOpen {
		s.in = b[:copy(b, rest)]
	} else {
		s.engine.bufs.Put(b)
	}
	s.offered()
}

// offered follows a call of the handler's Received: if it asked for what it left, it gets another turn.
func (s *Conn) offered() {
	if s.flags&flagResumed == 0 {
		return
	}
	if len(s.in) > 0 && s.phase == phaseOpen {
		s.yield()
	} else {
		s.flags &^= flagResumed
	}
}

// serve is what a handler that has called Resume gets.
func (s *Conn) serve() {
	if s.flags&flagPaused != 0 {
		return
	}
	if s.flags&flagResumed != 0 {
		s.flags &^= flagResumed
		full := len(s.in) >= s.engine.maxUnread
		if len(s.in) > 0 {
			s.offerKept()
		}
		if full && s.phase == phaseOpen && s.flags&flagPaused == 0 {
			s.raw.Resume() // records may have waited for room
		}
	}
	if s.phase == phaseOpen && s.flags&flagEOF != 0 {
		s.tellEOF()
	}
}

// ReadClosed implements loop.Handler: the socket has ended. Its bytes may still be waiting for a turn.
func (s *Conn) ReadClosed(_ loop.Conn, rest []byte) {
	s.flags |= flagFIN
	switch s.phase {
	case phaseHello:
		s.fail(&Error{Reason: ReasonPeerClosed, Handshake: true}, loop.CloseNow)
	case phaseHandshake:
		if !s.opening.running {
			s.fail(&Error{Reason: ReasonPeerClosed, Handshake: true}, loop.CloseNow)
		}
	case phaseOpen:
		switch {
		case s.flags&flagEOF != 0:
		case record(rest[s.skip:]) > 0:
			s.raw.Resume()
		default:
			s.truncated()
		}
	case phaseConnecting, phaseClosing, phaseClosed:
	}
}

// truncated is the end of input without close_notify.
func (s *Conn) truncated() {
	if s.flags&flagEOF == 0 {
		s.flags |= flagEOF | flagTruncated
		s.engine.counters.truncated.Add(1)
	}
	s.tellEOF()
}

// tellEOF calls ReadClosed once everything in front of the end has been offered and the handler wants input.
func (s *Conn) tellEOF() {
	if s.flags&(flagResumed|flagPaused) == flagResumed && len(s.in) > 0 {
		s.offerKept()
	}
	if s.phase == phaseOpen && s.flags&(flagPaused|flagEOFTold) == 0 {
		s.flags |= flagEOFTold
		s.h.ReadClosed(s, s.in)
	}
}

// Pause implements loop.Conn.
func (s *Conn) Pause() {
	s.flags |= flagPaused
	if s.phase == phaseOpen {
		s.raw.Pause()
	}
}

// Resume implements loop.Conn.
func (s *Conn) Resume() {
	if s.phase > phaseOpen {
		return
	}
	s.flags &^= flagPaused
	if s.phase < phaseOpen {
		return
	}
	if s.flags&flagReceiving != 0 {
		s.flags |= flagResumed // offered sees whether anything is left
	} else if len(s.in) > 0 || s.flags&(flagEOF|flagEOFTold) == flagEOF {
		s.flags |= flagResumed
		s.yield()
	}
	s.raw.Resume()
}
