package secure

// Answer makes n bytes leave as if crypto/tls had answered something.
func (s *Conn) Answer(n int) { _, _ = s.wire.Write(make([]byte, n)) }
