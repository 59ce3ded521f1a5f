package secure

// An Executor runs the steps of handshakes: Workers, or Inline in tests.
type Executor interface {
	// admit returns who runs all steps of a new handshake of the loop with this index, nil when too many are under way.
	// It is called on that loop.
	admit(index int) runner
}

// A runner runs steps one at a time, on one thread.
type runner interface {
	// run makes h.step be called, and h.handBack afterwards. It does not wait.
	run(h *handshake)
}

// Inline runs every step where it is asked for, on the loop. Time stands still meanwhile: it is for tests.
type Inline struct{}

func (Inline) admit(int) runner { return Inline{} }

func (Inline) run(h *handshake) {
	h.step()
	h.handBack()
}
