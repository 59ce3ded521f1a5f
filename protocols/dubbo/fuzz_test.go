package dubbo

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

var fuzzLimits = protocols.Limits{ContentBytes: 1 << 17}

func seeds(f *testing.F) (server, client [][]byte) {
	for _, g := range goldens(f) {
		if g.Request != nil {
			server = append(server, g.Request)
		}
		if g.Response != nil {
			client = append(client, addressed(g.Response, first))
		}
	}
	long := strings.Repeat("0123456789", 4000)
	server = append(server, request(1, "s", "m", long), frameBytes(0xc6, 0, 3, long), frameBytes(0x82, 0, 4, "NNNN"),
		frameBytes(0xa2, 0, 0, eventReadOnly), frameBytes(0xe2, 0, 5, "\x01W"), bytes.Join(server, nil))
	client = append(client, answer(first, 20, long), answer(first, 60, ""), frameBytes(0xe2, 0, 5, "N"), bytes.Join(client, nil))
	return server, client
}

// meaning is what was understood of requests, whatever their ids.
func meaning(lines []string) (out []string) {
	for _, line := range lines {
		_, text, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(text, "goaway ") && !strings.HasPrefix(text, "reset ") {
			out = append(out, text)
		}
	}
	return out
}

// FuzzServer: requests mean the same however they arrive, and to the next hop; every one of them can be answered.
func FuzzServer(f *testing.F) {
	server, _ := seeds(f)
	for _, b := range server {
		f.Add(b, uint16(7))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		if len(input) > 1<<18 {
			return
		}
		down, up, ids := newHop(t, fuzzLimits)
		down.receive(input, len(input)+1)
		lines := down.sink.Take()
		if step := int(size); step > 0 && (step > 100 || len(input) < 1<<12) {
			cut, _, _ := newHop(t, fuzzLimits)
			cut.receive(input, step)
			if got := cut.sink.Take(); !slices.Equal(got, lines) || !errors.Is(cut.err, down.err) || !bytes.Equal(cut.out.B, down.out.B) {
				t.Fatalf("%q\nwhole: %q %v\nin pieces of %d: %q %v", input, lines, down.err, step, got, cut.err)
			}
		}
		next := newEnd(t, true, fuzzLimits)
		next.receive(up.out.Take(), 5000)
		if next.err != nil {
			t.Fatalf("%q is refused by the next hop: %v", input, next.err)
		}
		if mine, theirs := meaning(lines), meaning(next.sink.Take()); down.err == nil && !down.codec.(*rpc.Server).Within() && !slices.Equal(mine, theirs) {
			t.Fatalf("%q\nmeans\n%q\nbut to the next hop\n%q", input, mine, theirs)
		}
		for id := range ids {
			h := new(protocols.Header)
			h.SetAnswer(404, "", 0)
			ev := protocols.Event{Kind: protocols.KindHead, Stream: id, Header: h, End: true}
			if _, err := down.codec.Encode(1, &ev, &down.out); err != nil && !errors.Is(err, rpc.ErrStream) {
				t.Fatal(err)
			}
		}
		if n := down.codec.(*rpc.Server).Streams(); n != 0 {
			t.Fatalf("%d streams when all is answered", n)
		}
		peer := newEnd(t, false, fuzzLimits)
		peer.receive(down.out.Take(), 5000)
		if peer.err != nil || len(peer.left) > 0 {
			t.Fatalf("%q is answered by what a client refuses: %v, %q", input, peer.err, peer.left)
		}
	})
}

// FuzzClient: answers mean the same however they arrive, and each call gets one at most.
func FuzzClient(f *testing.F) {
	_, client := seeds(f)
	for _, b := range client {
		f.Add(b, uint16(7))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint16) {
		if len(input) > 1<<18 {
			return
		}
		run := func(step int) (*end, []string) {
			e := newEnd(t, false, fuzzLimits)
			for range 3 {
				h := new(protocols.Header)
				h.Reset()
				h.AddString("service", "s")
				h.AddString("method", "m")
				e.encode(protocols.Event{Kind: protocols.KindHead, Header: h, End: true})
			}
			heads := map[protocols.StreamID]bool{}
			e.sink.Then = func(ev *protocols.Event) protocols.Verdict {
				if ev.Kind == protocols.KindHead && heads[ev.Stream] || ev.Kind == protocols.KindData && !heads[ev.Stream] {
					t.Fatalf("%s of %d", ev.Kind, ev.Stream)
				}
				heads[ev.Stream] = true
				return protocols.More
			}
			e.receive(input, step)
			return e, e.sink.Take()
		}
		whole, lines := run(len(input) + 1)
		if step := int(size); step > 0 && (step > 100 || len(input) < 1<<12) {
			if cut, got := run(step); !slices.Equal(got, lines) || !errors.Is(cut.err, whole.err) || *cut.env.Counts != *whole.env.Counts {
				t.Fatalf("%q\nwhole: %q %v\nin pieces of %d: %q %v", input, lines, whole.err, step, got, cut.err)
			}
		}
		for i := range protocols.StreamID(3) {
			whole.encode(protocols.Event{Kind: protocols.KindReset, Stream: (i+1)*first | i})
		}
		if n := whole.codec.(*rpc.Client).Streams(); n != 0 || whole.env.Owed != 0 {
			t.Fatalf("%d streams, %d bytes owed when all is given up", n, whole.env.Owed)
		}
	})
}
