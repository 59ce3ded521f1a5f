package gateway

import (
	"testing"

	"sluice/loop"
	"sluice/protocols"
)

func TestGarbageAllowed(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 12 << 20: 400, 24 << 20: 200, 48 << 20: 100, 96 << 20: 50, 1 << 30: 50} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d bytes live: %d %%, want %d", live, got, want)
		}
	}
}

// What a crowd has needed is not kept for ever: neither streams nor the storage of large heads nor buffers.
func TestFreeListsAreBounded(t *testing.T) {
	w := newRig(t, plain(toCluster, "")).g.workers[0]
	s := &session{w: w}
	give := func(n, head int) {
		streams := make([]*stream, n)
		for i := range streams {
			streams[i] = w.newStream(s, nil)
			streams[i].req.Reset()
			streams[i].req.SetPath(make([]byte, head))
			ev := protocols.Event{Kind: protocols.KindData, Data: make([]byte, 8<<10)}
			if !streams[i].answer.hold.add(w, &ev, 0) {
				t.Fatal("not held")
			}
		}
		for _, st := range streams {
			w.freeStream(st)
		}
		listed, kept := 0, 0
		for st := w.streams; st != nil; st = st.next {
			listed++
			kept += st.storage()
		}
		if listed != w.free || kept != w.kept || w.free > maxFreeStreams || w.kept > maxKept || w.active != 0 {
			t.Errorf("%d of %d: %d streams are free, with %d bytes; counted are %d and %d", n, head, listed, kept, w.free, w.kept)
		}
		if listed == 0 {
			t.Error("nothing is kept")
		}
		if w.holds.held != 0 || len(w.holds.free[1])*16<<10 > maxFreeHolds {
			t.Errorf("%d bytes are held, %d buffers are free", w.holds.held, len(w.holds.free[1]))
		}
	}
	give(maxFreeStreams+1000, 10)
	give(2000, 10<<10)
	give(10, 10)
}

// What loops keep is a part of the memory that the process may have.
func TestShares(t *testing.T) {
	for _, x := range []struct {
		memory int64
		loops  int
		want   shares
	}{
		{0, 1, shares{256 << 20, 64 << 20}},
		{0, 4, shares{256 << 20, 16 << 20}},
		{0, 64, shares{256 << 20, 4 << 20}},
		{64 << 30, 4, shares{256 << 20, 16 << 20}},
		{512 << 20, 2, shares{64 << 20, 16 << 20}},
		{64 << 20, 4, shares{8 << 20, 4 << 20}},
	} {
		if got := sharesOf(x.memory, x.loops); got != x.want {
			t.Errorf("%d bytes, %d loops: %+v, want %+v", x.memory, x.loops, got, x.want)
		}
	}
}

// The more a loop holds, the less it reads at once.
func TestReadsWhileMuchIsHeld(t *testing.T) {
	w := newRig(t, plain(toCluster, "")).g.workers[0]
	for _, tt := range []struct{ more, want int }{
		{0, loop.MaxRead}, {manyHeld - 1, loop.MaxRead}, {1, manyReads}, {mostHeld - manyHeld, mostReads}, {-1, manyReads}, {-mostHeld + 1, loop.MaxRead},
	} {
		if w.holdMore(tt.more); w.holds.reads() != tt.want {
			t.Errorf("%d bytes are held: %d at once, want %d", w.holds.held, w.holds.reads(), tt.want)
		}
	}
}
