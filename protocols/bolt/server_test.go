package bolt

import (
	"errors"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

const (
	first  = 1 << slotBits // ids of a connection's first streams
	second = 2<<slotBits | 1
)

func head(stream protocols.StreamID, h *protocols.Header, end bool) protocols.Event {
	return protocols.Event{Kind: protocols.KindHead, Stream: stream, Header: h, End: end}
}

func data(stream protocols.StreamID, b string, end bool) protocols.Event {
	return protocols.Event{Kind: protocols.KindData, Stream: stream, Data: []byte(b), End: end}
}

// reply is the frame of an answer without content, with the reason that a local reply names.
func ownAnswer(q wire, status uint16, reason protocols.Reason) wire {
	w := wire{resp: true, v2: q.v2, sum: q.sum, id: q.id, coding: q.coding, status: status}
	if reason != protocols.ReasonNone {
		w.fields = []string{reasonKey, reason.String()}
	}
	return w
}

// sample is one frame of each kind that a client sends, and what it becomes.
var requestSamples = []struct {
	name  string
	w     wire
	lines []string
	out   []wire
}{
	{"request", wire{id: 9, timeout: 100, class: "C", fields: []string{"service", "s", "K", "v"}, content: "body"},
		[]string{`4096 head v1 C timeout=100 coding=1 length=4 service="s" K="v"`, `4096 data "body" end`}, nil},
	{"version 2", wire{v2: true, id: 9, timeout: 100, class: "C", content: "body"},
		[]string{`4096 head v2 C timeout=100 coding=1 length=4`, `4096 data "body" end`}, nil},
	{"CRC32", wire{sum: true, id: 9, timeout: 100, class: "C", content: "body"},
		[]string{`4096 head v2 C timeout=100 coding=1 length=4`, `4096 data "body" end`}, nil},
	{"nothing", wire{}, []string{`4096 head v1  timeout=0 coding=1 length=0 end`}, nil},
	{"CRC32 of nothing", wire{sum: true}, []string{`4096 head v2  timeout=0 coding=1 length=0 end`}, nil},
	{"no timeout", wire{timeout: -1, coding: 12}, []string{`4096 head v1  timeout=-1 coding=12 length=0 end`}, nil},
	{"least timeout", wire{timeout: -1 << 31, coding: 255}, []string{`4096 head v1  timeout=-1 coding=255 length=0 end`}, nil},
	{"one-way", wire{kind: kindOneWay, content: "x"},
		[]string{`4096 head v1  timeout=0 coding=1 length=1 oneway`, `4096 data "x" end`}, nil},
	{"one-way of nothing", wire{kind: kindOneWay}, []string{`4096 head v1  timeout=0 coding=1 length=0 oneway end`}, nil},
	{"null entries", wire{fields: []string{"a", nullString, nullString, "b", "", "c", "d", "", nullString, nullString, "e", "f"}},
		[]string{`4096 head v1  timeout=0 coding=1 length=0 ="c" d="" e="f" end`}, nil},
	{"keys of other cases", wire{fields: []string{"a", "1", "A", "2", "\xc3\xa4\r\n:", "\x00"}},
		[]string{"4096 head v1  timeout=0 coding=1 length=0 a=\"1\" A=\"2\" \xc3\xa4\r\n:=\"\\x00\" end"}, nil},
	{"long", wire{content: strings.Repeat("0123456789", 4000)},
		[]string{`4096 head v1  timeout=0 coding=1 length=40000`, `4096 data 40000 bytes, crc baeb7247 end`}, nil},
	{"long with CRC32", wire{sum: true, content: strings.Repeat("0123456789", 4000)},
		[]string{`4096 head v2  timeout=0 coding=1 length=40000`, `4096 data 40000 bytes, crc baeb7247 end`}, nil},
	{"long one-way", wire{kind: kindOneWay, content: strings.Repeat("0123456789", 4000)},
		[]string{`4096 head v1  timeout=0 coding=1 length=40000 oneway`, `4096 data 40000 bytes, crc baeb7247 end`}, nil},
	{"long block", wire{sum: true, fields: []string{"a", strings.Repeat("x", 50000)}},
		[]string{`4096 head v2  timeout=0 coding=1 length=0 a="` + strings.Repeat("x", 50000) + `" end`}, nil},
	{"heartbeat", wire{command: -1, id: 77, timeout: -1}, nil, []wire{{resp: true, command: -1, id: 77}}},
	{"heartbeat of version 2", wire{v2: true, command: -1, id: 77}, nil, []wire{{v2: true, resp: true, command: -1, id: 77}}},
	{"heartbeat with CRC32", wire{sum: true, command: -1, id: 77, coding: 3}, nil, []wire{{sum: true, resp: true, command: -1, id: 77, coding: 3}}},
	{"heartbeat with content", wire{command: -1, id: 77, class: "c", fields: []string{"a", "b"}, content: "x"}, nil, []wire{{resp: true, command: -1, id: 77}}},
	{"answer to a heartbeat", wire{resp: true, command: -1, id: 77}, nil, nil},
	{"goaway", wire{command: commandGoAway, id: 77}, []string{"0 goaway drained"}, nil},
}

func TestServerDecodes(t *testing.T) {
	for _, c := range requestSamples {
		t.Run(c.name, func(t *testing.T) {
			e := newEnd(t, true, protocols.Limits{})
			e.receive(c.w.bytes())
			e.want(c.lines...)
			e.wantOut(c.out...)
			if e.err != nil || len(e.left) > 0 {
				t.Errorf("error %v, %d bytes left", e.err, len(e.left))
			}
		})
	}
}

// The events do not depend on how the bytes arrive: each sample cut at each of its first 400 bytes and its last 20, and
// all short ones on one connection, versions 1 and 2 mixed, byte by byte.
func TestServerDecodesHoweverItIsCut(t *testing.T) {
	run := func(pieces ...[]byte) (string, string) {
		e := newEnd(t, true, protocols.Limits{})
		for _, p := range pieces {
			e.receive(p)
		}
		if e.err != nil || len(e.left) > 0 {
			t.Fatalf("error %v, %d bytes left", e.err, len(e.left))
		}
		return strings.Join(e.sink.take(), "\n"), string(e.out.Take())
	}
	var short []byte
	for _, c := range requestSamples {
		b := c.w.bytes()
		events, out := run(b)
		for k := range b {
			if k > 400 && k < len(b)-20 {
				continue
			}
			if e, o := run(b[:k], b[k:]); e != events || o != out {
				t.Fatalf("%s cut at %d:\n%s\nwhole:\n%s", c.name, k, e, events)
			}
		}
		if len(b) < 1000 && c.w.command != commandGoAway {
			short = append(short, b...)
		}
	}
	var pieces [][]byte
	for i := range short {
		pieces = append(pieces, short[i:i+1])
	}
	events, out := run(short)
	if e, o := run(pieces...); e != events || o != out || len(pieces) < 300 {
		t.Fatalf("%d bytes one by one:\n%s\nwhole:\n%s", len(pieces), e, events)
	}
}

func TestServerEncodes(t *testing.T) {
	bolt := func(w wire) *protocols.Header { h, _ := decoded(t, w); return h }
	for _, c := range []struct {
		name    string
		request wire
		events  []protocols.Event
		out     []wire
	}{
		{"as it came", wire{id: 5}, []protocols.Event{head(first, bolt(wire{resp: true, class: "R", fields: []string{"a", nullString, "K", "v"}, coding: 12, content: "abc"}), false), data(first, "abc", true)},
			[]wire{{resp: true, id: 5, class: "R", fields: []string{"a", nullString, "K", "v"}, coding: 12, content: "abc"}}},
		{"version 2", wire{v2: true, id: 5}, []protocols.Event{head(first, bolt(wire{v2: true, resp: true, class: "R"}), true)},
			[]wire{{v2: true, resp: true, id: 5, class: "R"}}},
		{"CRC32", wire{sum: true, id: 5}, []protocols.Event{head(first, bolt(wire{sum: true, resp: true, class: "R", content: "abc"}), false), data(first, "a", false), data(first, "bc", true)},
			[]wire{{sum: true, resp: true, id: 5, class: "R", content: "abc"}}},
		{"CRC32 without content", wire{sum: true, id: 5}, []protocols.Event{head(first, bolt(wire{sum: true, resp: true}), true)}, []wire{{sum: true, resp: true, id: 5}}},
		{"an answer of another version", wire{sum: true, id: 5}, []protocols.Event{head(first, bolt(wire{resp: true, class: "R", status: 3, coding: 11, fields: []string{"a", "b"}, content: "abc"}), false), data(first, "abc", true)},
			[]wire{{sum: true, resp: true, id: 5, class: "R", status: 3, coding: 11, fields: []string{"a", "b"}, content: "abc"}}},
		{"a status that HTTP has no form of", wire{id: 5}, []protocols.Event{head(first, bolt(wire{resp: true, status: 18}), true)}, []wire{{resp: true, id: 5, status: 18}}},
		{"HTTP", wire{id: 5}, []protocols.Event{head(first, withProto(headOf(200, 3, "X-A", "1", "content-length", "3")), false), data(first, "abc", false), data(first, "", true)},
			[]wire{{resp: true, id: 5, fields: []string{"x-a", "1"}, content: "abc"}}},
		{"an HTTP error", wire{id: 5}, []protocols.Event{head(first, withProto(headOf(404, 3)), false), data(first, "abc", true)}, []wire{{resp: true, id: 5, status: 6, content: "abc"}}},
		{"interim", wire{id: 5}, []protocols.Event{{Kind: protocols.KindHead, Stream: first, Interim: true, Header: headOf(103, -1)}, head(first, withProto(headOf(204, -1)), true)}, []wire{{resp: true, id: 5}}},
		{"trailers", wire{id: 5}, []protocols.Event{head(first, withProto(headOf(200, 1)), false), data(first, "a", false), {Kind: protocols.KindTrailer, Stream: first, Header: headOf(0, -1, "t", "1"), End: true}},
			[]wire{{resp: true, id: 5, content: "a"}}},
		{"a local reply", wire{v2: true, id: 5, coding: 12}, []protocols.Event{{Kind: protocols.KindHead, Stream: first, Header: headOf(503, 8, "content-length", "8"), Reason: protocols.ReasonOverflow}, data(first, "overflow", true)},
			[]wire{{v2: true, resp: true, id: 5, coding: 12, status: 4, fields: []string{reasonKey, "overflow"}}}},
		{"a local reply without a reason", wire{sum: true, id: 5}, []protocols.Event{head(first, headOf(404, 0), true)}, []wire{{sum: true, resp: true, id: 5, status: 6}}},
		{"a local reply of text", wire{id: 5}, []protocols.Event{head(first, headOf(200, 2), false), data(first, "ok", true)}, []wire{{resp: true, id: 5, content: "ok"}}},
		{"reset", wire{id: 5}, []protocols.Event{{Kind: protocols.KindReset, Stream: first, Reason: protocols.ReasonRequestTimeout}}, []wire{{resp: true, id: 5, status: 7, fields: []string{reasonKey, "request_timeout"}}}},
		{"reset of a one-way", wire{kind: kindOneWay, id: 5}, []protocols.Event{{Kind: protocols.KindReset, Stream: first}}, nil},
		{"goaway", wire{id: 5}, []protocols.Event{{Kind: protocols.KindGoAway}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnd(t, true, protocols.Limits{})
			e.receive(c.request.bytes())
			for _, ev := range c.events {
				e.encode(ev)
			}
			e.wantOut(c.out...)
			if s := e.codec.Status(); c.name != "goaway" && !s.Idle {
				t.Errorf("behind the answer: %+v", s)
			}
		})
	}
}

func withProto(h *protocols.Header) *protocols.Header {
	h.Proto = protocols.ProtocolHTTP1
	return h
}

// A local reply to a one-way request, from inside its head's event, goes nowhere.
func TestServerAnswersNoOneWay(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead {
			e.encode(head(ev.Stream, headOf(503, 2), false))
			e.encode(data(ev.Stream, "no", true))
		}
		return protocols.More
	}
	e.receive(wire{kind: kindOneWay, content: "x"}.bytes())
	e.want(`4096 head v1  timeout=0 coding=1 length=1 oneway`)
	e.wantOut()
	if !e.codec.Status().Idle {
		t.Error("a stream stays open")
	}
}

// Requests that are answered from inside the head's event get no further event, and their content is dropped.
func TestServerDropsTheRestOfWhatIsAnswered(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		e.encode(head(ev.Stream, headOf(404, 0), true))
		return protocols.More
	}
	short, long := request(1), request(2)
	long.content = strings.Repeat("x", 100000)
	e.receive(append(append(short.bytes(), long.bytes()...), short.bytes()...))
	e.wantOut(ownAnswer(short, 6, 0), ownAnswer(long, 6, 0), ownAnswer(short, 6, 0))
	if lines := e.sink.take(); len(lines) != 3 {
		t.Errorf("events: %q", lines)
	}
}

func TestServerRemembersOwners(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	marks := map[protocols.StreamID]string{}
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead {
			marks[ev.Stream] = "stream " + string(ev.Header.Class())
			ev.Owner = marks[ev.Stream]
		} else if ev.Owner != marks[ev.Stream] {
			t.Errorf("%s of %d has owner %v", ev.Kind, ev.Stream, ev.Owner)
		}
		return protocols.More
	}
	for _, w := range []wire{{class: "a", content: "x"}, {class: "b", content: strings.Repeat("x", 70000)}, {class: "c", kind: kindOneWay, content: "x"}} {
		b := w.bytes()
		e.receive(b[:len(b)-1])
		e.receive(b[len(b)-1:])
	}
	if len(marks) != 3 {
		t.Errorf("%d streams", len(marks))
	}
}

// Everything that a client may do wrong costs the connection, and tells the client if there is an id to tell it of.
func TestServerRefuses(t *testing.T) {
	change := func(w wire, at int, b byte) []byte {
		bytes := w.bytes()
		bytes[at] = b
		return bytes
	}
	small := protocols.Limits{ClassBytes: 3, HeadBytes: 50, ContentBytes: 6, HeadFields: 2}
	for _, c := range []struct {
		name   string
		b      []byte
		want   *rpc.Rule
		answer bool
	}{
		{"another protocol", []byte("GET / HTTP/1.1\r\n"), ruleVersion, false},
		{"version 0", change(wire{}, 0, 0), ruleVersion, false},
		{"version 3", []byte{3}, ruleVersion, false},
		{"type 3", change(wire{}, 1, 3), ruleKind, false},
		{"type of version 2", change(wire{v2: true}, 2, 255), ruleKind, false},
		{"command 2 of a request", wire{command: 2, id: 7}.bytes(), rpc.RuleCommand, true},
		{"command 0x0101", change(wire{id: 7}, 2, 1), rpc.RuleCommand, true},
		{"command 9 of a one-way", wire{command: 9, kind: kindOneWay}.bytes(), rpc.RuleCommand, false},
		{"a response", wire{resp: true}.bytes(), rpc.RuleDirection, false},
		{"class", wire{id: 7, class: "long"}.bytes(), ruleClass, true},
		{"class, announced", wire{id: 7, class: "long"}.bytes()[:22], ruleClass, true},
		{"head", wire{id: 7, block: strings.Repeat("x", 29)}.bytes(), rpc.RuleHead, true},
		{"head, with its CRC32", wire{id: 7, sum: true, block: strings.Repeat("x", 23)}.bytes(), rpc.RuleHead, true},
		{"content", wire{id: 7, content: "1234567"}.bytes(), rpc.RuleContent, true},
		{"content of a one-way", wire{id: 7, kind: kindOneWay, content: "1234567"}.bytes(), rpc.RuleContent, false},
		{"content of 4 GiB", change(wire{id: 7}, 18, 255), rpc.RuleContent, true},
		{"entries", wire{id: 7, fields: []string{"", "", nullString, "", "c", ""}}.bytes(), ruleFields, true},
		{"a key without its value", wire{id: 7, fields: []string{"a"}}.bytes(), ruleBlock, true},
		{"a length of 3 bytes", wire{id: 7, block: "\x00\x00\x00"}.bytes(), ruleBlock, true},
		{"a value that is too long", wire{id: 7, block: "\x00\x00\x00\x01a\x00\x00\x00\x02b"}.bytes(), ruleBlock, true},
		{"a key of 2 GiB", wire{id: 7, block: "\x7f\xff\xff\xffa\x00\x00\x00\x00"}.bytes(), ruleBlock, true},
		{"a key of nearly 4 GiB", wire{id: 7, block: "\xff\xff\xff\xfea\x00\x00\x00\x00"}.bytes(), ruleBlock, true},
		{"a key twice", wire{id: 7, fields: []string{"a", "1", "a", "1"}}.bytes(), ruleRepeated, true},
		{"CRC32", change(wire{id: 7, sum: true, content: "abc"}, 24, 'x'), rpc.RuleSum, true},
		{"CRC32 itself", change(wire{id: 7, sum: true, content: "abc"}, 30, 'x'), rpc.RuleSum, true},
		{"CRC32 of a heartbeat", change(wire{id: 7, sum: true, command: -1}, 24, 'x'), rpc.RuleSum, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{len(c.b), 1} {
				e := newEnd(t, true, small)
				for b := c.b; len(b) > 0; b = b[size:] {
					e.receive(b[:size])
				}
				if !errors.Is(e.err, c.want.Request) {
					t.Fatalf("error %v, want %v", e.err, c.want.Request)
				}
				e.want()
				if c.answer {
					q := wire{id: 7, sum: strings.Contains(c.name, "CRC32")}
					e.wantOut(ownAnswer(q, statusCodecException, c.want.Request.Reason))
				} else {
					e.wantOut()
				}
				if s := e.codec.Status(); s.Phase != protocols.PhaseClosing {
					t.Errorf("status %+v", s)
				}
				if n, err := e.codec.Decode(1, []byte("xyz"), &e.sink, &e.out); n != 3 || err != nil {
					t.Errorf("Decode behind an error: %d, %v", n, err)
				}
			}
		})
	}
}

// A long request with a wrong CRC32 never gets its end, and is void.
func TestServerVoidsALongRequestWithAWrongSum(t *testing.T) {
	w := wire{id: 7, sum: true, content: strings.Repeat("x", 40000)}
	b := w.bytes()
	b[39999] = 'y'
	e := newEnd(t, true, protocols.Limits{})
	e.receive(b[:20000])
	e.receive(b[20000:])
	lines := e.sink.take()
	if len(lines) != 3 || strings.HasSuffix(lines[1], "end") || lines[2] != "4096 reset protocol_error" {
		t.Errorf("events %q", lines)
	}
	if !errors.Is(e.err, rpc.RuleSum.Request) {
		t.Errorf("error %v", e.err)
	}
	e.wantOut(ownAnswer(w, statusCodecException, protocols.ReasonProtocolError))
}

// An error in one frame takes nothing from the requests before it.
func TestServerAnswersWhatCameBeforeAnError(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	e.receive(append(wire{id: 1}.bytes(), "garbage"...))
	if e.err == nil || e.codec.Status().Phase != protocols.PhaseDraining {
		t.Fatalf("error %v, status %+v", e.err, e.codec.Status())
	}
	e.encode(head(first, headOf(404, 0), true))
	e.wantOut(ownAnswer(wire{id: 1}, 6, 0))
	if e.codec.Status().Phase != protocols.PhaseClosing {
		t.Errorf("status %+v", e.codec.Status())
	}
}

func TestServerEndOfInput(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"between frames", nil, nil},
		{"behind a request", wire{id: 1}.bytes(), nil},
		{"in a head", wire{id: 1}.bytes()[:10], rpc.RuleCut.Request},
		{"in a short frame", wire{content: "abc"}.bytes()[:23], rpc.RuleCut.Request},
		{"in a long frame", wire{content: strings.Repeat("x", 50000)}.bytes()[:40000], rpc.RuleCut.Request},
	} {
		e := newEnd(t, true, protocols.Limits{})
		e.receive(c.b)
		if err := e.codec.DecodeEOF(1, e.left, &e.sink, &e.out); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if s := e.codec.Status(); s.Phase != protocols.PhaseClosing && c.name != "behind a request" {
			t.Errorf("%s: status %+v", c.name, s)
		}
	}
}
