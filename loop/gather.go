package loop

const (
	gatherFrom = 4 // callbacks per flush from which waiting for the end of the round pays
	// While it does not, one of gatherProbe to 2 x gatherProbe flushes waits, to measure again. The number changes, so
	// that it does not always meet the same place in a round.
	gatherProbe = 8
)

// gatherState decides whether the flushes of gathering connections wait for the end of the round. Waiting costs a system
// call of its own and latency, so it must gather the output of several callbacks.
type gatherState struct {
	calls   uint64 // events delivered
	since   uint64 // calls when the waiting flush was asked for
	average int    // callbacks per flush, times 16
	quiet   int    // flushes until the next measurement
	random  uint32
	waiting bool
}

// shouldWait is asked when a gathering connection has output.
func (g *gatherState) shouldWait() bool {
	if !g.waiting {
		if g.average < gatherFrom*16 {
			if g.quiet--; g.quiet > 0 {
				return false
			}
			g.random = g.random*1664525 + 1013904223
			g.quiet = gatherProbe + int(g.random>>16)%gatherProbe
		}
		g.waiting = true
		g.since = g.calls
	}
	return true
}

// flushed notes that the waiting output is sent now.
func (g *gatherState) flushed() {
	if !g.waiting {
		return
	}
	g.waiting = false
	n := min(int(g.calls-g.since)+1, 1024)
	g.average += (n*16 - g.average) / 4
}

// flushGathered sends what waited for the end of the round.
func (r *Reactor) flushGathered() {
	if len(r.gathered) == 0 {
		return
	}
	r.gather.flushed()
	for i, c := range r.gathered {
		r.gathered[i] = nil
		c.flags &^= flagGathered
		c.flushSoon()
	}
	r.gathered = r.gathered[:0]
}
