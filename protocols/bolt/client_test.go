package bolt

import (
	"errors"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

// begun is a client with a request of id first, whose output was taken.
func begun(t testing.TB, l protocols.Limits) *end {
	t.Helper()
	e := newEnd(t, false, l)
	e.encode(protocols.Event{Kind: protocols.KindHead, Header: headOf(0, -1), End: true, Owner: "me"})
	e.out.Take()
	return e
}

func TestClientEncodes(t *testing.T) {
	bolt := func(w wire) *protocols.Header { h, _ := decoded(t, w); return h }
	with := func(h *protocols.Header, change func(h *protocols.Header)) *protocols.Header { change(h); return h }
	full := wire{id: 99, timeout: 250, coding: 12, class: "C", fields: []string{"service", "s", nullString, "x", "K", "v"}, content: "abc"}
	is := func(change func(w *wire)) wire { w := full; w.id = first; change(&w); return w }
	for _, c := range []struct {
		name string
		h    *protocols.Header
		body string
		out  wire
	}{
		{"as it came", bolt(full), "abc", is(func(*wire) {})},
		{"version 2", bolt(is(func(w *wire) { w.v2 = true })), "abc", is(func(w *wire) { w.v2 = true })},
		{"CRC32", bolt(is(func(w *wire) { w.sum = true })), "abc", is(func(w *wire) { w.sum = true })},
		{"one-way", bolt(is(func(w *wire) { w.kind = kindOneWay })), "abc", is(func(w *wire) { w.kind = kindOneWay })},
		{"no timeout", bolt(is(func(w *wire) { w.timeout = -1 })), "abc", is(func(w *wire) { w.timeout = -1 })},
		{"timeout 0", bolt(is(func(w *wire) { w.timeout = 0 })), "abc", is(func(w *wire) { w.timeout = 0 })},
		{"a shorter timeout", with(bolt(full), func(h *protocols.Header) { h.Timeout = 20 }), "abc", is(func(w *wire) { w.timeout = 20 })},
		{"other content", with(bolt(full), func(h *protocols.Header) { h.ContentLength = 5 }), "abcde", is(func(w *wire) { w.content = "abcde" })},
		{"another coding", with(bolt(full), func(h *protocols.Header) { h.Coding = 1 }), "abc", is(func(w *wire) { w.coding = 1 })},
		{"a field more", with(bolt(full), func(h *protocols.Header) { h.AddString("n", "1") }), "abc",
			is(func(w *wire) { w.fields = []string{"service", "s", "K", "v", "n", "1"} })},
		{"a field changed", with(bolt(is(func(w *wire) { w.sum = true })), func(h *protocols.Header) { h.SetString("Service", "t") }), "abc",
			is(func(w *wire) { w.sum = true; w.fields = []string{"Service", "t", "K", "v"} })},
		{"a field deleted", with(bolt(full), func(h *protocols.Header) { h.DelName("k") }), "abc", is(func(w *wire) { w.fields = []string{"service", "s"} })},
		{"another class", with(bolt(full), func(h *protocols.Header) { h.SetClass([]byte("Other")) }), "abc",
			is(func(w *wire) { w.class = "Other"; w.fields = []string{"service", "s", "K", "v"} })},
		{"HTTP", with(withProto(headOf(0, 3, "X-A", "1", "Content-Length", "3")), func(h *protocols.Header) { h.SetClass([]byte("Q")); h.Minor = 1 }), "abc",
			wire{id: first, timeout: -1, class: "Q", fields: []string{"x-a", "1"}, content: "abc"}},
		{"HTTP, repeated fields", withProto(headOf(0, -1, "A", "1", "b", "2", "a", "3", "B", "", "A", "4", "c", "5")), "",
			wire{id: first, timeout: -1, fields: []string{"a", "1,3,4", "b", "2,", "c", "5"}}},
		{"a field that is there already", with(bolt(full), func(h *protocols.Header) { h.AddString("K", "w"); h.AddString("k", "x") }), "abc",
			is(func(w *wire) { w.fields = []string{"service", "s", "K", "v,w", "k", "x"} })},
		{"HTTP, one-way", with(withProto(headOf(0, -1)), func(h *protocols.Header) { h.OneWay, h.Coding, h.Timeout = true, 11, 1<<40 }), "",
			wire{id: first, kind: kindOneWay, timeout: 1<<31 - 1, coding: 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnd(t, false, protocols.Limits{})
			id := e.encode(protocols.Event{Kind: protocols.KindHead, Header: c.h, End: c.body == ""})
			if c.body != "" {
				if e.codec.Status().Room != 0 {
					t.Error("there is room while a frame is on its way")
				}
				for i := range len(c.body) {
					e.encode(data(id, c.body[i:i+1], i == len(c.body)-1))
				}
			}
			e.wantOut(c.out)
			if s := e.codec.Status(); s.Room == 0 || s.Idle != (c.out.kind == kindOneWay) {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestClientRefusesToEncode(t *testing.T) {
	fields := make([]string, 0, 20)
	for i := range 10 {
		fields = append(fields, "name"+string(rune('0'+i)), strings.Repeat("x", 6600))
	}
	classy := headOf(0, -1)
	classy.SetClass([]byte(strings.Repeat("C", 1<<16)))
	for _, c := range []struct {
		name string
		ev   protocols.Event
		want error
	}{
		{"a header map of more than 65535 bytes", head(0, headOf(0, -1, fields...), true), errBlock},
		{"a class of more than 65535 bytes", head(0, classy, true), errClass},
		{"content of unknown length", head(0, headOf(0, -1), false), rpc.ErrLength},
		{"content over the limit", head(0, headOf(0, 16<<20+1), false), rpc.ErrContent},
		{"the end of announced content", head(0, headOf(0, 1), true), rpc.ErrShort},
		{"data of no stream", data(first, "x", true), rpc.ErrStream},
		{"no event", protocols.Event{}, rpc.ErrKind},
	} {
		e := newEnd(t, false, protocols.Limits{})
		if _, err := e.codec.Encode(1, &c.ev, &e.out); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if e.out.Buffered() > 0 || !e.codec.Status().Idle || e.codec.Status().Room == 0 {
			t.Errorf("%s: %d bytes written, %+v", c.name, e.out.Buffered(), e.codec.Status())
		}
	}
	// As much as there may be is no mistake.
	e := newEnd(t, false, protocols.Limits{})
	e.encode(head(0, headOf(0, -1, "k", strings.Repeat("x", maxBlock-9)), true))
	if f, n, _ := parseFrame(e.out.Take()); f.block != maxBlock || n == 0 {
		t.Errorf("block of %d bytes", f.block)
	}
}

// The frame on its way takes exactly what was announced.
func TestContentIsWhatWasAnnounced(t *testing.T) {
	e := newEnd(t, false, protocols.Limits{})
	id := e.encode(head(0, headOf(0, 3), false))
	for _, c := range []struct {
		ev   protocols.Event
		want error
	}{{data(id, "abcd", false), rpc.ErrLong}, {data(id, "ab", true), rpc.ErrShort}, {head(0, headOf(0, -1), true), rpc.ErrPhase}} {
		if n, err := e.codec.Encode(1, &c.ev, &e.out); n != 0 || !errors.Is(err, c.want) {
			t.Errorf("%d, %v, want %v", n, err, c.want)
		}
	}
	e.encode(data(id, "abc", false))
	e.encode(data(id, "", true))
	e.wantOut(wire{id: first, timeout: -1, content: "abc"})
	if _, err := e.codec.Encode(1, &protocols.Event{Kind: protocols.KindData, Stream: id, Data: []byte("d")}, &e.out); !errors.Is(err, rpc.ErrLong) {
		t.Errorf("content behind the end: %v", err)
	}
}

var responseSamples = []struct {
	name  string
	w     wire
	lines []string
	out   []wire
}{
	{"answer", wire{resp: true, id: first, class: "R", fields: []string{"K", "v"}, coding: 12, content: "abc"},
		[]string{`4096 head v1 R status=200 code=0 coding=12 length=3 K="v"`, `4096 data "abc" end`}, nil},
	{"version 2", wire{v2: true, resp: true, id: first}, []string{`4096 head v2  status=200 code=0 coding=1 length=0 end`}, nil},
	{"CRC32", wire{sum: true, resp: true, id: first, content: "abc"}, []string{`4096 head v2  status=200 code=0 coding=1 length=3`, `4096 data "abc" end`}, nil},
	{"busy", wire{resp: true, id: first, status: 4}, []string{`4096 head v1  status=503 code=4 coding=1 length=0 end`}, nil},
	{"timeout", wire{resp: true, id: first, status: 7}, []string{`4096 head v1  status=504 code=7 coding=1 length=0 end`}, nil},
	{"connection closed", wire{resp: true, id: first, status: 16}, []string{`4096 head v1  status=502 code=16 coding=1 length=0 end`}, nil},
	{"an unknown status", wire{resp: true, id: first, status: 65535}, []string{`4096 head v1  status=500 code=65535 coding=1 length=0 end`}, nil},
	{"long", wire{sum: true, resp: true, id: first, content: strings.Repeat("0123456789", 4000)},
		[]string{`4096 head v2  status=200 code=0 coding=1 length=40000`, `4096 data 40000 bytes, crc baeb7247 end`}, nil},
	{"no one's", wire{resp: true, id: 1, content: "abc"}, nil, nil},
	{"no one's, long", wire{sum: true, resp: true, id: 1, content: strings.Repeat("0123456789", 4000)}, nil, nil},
	{"one for another serial", wire{resp: true, id: first + 1<<slotBits}, nil, nil},
	{"heartbeat", wire{command: -1, id: 77}, nil, []wire{{resp: true, command: -1, id: 77}}},
	{"answer to a heartbeat", wire{resp: true, command: -1, id: 77}, nil, nil},
	{"goaway", wire{command: commandGoAway}, []string{"0 goaway drained"}, nil},
}

func TestClientDecodes(t *testing.T) {
	for _, c := range responseSamples {
		t.Run(c.name, func(t *testing.T) {
			b := c.w.bytes()
			// Whole, and cut at each of the first 300 bytes and the last 10.
			for k := range b {
				if k > 300 && k < len(b)-10 {
					continue
				}
				e := begun(t, protocols.Limits{})
				e.sink.then = func(ev *protocols.Event) protocols.Verdict {
					if ev.Kind != protocols.KindGoAway && ev.Owner != "me" {
						t.Errorf("%s has owner %v", ev.Kind, ev.Owner)
					}
					return protocols.More
				}
				e.receive(b[:k])
				e.receive(b[k:])
				e.want(c.lines...)
				e.wantOut(c.out...)
				if e.err != nil || len(e.left) > 0 {
					t.Fatalf("cut at %d: error %v, %d bytes left", k, e.err, len(e.left))
				}
				if t.Failed() {
					t.Fatalf("cut at %d", k)
				}
			}
		})
	}
}

func TestClientRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want *rpc.Rule
	}{
		{"another protocol", []byte("HTTP/1.1"), ruleVersion},
		{"a request", wire{id: 7}.bytes(), rpc.RuleDirection},
		{"command 9", wire{resp: true, command: 9}.bytes(), rpc.RuleCommand},
		{"command of a request", wire{resp: true, command: 1}.bytes(), rpc.RuleCommand},
		{"goaway as an answer", wire{resp: true, command: commandGoAway}.bytes(), rpc.RuleCommand},
		{"class", wire{resp: true, id: first, class: "long"}.bytes(), ruleClass},
		{"content", wire{resp: true, id: first, content: "1234567"}.bytes(), rpc.RuleContent},
		{"entries", wire{resp: true, id: first, fields: []string{"", "", "a", "", "c", "", "d", "", "e", ""}}.bytes(), ruleFields},
		{"header block", wire{resp: true, id: first, fields: []string{"a"}}.bytes(), ruleBlock},
		{"CRC32", append(wire{resp: true, id: first, sum: true}.bytes()[:22], 0, 0, 0, 0), rpc.RuleSum},
	} {
		e := begun(t, protocols.Limits{ClassBytes: 3, ContentBytes: 6, HeadFields: 2})
		e.receive(c.b)
		if !errors.Is(e.err, c.want.Response) {
			t.Errorf("%s: error %v, want %v", c.name, e.err, c.want.Response)
		}
		e.want()
		e.wantOut()
		if s := e.codec.Status(); s.Phase != protocols.PhaseAbort || s.Room != 0 {
			t.Errorf("%s: status %+v", c.name, s)
		}
	}
}

// Answers come in any order; late, repeated and unknown ones are dropped and counted.
func TestClientFindsTheStreamOfAnAnswer(t *testing.T) {
	e := newEnd(t, false, protocols.Limits{})
	var ids []protocols.StreamID
	for range 100 {
		ids = append(ids, e.encode(head(0, headOf(0, -1), true)))
	}
	e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ids[50]})
	for i := len(ids) - 1; i >= 0; i-- {
		e.receive(wire{resp: true, id: uint32(ids[i]), status: uint16(i)}.bytes())
		lines := e.sink.take()
		if i == 50 {
			if len(lines) > 0 {
				t.Errorf("a late answer gives %q", lines)
			}
			continue
		}
		if len(lines) != 1 || e.sink.head.Code != uint16(i) {
			t.Fatalf("answer %d gives %q", i, lines)
		}
	}
	e.receive(wire{resp: true, id: uint32(ids[3])}.bytes())
	e.receive(wire{resp: true, id: pingMark | 1}.bytes())
	e.want()
	if got := e.env.Counts; got.Late != 1 || got.Unknown != 2 {
		t.Errorf("counts %+v", got)
	}
	if s := e.codec.Status(); !s.Idle || s.Room != 1024 {
		t.Errorf("status %+v", s)
	}
	// A reset that crosses the answer is no mistake, and leaves no tombstone.
	e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ids[3]})
	e.receive(wire{resp: true, id: uint32(ids[3])}.bytes())
	if got := e.env.Counts; got.Late != 1 || got.Unknown != 3 {
		t.Errorf("counts %+v", got)
	}
}

// A stream that is reset from inside the head's event gets no more, and its slot's next user gets nothing of it.
func TestClientStopsAtAReset(t *testing.T) {
	for _, content := range []string{"short", strings.Repeat("long", 20000)} {
		e := begun(t, protocols.Limits{})
		e.sink.then = func(ev *protocols.Event) protocols.Verdict {
			e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ev.Stream})
			e.encode(head(0, headOf(0, -1), true))
			return protocols.More
		}
		e.receive(wire{resp: true, id: first, content: content}.bytes())
		if lines := e.sink.take(); len(lines) != 1 || e.err != nil || len(e.left) > 0 {
			t.Errorf("events %q, error %v, %d left", lines, e.err, len(e.left))
		}
		e.receive(wire{resp: true, id: 1}.bytes())
		if got := e.env.Counts; got.Late != 0 || got.Unknown != 1 {
			t.Errorf("counts %+v: the answer had come", got)
		}
	}
}

// A request that is given up half-way ends the connection behind the answers that are due.
func TestClientCutsARequest(t *testing.T) {
	e := begun(t, protocols.Limits{})
	id := e.encode(head(0, headOf(0, 40000), false))
	e.encode(data(id, "half", false))
	e.encode(protocols.Event{Kind: protocols.KindReset, Stream: id})
	if s := e.codec.Status(); s.Phase != protocols.PhaseDraining || s.Room != 0 {
		t.Errorf("status %+v", s)
	}
	e.out.Take()
	e.receive(append(wire{command: -1}.bytes(), wire{resp: true, id: first}.bytes()...))
	e.want("4096 head v1  status=200 code=0 coding=1 length=0 end")
	e.wantOut() // a heartbeat can't be answered any more
	if s := e.codec.Status(); s.Phase != protocols.PhaseAbort {
		t.Errorf("status %+v", s)
	}
}

// An answer before the end of its request is the answer.
func TestClientTakesAnEarlyAnswer(t *testing.T) {
	for _, finish := range []bool{true, false} {
		e := newEnd(t, false, protocols.Limits{})
		id := e.encode(head(0, headOf(0, 3), false))
		e.encode(data(id, "a", false))
		e.receive(wire{resp: true, id: uint32(id), status: 4, content: "no"}.bytes())
		e.want(`4096 head v1  status=503 code=4 coding=1 length=2`, `4096 data "no" end`)
		e.receive(wire{resp: true, id: uint32(id), status: 4}.bytes())
		e.want()
		phase := protocols.PhaseAbort
		if finish {
			e.encode(data(id, "bc", true))
			phase = protocols.PhaseOpen
		} else {
			e.encode(protocols.Event{Kind: protocols.KindReset, Stream: id})
		}
		if s := e.codec.Status(); s.Phase != phase || e.codec.(*client).Streams() != 0 {
			t.Errorf("finish %v: %+v", finish, s)
		}
	}
}

func TestClientEndOfInput(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want error
	}{{nil, nil}, {wire{resp: true, id: first}.bytes()[:5], rpc.RuleCut.Response},
		{wire{resp: true, id: first, content: strings.Repeat("x", 50000)}.bytes()[:40000], rpc.RuleCut.Response}} {
		e := begun(t, protocols.Limits{})
		e.receive(c.b)
		if err := e.codec.DecodeEOF(1, e.left, &e.sink, &e.out); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		if s := e.codec.Status(); s.Phase == protocols.PhaseOpen || s.Room != 0 {
			t.Errorf("status %+v", s)
		}
	}
}
