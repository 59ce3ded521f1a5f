package bolt

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/protocols"
)

// drawWire draws a frame of any kind.
func drawWire(t *rapid.T, label string, response bool) wire {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("aB:\r\nä\x00 ")), 0, 12, -1)
	w := wire{resp: response, v2: rapid.Bool().Draw(t, label+" v2"), coding: rapid.Byte().Draw(t, label+" coding"), class: text.Draw(t, label+" class")}
	w.sum = w.v2 && rapid.Bool().Draw(t, label+" sum")
	if response {
		w.status = uint16(rapid.IntRange(0, 20).Draw(t, label+" status"))
	} else {
		w.timeout = int32(rapid.IntRange(-1, 5000).Draw(t, label+" timeout"))
	}
	for i := range rapid.IntRange(0, 5).Draw(t, label+" fields") {
		w.fields = append(w.fields, fmt.Sprint(i)+text.Draw(t, label+" name"), text.Draw(t, label+" value"))
	}
	w.content = strings.Repeat("c", rapid.SampledFrom([]int{0, 1, 100, whole, 70000}).Draw(t, label+" content"))
	return w
}

// edit changes a head as a gateway's header rules do, and says the same to a list of pairs.
func edit(t *rapid.T, h *protocols.Header, pairs []string) []string {
	for i := range rapid.IntRange(0, 3).Draw(t, "edits") {
		switch rapid.IntRange(0, 2).Draw(t, "edit") {
		case 0:
			name := fmt.Sprintf("new%d", i)
			h.AddString(name, "v")
			pairs = append(pairs, name, "v")
		case 1:
			if len(pairs) > 0 {
				h.DelName(pairs[0])
				pairs = pairs[2:]
			}
		case 2:
			if len(pairs) > 0 {
				h.SetString(pairs[0], "other")
				pairs[1] = "other"
			}
		}
	}
	return pairs
}

// What is decoded, edited and encoded is understood at the other end as it was meant, in both directions and versions.
func TestTwoHopsUnderstandEachOther(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		down, up, server := newEnd(outer, true, protocols.Limits{}), newEnd(outer, false, protocols.Limits{}), newEnd(outer, true, protocols.Limits{})
		for call := range rapid.IntRange(1, 3).Draw(t, "calls") {
			q, a := drawWire(t, "request", false), drawWire(t, "answer", true)
			var id, upID protocols.StreamID
			wantQ := slices.Clone(q.fields)
			down.sink.then = func(ev *protocols.Event) protocols.Verdict {
				e := *ev
				e.Stream, id = upID, ev.Stream
				if e.Kind == protocols.KindHead {
					e.Stream = 0
					wantQ = edit(t, e.Header, wantQ)
				}
				upID = up.encode(e)
				return protocols.More
			}
			q.id = uint32(call + 70)
			down.receive(q.bytes())
			server.sink.then = nil
			server.receive(up.out.Take())
			up.codec.Drained(1, &up.sink, &up.out)
			checkHead(t, &server.sink, &q, wantQ)
			wantA := slices.Clone(a.fields)
			up.sink.then = func(ev *protocols.Event) protocols.Verdict {
				e := *ev
				e.Stream = id
				if e.Kind == protocols.KindHead {
					wantA = edit(t, e.Header, wantA)
				}
				if n, err := down.codec.Encode(1, &e, &down.out); err != nil || n != len(e.Data) {
					t.Fatalf("%s: took %d of %d, %v", e.Kind, n, len(e.Data), err)
				}
				return protocols.More
			}
			a.id = uint32(upID)
			up.receive(a.bytes())
			out := down.out.Take()
			down.codec.Drained(1, &down.sink, &down.out)
			peer := newEnd(outer, false, protocols.Limits{})
			own := peer.encode(head(0, headOf(0, -1), true))
			if f, _, _ := parseFrame(out); f.id != q.id || f.status != a.status || (f.version == version2) != q.v2 {
				t.Fatalf("the answer's frame is %+v to %+v", f, q)
			}
			peer.receive(readdress(outer, out, uint32(own)))
			checkHead(t, &peer.sink, &a, wantA)
		}
		if down.err != nil || up.err != nil || server.err != nil || !down.codec.Status().Idle || !up.codec.Status().Idle {
			t.Fatalf("errors %v, %v, %v", down.err, up.err, server.err)
		}
	})
}

// checkHead compares the last head of s with the frame it was made of, and its content by what was recorded.
func checkHead(t *rapid.T, s *sink, w *wire, fields []string) {
	t.Helper()
	h := &s.head
	got := []string{}
	for i := range h.Len() {
		if _, name, value, ok := h.Field(i); ok {
			got = append(got, string(name), string(value))
		}
	}
	if !slices.Equal(got, fields) || string(h.Class()) != w.class || h.ContentLength != int64(len(w.content)) || h.Code != w.status || !w.resp && h.Timeout != int64(w.timeout) {
		t.Fatalf("%+v\narrives as\n%q\nwant\n%q\n%+v", w, got, fields, h)
	}
	if coding := w.coding; coding != 0 && h.Coding != coding {
		t.Fatalf("coding %d, want %d", h.Coding, coding)
	}
	lines := s.take()
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, " end") || len(w.content) > 0 && !strings.Contains(last, " data ") {
		t.Fatalf("%+v\nends with %q", w, last)
	}
}
