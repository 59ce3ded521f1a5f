package dubbo

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

// Names of any length and alphabet are written and read alike; a value is what it was or refused.
func TestNamesPass(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aZ.$/ äß€語\u07ff\u0800\uffff")), 0, 300, -1)
		h := new(protocols.Header)
		h.Reset()
		h.ContentLength = 0
		want := []string{"dubbo", text.Draw(rt, "dubbo"), "service", text.Draw(rt, "service"), "version", text.Draw(rt, "version"),
			"method", strings.Repeat(text.Draw(rt, "method"), rapid.SampledFrom([]int{1, 40}).Draw(rt, "times"))}
		for i := 0; i < len(want); i += 2 {
			h.AddString(want[i], want[i+1])
		}
		up, next := newEnd(t, false, protocols.Limits{}), newEnd(t, true, protocols.Limits{ClassBytes: 40000, HeadBytes: 200000})
		up.encode(protocols.Event{Kind: protocols.KindHead, Header: h, End: true})
		var got []string
		next.sink.Then = func(ev *protocols.Event) protocols.Verdict {
			for i := range ev.Header.Len() {
				_, name, value, _ := ev.Header.Field(i)
				got = append(got, string(name), string(value))
			}
			return protocols.More
		}
		next.receive(up.out.Take(), 1<<20)
		if next.err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			rt.Fatalf("%q arrives as %q, %v", want, got, next.err)
		}
	})
}

// Every string is read to its end or refused, whatever it is; what is accepted is UTF-8 without control characters.
func TestScanStringIsStrict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		off, next, s := scanString(b, 0, 100)
		if s != scanned {
			return
		}
		v := b[off:next]
		if strings.ContainsFunc(string(v), func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
			t.Fatalf("%q has control characters", v)
		}
		// Surrogates in three bytes each are Dubbo's form of other planes, and nobody else's.
		if !utf8.Valid(v) && !strings.Contains(string(v), "\xed") {
			t.Fatalf("%q is accepted", v)
		}
		if again := append(appendLength(nil, unitsOf(v)), v...); len(again) > next {
			t.Fatalf("%q is written longer than it was", v)
		}
	})
}

// Frames of the codec's own fit, and say why.
func TestOwnFrames(t *testing.T) {
	for reason := range protocols.NumReasons {
		f := rpc.Frame{ID: 5, Status: dubboStatus(reason.Status())}
		b := (format{}).AppendOwn(nil, &f, reason)
		if len(b) > rpc.MaxOwn || reason != protocols.ReasonNone && !strings.HasSuffix(string(b), "sluice: "+reason.String()+": "+reason.Text()) {
			t.Errorf("%s: %q", reason, b)
		}
		if _, next, s := scanString(b, fixedLen, 1000); s != scanned || next != len(b) {
			t.Errorf("%s: its text is no string", reason)
		}
	}
}

// Statuses that come back from an upstream unchanged leave as they came; those that the gateway makes are its own.
func TestStatuses(t *testing.T) {
	for status, want := range map[int]uint16{200: 20, 204: 20, 404: 60, 502: 60, 503: 100, 429: 100, 504: 30, 408: 30, 403: 80,
		400: 40, 413: 40, 431: 40, 500: 70, 499: 70, 0: 70} {
		if got := dubboStatus(status); got != want {
			t.Errorf("%d becomes %d, want %d", status, got, want)
		}
	}
	for code := range 256 {
		h := protocols.Header{Proto: protocols.ProtocolDubbo, Code: uint16(code), Status: httpStatus(uint16(code))}
		if got := answerStatus(&h); got != uint16(code) {
			t.Errorf("%d is passed on as %d", code, got)
		}
		h.Status = 403
		if got := answerStatus(&h); got != statusServerError {
			t.Errorf("%d, changed, is passed on as %d", code, got)
		}
	}
}

// A head of which the gateway changes something is made anew, and one of another protocol's answer takes the call's
// serialization.
func TestChangedHeads(t *testing.T) {
	down, up, _ := newHop(t, protocols.Limits{})
	pass := down.sink.Then
	down.sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead {
			ev.Header.SetString("service", "Other")
			ev.Header.DelName("version")
			ev.Header.AddString("x-request-id", "1")
		}
		return pass(ev)
	}
	down.receive(request(7, "Echo", "echo", "ARGS"), 1<<20)
	if got, want := string(up.out.Take()), string(frameBytes(0xc2, 0, first, "\x052.0.2\x05OtherN\x04echoARGS")); got != want {
		t.Errorf("passed on as\n%q, want\n%q", got, want)
	}
	var id protocols.StreamID
	down.sink.Then = func(ev *protocols.Event) protocols.Verdict { id = ev.Stream; return protocols.More }
	down.receive(frameBytes(0xc6, 0, 9, "[]"), 1<<20)
	h := new(protocols.Header)
	h.SetAnswer(200, "", 2)
	down.encode(protocols.Event{Kind: protocols.KindHead, Stream: id, Header: h})
	down.encode(protocols.Event{Kind: protocols.KindData, Stream: id, Data: []byte("{}"), End: true})
	if got, want := string(down.out.Take()), string(frameBytes(6, 20, 9, "{}")); got != want {
		t.Errorf("answered by\n%q, want\n%q", got, want)
	}
}

// Limits are those of rpc; the names' own is ClassBytes, and a head that is still coming is refused before all of it is
// there.
func TestLongHeadIsRefusedEarly(t *testing.T) {
	long := string(appendLength(nil, 30000)) + strings.Repeat("x", 30000)
	b := frameBytes(0xc2, 0, 1, long+long+long+long)
	e := newEnd(t, true, protocols.Limits{ClassBytes: -1, HeadBytes: 40000})
	e.receive(b, 1000)
	if !errors.Is(e.err, rpc.RuleHead.Request) || len(e.left) > 41000 {
		t.Errorf("%v behind %d bytes", e.err, len(e.left))
	}
}

// Late, repeated and unknown answers are dropped and counted.
func TestAnswersOfNobody(t *testing.T) {
	down, up, ids := newHop(t, protocols.Limits{})
	down.receive(append(request(1, "s", "m", ""), request(2, "s", "m", "")...), 1<<20)
	up.encode(protocols.Event{Kind: protocols.KindReset, Stream: first})
	for _, id := range []uint64{first, 2*first + 1, 2*first + 1, 1 << 40, 1<<32 | 2*first + 1} {
		up.receive(answer(id, 20, "x"), 1<<20)
	}
	if got := *up.env.Counts; got.Late != 1 || got.Unknown != 3 || len(ids) != 2 {
		t.Errorf("%+v", got)
	}
	if got := up.sink.Take(); len(got) != 2 || up.err != nil {
		t.Errorf("%q, %v", got, up.err)
	}
}
