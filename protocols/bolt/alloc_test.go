//go:build !race

package bolt

import (
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// Exchanges of every kind, with both codecs, allocate nothing.
func TestNoAllocationPerExchange(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(q, a *wire)
	}{
		{"version 1", func(*wire, *wire) {}},
		{"version 2", func(q, a *wire) { q.v2, a.v2 = true, true }},
		{"CRC32", func(q, a *wire) { q.sum, a.v2 = true, true }},
		{"another version", func(q, _ *wire) { q.v2 = true }},
		{"no content", func(q, a *wire) { q.content, a.content = "", "" }},
		{"long", func(q, a *wire) { q.content, a.content = strings.Repeat("x", 60000), strings.Repeat("x", 60000) }},
	} {
		r := newRelay()
		q, a := request(7), answer(7)
		c.change(&q, &a)
		in, back := q.bytes(), a.bytes()
		if allocs := testing.AllocsPerRun(2, func() {
			for range 1000 {
				r.Exchange(t, in, back, address)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations in 1000 exchanges", c.name, allocs)
		}
	}
}

// crowd is many requests at once, answered in the opposite order; then the connection is idle.
type crowd struct {
	server  *server
	env     *protocols.Env
	in      []byte
	out     protocoltest.Null
	streams []protocols.StreamID
	answer  protocols.Header
	ev      protocols.Event
	reset   bool
}

func (f *crowd) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead {
		f.streams = append(f.streams, ev.Stream)
	}
	return protocols.More
}

func (f *crowd) run(t *testing.T) {
	for n := 0; n < len(f.in); {
		k, err := f.server.Decode(1, f.in[n:], f, &f.out)
		if err != nil || k == 0 {
			t.Fatal(k, err)
		}
		n += k
	}
	for i := len(f.streams) - 1; i >= 0; i-- {
		f.ev = protocols.Event{Kind: protocols.KindHead, Stream: f.streams[i], Header: &f.answer, End: true, Reason: protocols.ReasonNoRoute}
		if f.reset {
			f.ev = protocols.Event{Kind: protocols.KindReset, Stream: f.streams[i], Reason: protocols.ReasonTryTimeout}
		}
		if _, err := f.server.Encode(1, &f.ev, &f.out); err != nil {
			t.Fatal(err)
		}
	}
	f.streams = f.streams[:0]
}

// Many streams at once, and none behind them, allocate nothing once the loop has tables of that length.
func TestNoAllocationPerFlood(t *testing.T) {
	env := protocols.NewEnv(protocols.Limits{})
	for _, reset := range []bool{false, true} {
		f := &crowd{server: newServer(env), env: env, reset: reset}
		f.in = []byte(strings.Repeat(string(request(3).bytes())+string(wire{command: -1}.bytes()), 500))
		f.answer.SetAnswer(404, "", 0)
		f.run(t)
		if allocs := testing.AllocsPerRun(2, func() {
			f.run(t)
			f.run(t)
		}); allocs != 0 {
			t.Errorf("%v allocations in 1000 requests, 500 at once", allocs)
		}
	}
}

// Refusing a frame allocates nothing but the codec.
func TestNoAllocationPerRefusal(t *testing.T) {
	env := protocols.NewEnv(protocols.Limits{})
	in := wire{id: 7, fields: []string{"a"}}.bytes()
	var out protocoltest.Null
	s := newServer(env)
	if allocs := testing.AllocsPerRun(2, func() {
		for range 1000 {
			*s = *newServer(env)
			if _, err := s.Decode(1, in, &out, &out); err == nil {
				t.Fatal("accepted")
			}
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in 1000 refusals", allocs)
	}
}
