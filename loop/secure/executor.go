package secure

// An Executor runs the steps of handshakes: Workers, or Inline in tests.
type Executor interface {
	// admit returns who runs all steps of a new handshake of e, which begins with the records in hello (none if we begin
	// it); nil when too many are under way. With verifies the peer is to show a certificate, whose chain may take long. It is
	// called on the loop.
	admit(e *Engine, hello []byte, verifies bool) runner
}

// A runner runs steps one at a time, on one thread.
type runner interface {
	// run makes h.step be called, and h be given back to its loop afterwards. It does not wait.
	run(h *handshake)
}

// Inline runs every step where it is asked for, on the loop. Time stands still meanwhile: it is for tests.
type Inline struct{}

func (Inline) admit(*Engine, []byte, bool) runner { return Inline{} }

func (Inline) run(h *handshake) {
	h.step()
	h.handBack()
}
