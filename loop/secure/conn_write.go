package secure

import (
	"unsafe"

	"sluice/loop"
)

// overhead is the most that a record adds to its plaintext in TLS 1.2 and 1.3, CBC's explicit nonce, padding and MAC
// included.
const overhead = 128

// Buffered implements loop.Conn: plaintext that is gathered, and ciphertext that the kernel has not taken.
func (s *Conn) Buffered() int {
	return len(s.out) + s.raw.Buffered()
}

// Reserve implements loop.Conn. What it returns is what is not encrypted yet.
func (s *Conn) Reserve(n int) []byte {
	switch {
	case s.out == nil:
		s.out = s.engine.bufs.Get(n)
	case cap(s.out)-len(s.out) < n:
		s.out = s.engine.bufs.Grow(s.out, n)
	}
	return s.out
}

// Commit implements loop.Conn.
func (s *Conn) Commit(b []byte) {
	if !s.sending() {
		s.drop(&s.out)
		return
	}
	if s.out != nil && unsafe.SliceData(b) != unsafe.SliceData(s.out) {
		s.engine.bufs.Put(s.out)
	}
	s.out = b
	s.wrote()
}

// Write implements loop.Conn: what fills records is encrypted from where it lies.
func (s *Conn) Write(b []byte) {
	if len(b) == 0 || !s.sending() {
		return
	}
	if s.phase == phaseOpen && len(s.out)+len(b) >= maxPlain {
		if n := maxPlain - len(s.out); n < maxPlain {
			s.out = append(s.Reserve(n), b[:n]...)
			s.encrypt(s.out)
			s.out = s.out[:0]
			b = b[n:]
		}
		if n := len(b) / maxPlain * maxPlain; n > 0 {
			s.encrypt(b[:n])
			b = b[n:]
		}
	}
	s.Commit(append(s.Reserve(len(b)), b...))
}

// Full implements loop.Conn. What is gathered is no more than a record; the socket has the rest.
func (s *Conn) Full() bool { return s.raw.Full() }

// sending reports whether output is still accepted.
func (s *Conn) sending() bool { return s.phase <= phaseOpen && s.flags&flagShut == 0 }

// wrote is called when output was added. It is encrypted when the batch ends; earlier, when it fills a record, and when
// it is the reason that Buffered is above HighWater, because only the socket tells when it has fallen again.
func (s *Conn) wrote() {
	if s.phase != phaseOpen {
		return // when the handshake is done
	}
	if n := len(s.out) / maxPlain * maxPlain; n > 0 {
		s.encrypt(s.out[:n])
		s.out = s.out[:copy(s.out, s.out[n:])]
	}
	switch {
	case len(s.out) == 0:
		s.drop(&s.out)
	case s.Buffered() > loop.HighWater:
		s.Gathered()
	default:
		s.gather()
	}
}

// gather asks for Gathered.
func (s *Conn) gather() {
	if s.flags&flagGathering == 0 {
		s.flags |= flagGathering
		s.engine.loop.Gather(s.raw, s)
	}
}

// Gathered implements loop.Layer.
func (s *Conn) Gathered() {
	s.flags &^= flagGathering
	if s.phase == phaseOpen && len(s.out) > 0 {
		s.encrypt(s.out)
		s.drop(&s.out)
	}
}

// encrypt gives the socket b as records. An error means that the connection has ended; input tells of it.
func (s *Conn) encrypt(b []byte) {
	records := len(b)/maxPlain + 1
	s.wire.out = s.raw.Reserve(len(b) + records*overhead)
	_, _ = s.tls.Write(b)
	out := s.wire.out
	s.wire.out = nil
	s.raw.Commit(out)
}

// answer sends what tls.Conn writes of its own accord.
func (s *Conn) answer(b []byte) {
	if s.raw.Buffered() == 0 {
		s.control = 0
	}
	s.control += len(b)
	s.raw.Commit(append(s.raw.Reserve(len(b)), b...))
}

// CloseWrite implements loop.Conn: close_notify, and then a FIN.
func (s *Conn) CloseWrite() {
	if s.phase > phaseOpen || s.flags&flagShut != 0 {
		return
	}
	s.shut()
	if s.phase == phaseOpen {
		s.raw.CloseWrite()
	}
}

// shut sends what is gathered and close_notify.
func (s *Conn) shut() {
	if s.phase == phaseOpen && s.flags&flagShut == 0 {
		s.flags &^= flagGathering
		s.Gathered()
		_ = s.tls.CloseWrite()
	}
	s.flags |= flagShut
}

// Close implements loop.Conn. The modes that send what is buffered send close_notify behind it.
func (s *Conn) Close(how loop.CloseMode, err error) {
	if s.phase == phaseOpen && how <= loop.CloseFlushed {
		s.shut()
	}
	if s.phase < phaseClosing {
		s.phase = phaseClosing
	}
	s.raw.Close(how, err)
}
