package secure

// Answer makes n bytes leave as if crypto/tls had answered something.
func (s *Conn) Answer(n int) { _, _ = s.wire.Write(make([]byte, n)) }

// Counting is Inline with an account of the handshakes that have not ended.
type Counting struct{ Active int }

func (c *Counting) admit(*Engine, []byte, bool) runner {
	c.Active++
	return c
}

func (c *Counting) run(h *handshake) {
	h.step()
	h.handBack()
	if h.over {
		c.Active--
	}
}

// LendsBuffers tells whether the buffers of tls.Conn were found.
func (e *Engine) LendsBuffers() bool { return e.inputs.records >= 0 && e.inputs.messages >= 0 }

// ForgetBuffers makes e treat tls.Conn as if it had other fields.
func (e *Engine) ForgetBuffers() { e.inputs = inputs{-1, -1} }
