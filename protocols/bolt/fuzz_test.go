package bolt

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
	"sluice/protocols/rpc"
)

// feed lets a codec decode input in pieces of size.
func (e *end) feed(input []byte, size int) {
	for len(input) > 0 && e.err == nil {
		k := min(size, len(input))
		e.receive(input[:k])
		input = input[k:]
		for e.err == nil && e.codec.Status().Yielded {
			e.receive(nil)
		}
	}
}

// events are those since the last time. How much of a frame with a wrong CRC32 has been passed on depends on how it came.
func (e *end) events() []string {
	lines := e.sink.take()
	if e.err != nil {
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.Contains(s, " data ") && !strings.HasSuffix(s, " end") })
	}
	return lines
}

// hop is a server codec whose requests a client codec passes on, one hop further.
type hop struct {
	*end
	up   *end
	sent []byte // by up
	ids  map[protocols.StreamID]protocols.StreamID
}

func newHop(t *testing.T) *hop {
	h := &hop{end: newEnd(t, true, protocols.Limits{ContentBytes: 1 << 17}), up: newEnd(t, false, protocols.Limits{ContentBytes: 1 << 17}),
		ids: map[protocols.StreamID]protocols.StreamID{}}
	h.sink.then = func(ev *protocols.Event) protocols.Verdict {
		e := *ev
		e.Stream = h.ids[ev.Stream]
		if ev.Kind == protocols.KindGoAway || ev.Kind == protocols.KindReset {
			return protocols.More
		}
		h.ids[ev.Stream] = h.up.encode(e)
		h.sent = append(h.sent, h.up.out.Take()...)
		h.up.codec.Drained(1, &h.up.sink, &h.up.out)
		return protocols.More
	}
	return h
}

// understood is what a hop has understood of requests, without their connection.
func understood(lines []string) (out []string) {
	for _, line := range lines {
		_, text, _ := bytes.Cut([]byte(line), []byte(" "))
		out = append(out, string(text))
	}
	return out
}

func FuzzServer(f *testing.F) {
	var all []byte
	for _, c := range requestSamples {
		f.Add(c.w.bytes(), uint16(1))
		all = append(all, c.w.bytes()...)
	}
	for _, g := range goldens(f) {
		f.Add(g.Request, uint16(7))
		all = append(all, g.Request...)
	}
	f.Add(all, uint16(1000))
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		if len(input) > 1<<18 {
			return
		}
		whole := newHop(t)
		whole.feed(input, len(input)+1)
		lines := whole.events()
		if step := int(size); step > 0 && (step > 100 || len(input) < 1<<12) {
			cut := newHop(t)
			cut.feed(input, step)
			if got := cut.events(); !slices.Equal(got, lines) || !errors.Is(cut.err, whole.err) || !bytes.Equal(cut.out.B, whole.out.B) {
				t.Fatalf("%q\nwhole: %q %v\nin pieces of %d: %q %v", input, lines, whole.err, step, got, cut.err)
			}
		}
		answerAll(t, whole)
		// What is passed on is understood by the next hop as it was understood here.
		next := newHop(t)
		sent := whole.sent
		next.feed(sent, 5000)
		if next.err != nil {
			t.Fatalf("%q\nis passed on as\n%q\nwhich is refused: %v", input, sent, next.err)
		}
		mine, theirs := understood(lines), understood(next.sink.take())
		mine = slices.DeleteFunc(mine, func(s string) bool { return s == "goaway drained" || s == "reset protocol_error" })
		if whole.err == nil && len(whole.left) == 0 && !whole.codec.(*server).Within() && !slices.Equal(mine, theirs) {
			t.Fatalf("%q\nis passed on as\n%q\nunderstood as\n%q\nbut meant as\n%q", input, sent, theirs, mine)
		}
	})
}

// answerAll answers every request that is open, and checks that no more is open then.
func answerAll(t *testing.T, h *hop) {
	c := h.codec.(*server)
	for id := range h.ids {
		ev := head(id, headOf(404, 0), true)
		if _, err := c.Encode(1, &ev, &h.out); err != nil && !errors.Is(err, rpc.ErrStream) {
			t.Fatal(err)
		}
	}
	if c.Streams() != 0 || h.env.Owed != 0 {
		t.Fatalf("%d streams, %d bytes owed when all is answered", c.Streams(), h.env.Owed)
	}
	for b := h.out.Take(); len(b) > 0; {
		_, _, n := cutFrame(t, b)
		if n == 0 {
			t.Fatalf("half a frame was written: %q", b)
		}
		b = b[n:]
	}
}

// calling is a client with calls under way, whose answers a server passes on.
func calling(t *testing.T) *end {
	e := newEnd(t, false, protocols.Limits{ContentBytes: 1 << 17})
	for range 3 {
		e.encode(head(0, headOf(0, -1), true))
	}
	long := e.encode(head(0, headOf(0, 50000), false))
	e.encode(data(long, "begun", false))
	heads := map[protocols.StreamID]bool{}
	var out protocoltest.Output
	server := newServer(protocols.NewEnv(protocols.Limits{ContentBytes: 1 << 17}))
	in := wire{id: 5, v2: true}.bytes()
	var now protocols.StreamID
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		switch ev.Kind {
		case protocols.KindHead:
			if heads[ev.Stream] {
				t.Fatalf("a second head of %d", ev.Stream)
			}
			heads[ev.Stream] = true
			var s lastStream
			if _, err := server.Decode(1, in, &s, &out); err != nil {
				t.Fatal(err)
			}
			now = s.id
		case protocols.KindData:
			if !heads[ev.Stream] {
				t.Fatalf("data of %d, which has no head", ev.Stream)
			}
		default:
			return protocols.More
		}
		x := *ev
		x.Stream = now
		if n, err := server.Encode(1, &x, &out); err != nil || n != len(ev.Data) {
			if !errors.Is(err, protocols.ErrWait) && !errors.Is(err, rpc.ErrHeadFirst) && out.Buffered() <= protocols.OutputHigh {
				t.Fatalf("what was decoded can't be encoded: took %d of %d, %v", n, len(ev.Data), err)
			}
		}
		return protocols.More
	}
	return e
}

func FuzzClient(f *testing.F) {
	var all []byte
	for _, c := range responseSamples {
		f.Add(c.w.bytes(), uint16(1))
		all = append(all, c.w.bytes()...)
	}
	for i, g := range goldens(f) {
		if g.Response != nil {
			b := readdress(f, g.Response, uint32((i%4+1)<<slotBits|i%4))
			f.Add(b, uint16(9))
			all = append(all, b...)
		}
	}
	f.Add(all, uint16(1000))
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		if len(input) > 1<<18 {
			return
		}
		whole := calling(t)
		whole.feed(input, len(input)+1)
		lines := whole.events()
		if step := int(size); step > 0 && (step > 100 || len(input) < 1<<12) {
			cut := calling(t)
			cut.feed(input, step)
			if got := cut.events(); !slices.Equal(got, lines) || !errors.Is(cut.err, whole.err) || *cut.env.Counts != *whole.env.Counts {
				t.Fatalf("%q\nwhole: %q %v\nin pieces of %d: %q %v", input, lines, whole.err, step, got, cut.err)
			}
		}
		c := whole.codec.(*client)
		for i := range protocols.StreamID(4) { // all that calling has opened
			whole.encode(protocols.Event{Kind: protocols.KindReset, Stream: (i+1)<<slotBits | i})
		}
		if c.Streams() != 0 || whole.env.Owed != 0 {
			t.Fatalf("%d streams, %d bytes owed when all is given up", c.Streams(), whole.env.Owed)
		}
	})
}
