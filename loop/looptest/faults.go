package looptest

import (
	"math/rand/v2"
	"syscall"
)

// Faults are what goes wrong, each with a probability between 0 and 1.
type Faults struct {
	ShortRead  float64 // a read gives only a part of what is there
	ShortWrite float64 // a write takes only a part
	Again      float64 // a read or write finds nothing to do (EAGAIN) although the poller said otherwise
	Reset      float64 // in each batch of events: one connection is reset
	Cut        float64 // in each batch of events: one peer closes
}

// Inject makes f happen from now on, decided by seed; the zero Faults end it. The order of events within a batch is
// shuffled too.
func (l *Loop) Inject(seed uint64, f Faults) {
	l.sys.faults = f
	l.sys.rng = rand.New(rand.NewPCG(seed, 0))
	if f == (Faults{}) {
		l.sys.rng = nil
	}
}

func (s *system) happens(p float64) bool { return p > 0 && s.rng != nil && s.rng.Float64() < p }

func (s *system) injectFaults() {
	if s.rng == nil {
		return
	}
	if s.happens(s.faults.Reset) {
		if k := s.anySocket(); k != nil {
			k.state, k.errno, k.changed = broken, syscall.ECONNRESET, true
		}
	}
	if s.happens(s.faults.Cut) {
		if k := s.anySocket(); k != nil {
			k.peer.Close()
		}
	}
}

func (s *system) anySocket() *socket {
	n := len(s.sockets)
	for i, at := 0, s.rng.IntN(n); i < n; i++ {
		if k := s.sockets[(at+i)%n]; k != nil && k.state == established {
			return k
		}
	}
	return nil
}

// readLimit is how much of n waiting bytes a read may give.
func (s *system) readLimit(n int) int {
	return s.limit(n, s.reads, s.faults.ShortRead)
}

// writeLimit is how much of n bytes a write may take.
func (s *system) writeLimit(n int) int {
	return s.limit(n, s.writes, s.faults.ShortWrite)
}

// limit is n, or most if that is not 0 and less, or something shorter if fate will have it.
func (s *system) limit(n, most int, short float64) int {
	if s.happens(s.faults.Again) {
		return 0
	}
	if most > 0 {
		n = min(n, most)
	}
	if n > 1 && s.happens(short) {
		n = 1 + s.rng.IntN(n-1)
	}
	return n
}
