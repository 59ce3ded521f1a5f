package http2

import (
	"testing"

	"pgregory.net/rapid"

	"sluice/protocols"
)

// The table holds what a map would, whatever comes and goes.
func TestTableIsAMap(t *testing.T) {
	l := new(shared)
	rapid.Check(t, func(t *rapid.T) {
		var x table
		want := map[uint32]*stream{}
		next := rapid.SampledFrom([]uint32{1, 101, maxStream - 400}).Draw(t, "first")
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			if len(want) == 0 || rapid.IntRange(0, 2).Draw(t, "add") > 0 {
				s := l.stream()
				s.id = next
				next += 2 * rapid.Uint32Range(1, 2).Draw(t, "gap")
				x.add(s, l)
				want[s.id] = s
			} else {
				ids := make([]uint32, 0, len(want))
				for id := uint32(1); id < next && len(ids) < len(want); id += 2 {
					if want[id] != nil {
						ids = append(ids, id)
					}
					if id == 1 && next > maxStream-1000 {
						id = maxStream - 402
					}
				}
				id := rapid.SampledFrom(ids).Draw(t, "remove")
				x.remove(want[id], l)
				l.dropStream(want[id])
				delete(want, id)
			}
			if x.n != len(want) {
				t.Fatalf("%d streams, want %d", x.n, len(want))
			}
			for id, s := range want {
				if x.get(id) != s {
					t.Fatalf("stream %d is not found", id)
				}
			}
			if x.get(next) != nil || x.get(next-1) != nil || len(want) == 0 && x.slots != nil {
				t.Fatalf("there is a stream that nobody has added, or a table without streams")
			}
		}
	})
}

func TestFates(t *testing.T) {
	var f fates
	f.open(1)
	f.set(1, fateClosed)
	f.open(7)
	f.set(7, fateResetHere)
	for id, want := range map[uint32]fate{1: fateClosed, 3: fateSkipped, 5: fateSkipped, 7: fateResetHere} {
		if got := f.of(id); got != want {
			t.Errorf("stream %d: %d, want %d", id, got, want)
		}
	}
	for id := uint32(9); id < 7+2*fateCount; id += 2 {
		f.open(id)
		f.set(id, fateResetThere)
	}
	if f.of(7) != fateResetHere || f.of(5) != fateForgotten || f.of(9) != fateResetThere {
		t.Errorf("%d, %d, %d", f.of(7), f.of(5), f.of(9))
	}
	f.set(5, fateClosed) // too old to be remembered, and no other stream's business
	if f.of(5+2*fateCount) != fateResetThere {
		t.Errorf("an old stream's fate became a new one's: %d", f.of(5+2*fateCount))
	}
	f.open(100_001)
	if f.of(99_999) != fateSkipped || f.of(99_001) != fateForgotten {
		t.Errorf("%d, %d", f.of(99_999), f.of(99_001))
	}
}

// Rules are complete: each has a text, and none is written about a client at a client.
func TestRules(t *testing.T) {
	for r := ruleOK + 1; r < numRules; r++ {
		if ruleTable[r].detail == "" || ruleTable[r].reason == protocols.ReasonNone {
			t.Errorf("rule %d says nothing", r)
		}
		switch upstreamFaults[r].Reason {
		case protocols.ReasonUpstreamProtocol, protocols.ReasonUpstreamHeadTooLarge, protocols.ReasonUpstreamReset,
			protocols.ReasonOverflow, protocols.ReasonUpstreamSilent:
		default:
			t.Errorf("rule %d is called %v at a client", r, upstreamFaults[r].Reason)
		}
	}
}
