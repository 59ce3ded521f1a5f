package upstream

import "sync/atomic"

// A budget is a process-wide limit on things in flight. Loops take allowance from it in chunks, so that a request
// writes no cache line that another loop reads. A limit is never exceeded, and at most a quarter of it may lie unused in
// the allowances of quiet loops; a limit too small for that is counted in one place by all.
type budget struct {
	limit int64 // 0: none
	chunk int64 // 0: loops take and give one at a time
	free  atomic.Int64
}

func (b *budget) init(limit, loops int) {
	b.limit = int64(limit)
	b.chunk = int64(limit / (8 * loops))
	b.free.Store(b.limit)
}

func (b *budget) take(n int64) int64 {
	for {
		free := b.free.Load()
		if free <= 0 {
			return 0
		}
		n = min(n, free)
		if b.free.CompareAndSwap(free, free-n) {
			return n
		}
	}
}

// allowance is one loop's share of a budget.
type allowance struct {
	*budget
	have int64 // taken from the budget, not in use
	used int64 // in use
}

// reset makes b the budget: what lies unused goes back to the old one, what is in use counts against b.
func (a *allowance) reset(b *budget) {
	if a.budget == b {
		return
	}
	if a.budget != nil {
		a.free.Add(a.have)
	}
	b.free.Add(-a.used)
	*a = allowance{budget: b, used: a.used}
}

// acquire takes one; false means that the limit is reached.
func (a *allowance) acquire() bool {
	switch {
	case a.limit == 0:
	case a.chunk == 0:
		if a.take(1) == 0 {
			return false
		}
	default:
		if a.have == 0 {
			a.have = a.take(a.chunk)
		}
		if a.have == 0 {
			return false
		}
		a.have--
	}
	a.used++
	return true
}

// release gives one back.
func (a *allowance) release() {
	a.used--
	switch {
	case a.limit == 0:
	case a.chunk == 0:
		a.free.Add(1)
	default:
		if a.have++; a.have > 2*a.chunk {
			a.free.Add(a.have - a.chunk)
			a.have = a.chunk
		}
	}
}
