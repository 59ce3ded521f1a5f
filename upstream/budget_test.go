package upstream

import (
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// TestBudgetIsNeverExceeded lets loops take and give in any order and checks the sum against the limit.
func TestBudgetIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loops := rapid.IntRange(1, 8).Draw(t, "loops")
		limit := rapid.IntRange(1, 200).Draw(t, "limit")
		b := new(budget)
		b.init(limit, loops)
		shares := make([]allowance, loops)
		for i := range shares {
			shares[i].reset(b)
		}
		total := 0
		for range rapid.IntRange(1, 2000).Draw(t, "steps") {
			s := &shares[rapid.IntRange(0, loops-1).Draw(t, "loop")]
			if rapid.Bool().Draw(t, "take") {
				if s.acquire() {
					total++
				}
			} else if s.used > 0 {
				s.release()
				total--
			}
			if total > limit {
				t.Fatalf("%d in use, limit %d", total, limit)
			}
		}
		// One loop alone can use at least three quarters of the limit, whatever the others have hoarded.
		for i := range shares {
			for shares[i].used > 0 {
				shares[i].release()
			}
		}
		got := 0
		for shares[0].acquire() {
			got++
		}
		if got < limit*3/4 {
			t.Fatalf("one loop got %d of %d", got, limit)
		}
	})
}

func TestNewLimitCountsWhatIsInUse(t *testing.T) {
	small, large := new(budget), new(budget)
	large.init(100, 1)
	small.init(2, 1)
	var a allowance
	a.reset(large)
	for range 3 {
		a.acquire()
	}
	a.reset(small)
	if a.acquire() {
		t.Error("three are in use, the limit is two")
	}
	a.release()
	a.release()
	if !a.acquire() {
		t.Error("one is in use, the limit is two")
	}
}

func TestStarvingLoopsAreWokenOnce(t *testing.T) {
	e := &Endpoint{conns: atomic.Int64{}}
	if !e.starve(3) || e.starve(3) || !e.starve(5) {
		t.Error("starve reports whether the loop was not known to wait")
	}
	e.starve(60)
	if !e.starvesElsewhere(3) {
		t.Error("5 and 60 wait elsewhere")
	}
	var got []int
	for i, ok := e.takeStarving(3); ok; i, ok = e.takeStarving(3) {
		got = append(got, i)
	}
	if want := []int{5, 60, 3}; !slices.Equal(got, want) {
		t.Errorf("woken: %v, want %v: the others in turn, oneself last", got, want)
	}
	e.starve(3)
	if e.starvesElsewhere(3) {
		t.Error("nobody waits elsewhere")
	}
	if e.sated(3); e.starved.Load() != 0 {
		t.Error("nobody waits")
	}
}

func TestConnectionLimitIsExact(t *testing.T) {
	e := &Endpoint{}
	for i, want := range []bool{true, true, false, false} {
		if got := e.takeConn(2); got != want {
			t.Errorf("connection %d: %v, want %v", i, got, want)
		}
	}
	if e.dropConn(); e.Connections() != 1 || !e.takeConn(2) || !e.takeConn(0) {
		t.Errorf("%d connections, the limit is 2, or none", e.Connections())
	}
}
