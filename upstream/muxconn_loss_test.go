package upstream

import (
	"slices"
	"testing"
	"time"

	"sluice/loop/looptest"
)

func TestGoAway(t *testing.T) {
	r := newRig(t, rigConfig())
	calls := r.calls(4)
	s := r.server(0)
	retry := &call{}
	retry.prepare(r)
	calls[3].onLost = retry.acquire // inside Decode
	s.send(frameGoAway, 0, 0, number(3))
	r.l.Run()
	want(t, calls[:2], "leased")
	want(t, calls[2:], "lost upstream_reset unprocessed=true answered=false")
	r.wantServers(2)
	want(t, []*call{retry, r.call()}, "leased")
	if ids := r.server(1).streams(); len(ids) != 2 {
		t.Errorf("%d streams on the new connection, want 2", len(ids))
	}
	if s.Closed() {
		t.Fatal("the connection was closed while streams were open")
	}
	s.answer(1)
	s.answer(3)
	want(t, calls[:2], "done")
	if !s.Closed() {
		t.Error("the connection is still open after its last stream")
	}
	r.server(1).answer(1, 3)
	r.checkIdle()
}

// TestGoAwayServesThoseThatWait: a connection that drains makes no room for anybody.
func TestGoAwayServesThoseThatWait(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	r.wire.room = 1
	calls := r.calls(2)
	r.server(0).send(frameGoAway, 0, 0, number(1))
	r.l.Run()
	r.wantServers(1)
	want(t, calls[1:], "waits")
	r.server(0).answer(1)
	r.wantServers(2)
	want(t, calls[1:], "leased")
	r.server(1).answer(1)
	r.checkIdle()
}

func TestResets(t *testing.T) {
	r := newRig(t, rigConfig())
	calls := r.calls(3)
	s := r.server(0)
	s.send(frameReset, flagUnprocessed, 1, nil)
	s.send(frameHead, 0, 3, nil)
	s.send(frameReset, 0, 3, nil)
	s.send(frameHead, flagEnd, 3, nil) // late: nobody's
	r.l.Run()
	want(t, calls[:1], "lost upstream_reset unprocessed=true answered=false")
	want(t, calls[1:2], "lost upstream_reset unprocessed=false answered=true")
	want(t, calls[2:], "leased")
	s.answer(5)
	want(t, calls[2:], "done")
	r.checkIdle()
}

func TestAbortOfOneStream(t *testing.T) {
	r := newRig(t, rigConfig())
	calls := r.calls(3)
	s := r.server(0)
	s.streams()
	r.l.Do(calls[1].abort)
	if got := s.frames(); !slices.Equal(got, []frame{{frameReset, 0, 3, ""}}) {
		t.Errorf("the server got %v", got)
	}
	s.answer(3) // late
	s.answer(1, 5)
	want(t, []*call{calls[0], calls[2]}, "done")
	want(t, calls[1:2], "aborted")
	if s.Closed() {
		t.Error("the connection was closed for one stream")
	}
	r.checkIdle()
}

// TestEndsInsideOtherStreams releases, aborts and acquires inside the callbacks of another stream of the same connection.
func TestEndsInsideOtherStreams(t *testing.T) {
	r := newRig(t, rigConfig())
	calls := r.calls(5)
	s := r.server(0)
	s.streams()
	next := &call{}
	next.prepare(r)
	calls[0].onEvent = func() {
		calls[0].onEvent = nil
		calls[1].abort()
		calls[2].release() // both of its directions are over, as far as its owner is concerned
		next.acquire()
	}
	calls[3].onLost = func() { calls[4].abort() }
	s.send(frameHead, 0, 1, nil)
	s.send(frameHead, flagEnd, 3, nil)
	s.send(frameReset, 0, 7, nil)
	r.l.Run()
	want(t, calls[1:2], "aborted")
	want(t, calls[4:], "aborted")
	want(t, []*call{calls[0], next}, "leased")
	if next.lease.Conn() != calls[0].lease.Conn() {
		t.Error("the new stream has another connection")
	}
	var resets []uint32
	for _, f := range s.frames() {
		if f.kind == frameReset {
			resets = append(resets, f.stream)
		}
	}
	if !slices.Equal(resets, []uint32{3, 9}) {
		t.Errorf("the server got resets of %v, want [3 9]", resets)
	}
	s.send(frameData, flagEnd, 1, nil)
	s.answer(11)
	want(t, []*call{calls[0], next}, "done")
	r.checkIdle()
}

// TestReadyThatFails: a request that gives its stream up at once makes way for the next, however many do so.
func TestReadyThatFails(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	r.wire.room = 1
	calls := r.calls(1000)
	for _, c := range calls[1:999] {
		c.onReady = c.abort
	}
	r.server(0).answer(1)
	want(t, calls[1:999], "aborted")
	want(t, calls[999:], "leased")
	r.server(0).answer(3)
	want(t, calls[999:], "done")
	r.checkIdle()
}

func TestLossOfAConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		how    func(*server)
		reason string
		closed string
	}{
		{"reset", func(s *server) { s.Reset() }, "", "remote=true busy=true"},
		{"close", func(s *server) { s.Close() }, "", "remote=true busy=true"},
		{"garbage", func(s *server) { s.send('?', 0, 0, nil) }, "upstream_protocol_error", "remote=false busy=true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, rigConfig())
			calls := r.calls(50)
			s := r.server(0)
			s.send(frameHead, 0, 1, nil)
			r.l.Run()
			retries := 0
			for _, o := range calls {
				o.onLost = func() { // every one comes back at once
					retries++
					again := &call{}
					again.prepare(r)
					again.acquire()
				}
			}
			c.how(s)
			r.l.Run()
			cut, reset := "upstream_cut", "upstream_reset"
			if c.reason != "" {
				cut, reset = c.reason, c.reason
			}
			want(t, calls[:1], "lost "+cut+" unprocessed=false answered=true")
			want(t, calls[1:], "lost "+reset+" unprocessed=false answered=false")
			if len(r.closes) != 1 || r.closes[0] != c.closed {
				t.Errorf("closed: %v, want %s", r.closes, c.closed)
			}
			r.wantServers(2)
			ids := r.server(1).streams()
			if retries != 50 || len(ids) != 50 {
				t.Errorf("%d retries, %d streams on the new connection", retries, len(ids))
			}
			r.server(1).answer(ids...)
			r.checkIdle()
		})
	}
}

// TestEncodeThatEndsTheConnection: the others hear of it, but not from inside that call.
func TestEncodeThatEndsTheConnection(t *testing.T) {
	r := newRig(t, rigConfig())
	calls := r.calls(3)
	r.wire.codecs[0].fatal = true
	inside := false
	calls[1].onLost = func() {
		if inside {
			t.Error("a loss is told from inside another stream's Encode")
		}
	}
	failing := &call{}
	failing.prepare(r)
	r.l.Do(func() {
		inside = true
		failing.acquire()
		inside = false
	})
	want(t, []*call{failing}, "aborted")
	want(t, calls, "lost upstream_reset unprocessed=false answered=false")
	if !r.server(0).Closed() {
		t.Error("the connection is open")
	}
	r.checkIdle()
}

func TestDialFails(t *testing.T) {
	r := newRig(t, rigConfig())
	r.l.Hang(looptest.Addr("10.0.0.1", 80))
	calls := r.calls(150)
	if n := len(r.l.Dials()); n != 2 {
		t.Fatalf("%d dials, want 2", n)
	}
	r.l.Advance(11 * time.Second)
	want(t, calls, "failed connect_timeout")
	if n := len(r.l.Dials()); n != 2 || r.failed != 2 {
		t.Errorf("%d dials, %d failed, want 2", n, r.failed)
	}
	r.l.FailDial(looptest.Addr("10.0.0.1", 80), 101, true)
	want(t, r.calls(2), "failed connect_failed")
	r.checkIdle()
}

func TestTooManyWait(t *testing.T) {
	r := newRig(t, rigConfig())
	r.l.Hang(looptest.Addr("10.0.0.1", 80))
	r.l.Do(func() {
		for range maxWaitingStreams {
			c := &call{}
			c.prepare(r)
			c.acquire()
		}
	})
	want(t, []*call{r.call()}, "refused overflow")
	if n := len(r.l.Dials()); n != (maxWaitingStreams+99)/100 {
		t.Errorf("%d dials", n)
	}
	r.l.Advance(11 * time.Second)
	r.checkIdle()
}

// max_pending_requests counts the requests that wait, on all loops, and takes the place of the limit for each endpoint and loop.
func TestPendingLimit(t *testing.T) {
	for limit, loops := range map[int][]*looptest.Loop{
		3: {looptest.New(t), looptest.New(t, looptest.WithIndex(1))}, maxWaitingStreams + 10: {looptest.New(t)},
	} {
		cfg := rigConfig()
		cfg.Limits.Pending = limit
		r := newRig(t, cfg, loops...)
		for _, l := range loops {
			l.Hang(looptest.Addr("10.0.0.1", 80))
		}
		state := func(i int) string {
			c := &call{l: loops[i]}
			c.prepare(r)
			c.l.Do(c.acquire)
			return c.state()
		}
		waits := state(0)
		for i := 1; i < limit; i++ {
			if got := state(i % len(loops)); got != waits {
				t.Fatalf("limit %d: request %d is %s", limit, i, got)
			}
		}
		for i := range loops {
			if got := state(i); got != "refused overflow" {
				t.Errorf("limit %d: one more on loop %d is %s", limit, i, got)
			}
		}
		for _, l := range loops {
			l.Advance(11 * time.Second) // the connects have timed out
		}
		if got := state(len(loops) - 1); got != waits {
			t.Errorf("limit %d: when none waits, one more is %s", limit, got)
		}
		for _, l := range loops {
			l.Advance(11 * time.Second)
		}
		r.checkIdle()
	}
}
