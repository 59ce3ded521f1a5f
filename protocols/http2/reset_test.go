package http2

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/protocols"
)

// Owners that cancel, answer early, hold back and shut down at any point never make the other end see a fault, and leave
// nothing behind.
func TestOwnersDoWhatTheyLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]int{0, 10, 3000})
		c, s := newPair(t, protocols.Limits{Window: window.Draw(t, "client's window")},
			protocols.Limits{Window: window.Draw(t, "server's window"), Streams: 5, Owed: 30_000})
		roll := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "roll") }
		for _, x := range []*side{c, s} {
			x.pauses = func() bool { return roll(3) == 0 }
		}
		s.opened = func(f *flow, _ *protocols.Header) {
			if roll(4) == 0 { // early, perhaps before the request is complete
				s.answer(f, answerHeader(403), true)
			}
		}
		for now := range rapid.IntRange(5, 60).Draw(t, "steps") {
			act(t, c, s, roll)
			if err := c.pump(time.Duration(now)*time.Millisecond, rapid.SampledFrom([]int{7, 100, 1 << 20}).Draw(t, "pieces")); err != nil {
				t.Fatal(err)
			}
			for _, f := range c.flows {
				if f.ended && !f.sent && f.reset == 0 { // the rest of the request is not wanted
					cancel(c, f)
				}
			}
		}
		for _, x := range []*side{c, s} {
			for _, f := range x.flows {
				cancel(x, f)
			}
		}
		if err := c.pump(time.Second, 1<<20); err != nil {
			t.Fatal(err)
		}
		for name, x := range map[string]*side{"client": c, "server": s} {
			if x.env.Owed != 0 || x.codec.owed != 0 || x.codec.streams.n != 0 || x.codec.queue != nil {
				t.Fatalf("%s: left are %d owed, %d streams, queue %v", name, x.env.Owed, x.codec.streams.n, x.codec.queue)
			}
			if k := x.codec; k.recv+k.unsaid != k.connWindow() && k.recv+k.unsaid != firstWindow {
				t.Fatalf("%s: of the connection's window %d are missing", name, k.connWindow()-k.recv-k.unsaid)
			}
		}
	})
}

// act does something to one of the streams.
func act(t *rapid.T, c, s *side, roll func(int) int) {
	if roll(3) == 0 && c.codec.Status().Room > 0 {
		f := c.request(requestHeader("POST", "/"), false)
		f.send, f.sendEnd = make([]byte, roll(20_000)), roll(2) == 0
		c.push(f)
		return
	}
	x := []*side{c, s}[roll(2)]
	ids := slices.Sorted(maps.Keys(x.flows))
	if len(ids) == 0 {
		return
	}
	f := x.flows[ids[roll(len(ids))]]
	if x.codec.streams.get(uint32(f.id)) == nil {
		return
	}
	switch roll(5) {
	case 0:
		cancel(x, f)
	case 1:
		if x == s && x.codec.streams.get(uint32(f.id)).out == progressHead {
			x.answer(f, answerHeader(200), false)
		}
	case 2:
		if x == s && x.codec.streams.get(uint32(f.id)).out == progressBody && !f.sendEnd {
			f.send, f.sendEnd = append(f.send, make([]byte, roll(20_000))...), true
			x.push(f)
		}
	case 3:
		if f.paused > 0 {
			x.credit(f, f.paused)
		}
	case 4:
		if roll(10) == 0 {
			if _, err := x.encode(protocols.Event{Kind: protocols.KindGoAway}); err != nil {
				t.Fatal(fmt.Errorf("goaway: %w", err))
			}
		}
	}
}

// cancel resets a stream that may be over already.
func cancel(x *side, f *flow) {
	if f.reset == 0 {
		f.reset = protocols.NumReasons
		if _, err := x.encode(protocols.Event{Kind: protocols.KindReset, Stream: f.id}); err != nil {
			x.test.Fatalf("reset: %v", err)
		}
	}
}
