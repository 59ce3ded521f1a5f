package upstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/loop"
	"sluice/protocols"
)

func TestStreamsShareAConnection(t *testing.T) {
	r := newRig(t, rigConfig())
	calls := r.calls(100)
	r.wantServers(1)
	s := r.server(0)
	ids := s.streams()
	if len(ids) != 100 {
		t.Fatalf("%d streams were opened, want 100", len(ids))
	}
	s.send(frameHead, 0, ids[7], nil)
	s.send(frameHead, flagEnd, ids[3], nil)
	s.send(frameData, flagEnd, ids[7], []byte("seven"))
	r.l.Run()
	if calls[7].got != "Hseven." || calls[3].got != "H." {
		t.Errorf("call 7 got %q, call 3 %q", calls[7].got, calls[3].got)
	}
	want(t, []*call{calls[3], calls[7]}, "done")
	want(t, calls[8:], "leased")
	if calls[0].lease.Reused() || !calls[0].lease.Multiplexed() {
		t.Error("the first stream of a connection is not the first")
	}
	s.answer(ids...)
	want(t, calls, "done")
	again := r.call()
	if !again.lease.Reused() {
		t.Error("a later stream does not know that it is one")
	}
	s.answer(s.streams()...)
	r.wantServers(1)
	r.checkIdle()
	if got := r.closes; !slices.Equal(got, []string{"remote=false busy=false"}) {
		t.Errorf("closed: %v", got)
	}
	if r.wire.closed != 1 {
		t.Errorf("%d codecs were told that their connection is over, want 1", r.wire.closed)
	}
}

func TestRequestsWaitForRoom(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	r.wire.room = 2
	calls := r.calls(5)
	s := r.server(0)
	want(t, calls[:2], "leased")
	want(t, calls[2:], "waits")
	// Room that comes back goes to whoever has waited longest, in the callback that brings it.
	ids := s.streams()
	s.answer(ids[1])
	want(t, calls[2:3], "leased")
	want(t, calls[3:], "waits")
	r.l.Do(calls[0].abort)
	want(t, calls[3:4], "leased")
	r.l.Do(calls[4].wait.Cancel)
	calls[4].wait = nil
	// One that comes when nobody waits any more gets the room at once.
	s.answer(s.streams()[0])
	last := r.call()
	want(t, []*call{last}, "leased")
	s.answer(s.streams()...)
	s.answer(5, 7, 9)
	want(t, []*call{calls[2], calls[3], last}, "done")
	r.wantServers(1)
	r.checkIdle()
}

// TestNewcomersDoNotPassWaitingRequests asks for a stream while room is there that others wait for.
func TestNewcomersDoNotPassWaitingRequests(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	r.wire.room = 1
	calls := r.calls(2)
	newcomer := &call{}
	newcomer.prepare(r)
	calls[0].onEvent = func() {
		calls[0].release()
		newcomer.acquire()
	}
	r.server(0).answer(1)
	want(t, calls[1:], "leased")
	want(t, []*call{newcomer}, "waits")
	r.server(0).answer(3)
	r.server(0).answer(5)
	want(t, []*call{calls[1], newcomer}, "done")
	r.checkIdle()
}

// TestDials counts the connections that are made for requests that come together.
func TestDials(t *testing.T) {
	for _, c := range []struct {
		calls, room, most, limit int
		dials, leased            int
	}{
		{calls: 1, room: 100, dials: 1, leased: 1},
		{calls: 100, room: 100, dials: 1, leased: 100},
		{calls: 101, room: 100, dials: 2, leased: 101},
		{calls: 250, room: 100, dials: 3, leased: 250},
		{calls: 250, room: 100, limit: 2, dials: 2, leased: 200},
		{calls: 30, room: 100, most: 10, dials: 3, leased: 30},
		{calls: 30, room: 100, most: 10, limit: 1, dials: 1, leased: 10},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			cfg := rigConfig()
			cfg.Limits.Connections, cfg.Multiplex.MaxStreams = c.limit, c.most
			r := newRig(t, cfg)
			r.wire.room = c.room
			all := make([]*call, c.calls)
			r.l.Do(func() {
				for i := range all {
					all[i] = &call{}
					all[i].prepare(r)
					all[i].acquire()
				}
			})
			if n := len(r.l.Dials()); n != c.dials {
				t.Errorf("%d dials, want %d", n, c.dials)
			}
			leased := 0
			for _, c := range all {
				if c.lease != nil {
					leased++
				}
			}
			if leased != c.leased {
				t.Errorf("%d streams were opened, want %d", leased, c.leased)
			}
			for done := 0; done < c.calls; {
				before := done
				for _, s := range r.servers {
					ids := s.streams()
					s.answer(ids...)
					done += len(ids)
				}
				if done == before {
					t.Fatalf("%d of %d requests were answered, then nothing more happens", done, c.calls)
				}
			}
			want(t, all, "done")
			r.checkIdle()
		})
	}
}

// TestWhatThePeerAllowedDecidesDials: the second time it is known how much a connection carries.
func TestWhatThePeerAllowedDecidesDials(t *testing.T) {
	r := newRig(t, rigConfig())
	r.call()
	r.server(0).send(frameSettings, 0, 0, number(5))
	r.server(0).answer(1)
	calls := r.calls(5)
	want(t, calls, "leased")
	more := r.calls(11)
	want(t, more, "leased")
	r.wantServers(1 + 3)
	for i, n := range []int{5, 5, 1} {
		if got := len(r.server(1 + i).streams()); got != n {
			t.Errorf("connection %d got %d streams at once, want %d", 1+i, got, n)
		}
	}
}

// TestAPeerThatAllowsNothing is not dialled again and again.
func TestAPeerThatAllowsNothing(t *testing.T) {
	r := newRig(t, rigConfig())
	r.wire.room = 0
	calls := r.calls(150)
	want(t, calls, "waits")
	r.wantServers(2)
	for i := range 2 {
		r.server(i).send(frameSettings, 0, 0, number(0))
	}
	r.l.Run()
	r.wantServers(2)
	r.server(1).send(frameSettings, 0, 0, number(149))
	r.l.Run()
	want(t, calls[:149], "leased")
	want(t, calls[149:], "waits")
	// The first has never carried anything. When it ends, so does what waited for it.
	r.server(0).Close()
	r.l.Run()
	want(t, calls[149:], "failed connect_failed")
	r.wantServers(2)
	r.server(1).answer(r.server(1).streams()...)
	want(t, calls[:149], "done")
	r.checkIdle()
}

// TestLessRoomThanStreams: a peer may allow fewer streams than are open (RFC 9113, 6.5.2).
func TestLessRoomThanStreams(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	calls := r.calls(4)
	s := r.server(0)
	s.send(frameSettings, 0, 0, number(2))
	r.l.Run()
	late := r.call()
	want(t, []*call{late}, "waits")
	s.answer(1)
	s.answer(3)
	want(t, []*call{late}, "waits")
	s.answer(5)
	want(t, []*call{late}, "leased")
	s.answer(7)
	s.answer(9)
	want(t, append(calls, late), "done")
	r.checkIdle()
}

func TestFlowControl(t *testing.T) {
	r := newRig(t, rigConfig())
	r.wire.window = 3
	c := r.start(&call{body: "0123456789"})
	s := r.server(0)
	if got := s.frames(); !slices.Equal(got, []frame{{frameHead, 0, 1, ""}, {frameData, 0, 1, "012"}}) {
		t.Fatalf("the server got %v", got)
	}
	s.send(frameCredit, 0, 1, number(4))
	r.l.Run()
	s.send(frameCredit, 0, 1, number(9))
	r.l.Run()
	if got := s.frames(); !slices.Equal(got, []frame{{frameData, 0, 1, "3456"}, {frameData, flagEnd, 1, "789"}}) {
		t.Errorf("the server got %v", got)
	}
	if c.drained != 2 {
		t.Errorf("drained %d times, want 2", c.drained)
	}
	// The other direction: what is held is returned in pieces.
	c.verdict = protocols.Pause
	s.send(frameHead, 0, 1, nil)
	s.send(frameData, 0, 1, []byte("abc"))
	r.l.Do(func() { c.lease.Pause() })
	r.l.Do(func() {
		c.lease.Resume(2)
		c.lease.Resume(0)
		c.lease.Resume(1)
		c.lease.CloseWrite()
	})
	if got := s.frames(); !slices.Equal(got, []frame{{frameCredit, 0, 1, string(number(2))}, {frameCredit, 0, 1, string(number(1))}}) {
		t.Errorf("the server got %v", got)
	}
	s.send(frameData, flagEnd, 1, nil)
	r.l.Run()
	want(t, []*call{c}, "done")
	r.checkIdle()
}

// TestTurns: a server that does not read stops all uploads, and they go on by turns when it does.
func TestTurns(t *testing.T) {
	r := newRig(t, rigConfig())
	first := r.call()
	s := r.server(0)
	s.Window(0)
	var calls []*call
	for range 4 {
		calls = append(calls, r.start(&call{body: strings.Repeat("x", 100<<10)}))
	}
	if n := first.lease.Buffered(); n < loop.HighWater || n > loop.HighWater+128<<10 {
		t.Errorf("%d bytes are buffered", n)
	}
	s.Window(-1)
	r.l.Run()
	for i, c := range calls {
		if c.body != "" {
			t.Errorf("%d bytes of body %d are left", len(c.body), i)
		}
	}
	if total := s.Total(); total < 400<<10 {
		t.Errorf("the server got %d bytes", total)
	}
	s.answer(1, 3, 5, 7, 9)
	want(t, append(calls, first), "done")
	r.checkIdle()
}

// TestBacklog: a connection whose peer does not even take heads gets no more of them.
func TestBacklog(t *testing.T) {
	r := newRig(t, rigConfig())
	r.call()
	s := r.server(0)
	s.send(frameSettings, 0, 0, number(1<<20))
	r.l.Run()
	s.Window(0)
	for range 30000 {
		r.call()
		if len(r.servers) > 1 {
			break
		}
	}
	r.wantServers(2)
	s.Window(-1)
	r.l.Run()
	ids := s.streams()
	if n := len(ids); n < maxBacklog/frameLen {
		t.Errorf("the first connection got %d streams", n)
	}
	s.answer(ids...)
	r.server(1).answer(r.server(1).streams()...)
	r.checkIdle()
}
