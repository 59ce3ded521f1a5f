package http2

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

// An attack is a step that is repeated until the codec has enough of it, which must be after so many.
type attack struct {
	from, to int // repetitions
	limits   protocols.Limits
	setup    func(e *end)
	step     func(w *script, i int)
	full     bool // nobody reads what we send
	rule     rule
}

// nth is the number of the i-th stream.
func nth(i int) uint32 { return uint32(2*i + 1) }

func TestFloodsEndTheConnection(t *testing.T) {
	indexed := "\x82\x86\x84\x41\x01a" // GET http / and an authority that goes into the table
	for name, a := range map[string]attack{
		"CVE-2023-44487 rapid reset": {from: resetBurst, to: resetBurst + 1, rule: ruleFloodReset, step: func(w *script, i int) {
			w.get(nth(i)).word(frameReset, nth(i), uint32(codeCancel))
		}},
		"resets of closed streams": {from: resetBurst, to: resetBurst + 1, rule: ruleFloodReset,
			setup: func(e *end) { e.recv(new(script).get(1)) }, step: func(w *script, _ int) { w.word(frameReset, 1, 0) }},
		"CVE-2025-8671 zero update": {from: maxFaults, to: maxFaults + 1, rule: ruleFloodFaults, step: func(w *script, i int) {
			w.get(nth(i)).word(frameWindowUpdate, nth(i), 0)
		}},
		"CVE-2025-8671 update overflow": {from: maxFaults, to: maxFaults + 1, rule: ruleFloodFaults, step: func(w *script, i int) {
			w.get(nth(i)).word(frameWindowUpdate, nth(i), maxWindow)
		}},
		"CVE-2025-8671 data behind the end": {from: maxFaults, to: maxFaults + 1, rule: ruleFloodFaults, step: func(w *script, i int) {
			w.get(nth(i)).data(nth(i), false, "x")
		}},
		"CVE-2025-8671 trailers without end": {from: maxFaults, to: maxFaults + 1, rule: ruleFloodFaults, step: func(w *script, i int) {
			w.post(nth(i)).headers(nth(i), false, "a", "b")
		}},
		"CVE-2019-9514 malformed heads": {from: maxFaults, to: maxFaults + 1, rule: ruleFloodFaults, step: func(w *script, i int) {
			w.headers(nth(i), true, "a", "b")
		}},
		"heads that are too large": {from: maxFaults, to: maxFaults + 1, limits: protocols.Limits{HeadFields: 4}, rule: ruleFloodFaults,
			step: func(w *script, i int) { w.get(nth(i), "a", "b") }},
		"streams over the limit": {from: maxFaults + 1, to: maxFaults + 2, limits: protocols.Limits{Streams: 1}, rule: ruleFloodFaults,
			step: func(w *script, i int) { w.get(nth(i)) }},
		"CVE-2019-9512 ping":     {from: 100, to: 101, rule: ruleFloodPing, step: func(w *script, _ int) { w.frame(framePing, 0, 0, "12345678") }},
		"ping answers":           {from: 100, to: 101, rule: ruleFloodPing, step: func(w *script, _ int) { w.frame(framePing, flagAck, 0, "12345678") }},
		"CVE-2019-9513 priority": {from: 100, to: 101, rule: ruleFloodPriority, step: func(w *script, _ int) { w.frame(framePriority, 0, 3, "\x00\x00\x00\x01\x10") }},
		"priority updates":       {from: 100, to: 101, rule: ruleFloodPriority, step: func(w *script, _ int) { w.frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x01u=1") }},
		"unknown frames":         {from: 100, to: 101, rule: ruleFloodPriority, step: func(w *script, _ int) { w.frame(0x77, 0, 3, "") }},
		"CVE-2019-9515 settings": {from: 48, to: 49, rule: ruleFloodSettings, step: func(w *script, _ int) { w.settings() }},
		"CVE-2019-9518 empty data": {from: 100, to: 101, rule: ruleFloodEmpty, setup: func(e *end) { e.recv(new(script).post(1)) },
			step: func(w *script, _ int) { w.data(1, false, "") }},
		"data of padding only": {from: 100, to: 101, rule: ruleFloodEmpty, setup: func(e *end) { e.recv(new(script).post(1)) },
			step: func(w *script, _ int) { w.frame(frameData, flagPadded, 1, "\x02\x00\x00") }},
		"window updates": {from: updatesBase + 100, to: updatesBase + 101, rule: ruleFloodUpdate,
			step: func(w *script, _ int) { w.word(frameWindowUpdate, 0, 1) }},
		"data of a stream that we have reset": {from: resetBurst, to: resetBurst + 1, rule: ruleFloodLate,
			setup: func(e *end) {
				e.recv(new(script).post(1))
				_ = e.encode(protocols.Event{Kind: protocols.KindReset, Stream: 1})
			},
			step: func(w *script, _ int) { w.data(1, false, "x") }},
		"CVE-2019-9517 answers that nobody reads": {from: maxUnread, to: maxUnread + 1, rule: ruleFloodUnread, full: true,
			setup: func(e *end) { e.recv(new(script).post(1)) },
			step:  func(w *script, i int) { w.frame(frameHeaders, flagEndHeaders, nth(i+1), indexed) }},
	} {
		e := server(t, a.limits)
		if a.setup != nil {
			a.setup(e)
		}
		if a.full {
			e.out.Write(make([]byte, (farAbove+1)*protocols.OutputHigh))
		}
		before := e.out.Buffered()
		n := 0
		for ; e.err == nil && n < 3000; n++ {
			var w script
			a.step(&w, n)
			e.recv(&w)
		}
		if n-1 < a.from || n-1 > a.to || !errors.Is(e.err, clientFaults[a.rule]) {
			t.Errorf("%s: ended by %v after %d steps, want %v", name, e.err, n-1, clientFaults[a.rule])
		}
		if out := e.out.Buffered() - before; out > 40_000 {
			t.Errorf("%s: %d bytes were written", name, out)
		}
		var goAway [8]byte
		binary.BigEndian.PutUint32(goAway[4:], uint32(codeEnhanceYourCalm))
		if !strings.Contains(string(e.out.B), string(goAway[4:])+clientFaults[a.rule].Detail) {
			t.Errorf("%s: no GOAWAY says so", name)
		}
		if e.codec.streams.n != 0 || e.env.Owed != 0 {
			t.Errorf("%s: %d streams, %d owed are left", name, e.codec.streams.n, e.env.Owed)
		}
	}
}

// The same at a rate that honest peers have goes on for ever.
func TestHonestRatesPass(t *testing.T) {
	e := server(t, protocols.Limits{})
	for i := range 5000 {
		e.now += 25 * time.Millisecond
		e.recv(new(script).get(nth(i)).word(frameReset, nth(i), 8).frame(framePing, 0, 0, "12345678").settings().
			frame(framePriority, 0, 1, "\x00\x00\x00\x03\x10").word(frameWindowUpdate, 0, 1).word(frameWindowUpdate, 0, 1))
		e.out.Take()
	}
	if e.err != nil {
		t.Error(e.err)
	}
}

// Who cancels one of two requests, faster than 100 a second, is served; so is a browser that says something about each.
func TestBusyClientsPass(t *testing.T) {
	e := server(t, protocols.Limits{})
	for i := range 5000 {
		e.recv(new(script).get(nth(2*i)).get(nth(2*i+1)).word(frameReset, nth(2*i+1), 8).
			frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x01u=1").frame(0x0b, 0, 0, "grease"))
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: protocols.StreamID(nth(2 * i)), Header: answerHeader(204), End: true}); err != nil {
			t.Fatal(i, err)
		}
		e.out.Take()
	}
	if e.err != nil {
		t.Error(e.err)
	}
}

// gRPC's peers send a PING whenever data comes, to measure the path: however fast that is, they are served.
func TestMeasuringPeersPass(t *testing.T) {
	e := server(t, protocols.Limits{})
	for i := range 5000 {
		e.recv(new(script).get(nth(i)))
		id := protocols.StreamID(nth(i))
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: id, Header: answerHeader(200)}); err != nil {
			t.Fatal(i, err)
		}
		if err := e.encode(protocols.Event{Kind: protocols.KindData, Stream: id, Data: []byte("hello"), End: true}); err != nil {
			t.Fatal(i, err)
		}
		e.recv(new(script).frame(framePing, 0, 0, "12345678").word(frameWindowUpdate, 0, 5))
		e.out.Take()
	}
	if e.err != nil {
		t.Error(e.err)
	}
}

// A field block may be sent in pieces, but not in many, nor be large.
func TestContinuationFlood(t *testing.T) {
	for name, c := range map[string]struct {
		piece string
		rule  rule
		most  int
	}{
		"CVE-2024-27316":       {block("a", "b"), ruleFragments, maxFragments * 30},
		"CVE-2024-2758, empty": {"", ruleFragments, maxFragments * 30},
		"large":                {strings.Repeat("\x00\x01a\x01b", 3000), ruleBlockSize, maxBlock},
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).frame(frameHeaders, flagEndStream, 1, block(requestLine("GET")...)))
		most := 0
		for range 100 {
			e.recv(new(script).frame(frameContinuation, 0, 1, c.piece))
			if e.err == nil {
				most = max(most, len(e.left))
			}
		}
		if !errors.Is(e.err, clientFaults[c.rule]) || most > c.most {
			t.Errorf("%s: %v, up to %d bytes were kept, want %d", name, e.err, most, c.most)
		}
	}
}

// Small blocks that stand for much stop being decoded.
func TestBombs(t *testing.T) {
	// CVE-2016-6581: one entry of almost 4 KiB, named by one byte each.
	huge := block("a", strings.Repeat("v", 3900))
	huge = "\x40" + huge[1:] // literal with incremental indexing
	for name, c := range map[string]struct {
		repeat string
		times  int
		rule   rule
	}{
		"CVE-2016-6581":             {"\xbe", 16_000, ruleBlockBomb},
		"CVE-2026-49975, many refs": {"\x82", 16_000, ruleBlockBomb},
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).frame(frameHeaders, flagEndHeaders|flagEndStream, 1, huge+strings.Repeat(c.repeat, c.times-len(huge))))
		if !errors.Is(e.err, clientFaults[c.rule]) {
			t.Errorf("%s: %v", name, e.err)
		}
		if size := e.codec.loop.header.Size(); size > 300_000 {
			t.Errorf("%s: it took %d bytes", name, size)
		}
	}
	// The same below the hard limit: cookies and fields that are dropped count, and the answer is 431.
	for name, fields := range map[string][]string{
		"CVE-2026-47774, cookies": strings.Split(strings.Repeat("cookie  ", 130)[:130*8-1], " "),
		"CVE-2026-73550, hosts":   strings.Split(strings.Repeat("host a.example ", 130)[:130*15-1], " "),
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).get(1, fields...))
		e.expect(t, name, nil, []string{"HEADERS 1 :status=431 END"}, 0)
	}
}

// Who does not read is not served any more.
func TestOutputIsBounded(t *testing.T) {
	e := server(t, protocols.Limits{})
	e.recv(new(script).settings(4, maxWindow).word(frameWindowUpdate, 0, maxWindow-firstWindow).get(1))
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(200)}); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for range 100 {
		n, err := e.codec.Encode(0, &protocols.Event{Kind: protocols.KindData, Stream: 1, Data: make([]byte, 32<<10)}, &e.out)
		if err != nil {
			t.Fatal(err)
		}
		taken += n
	}
	if most := protocols.OutputHigh + frameSize + 200; taken > most || e.out.Buffered() > most {
		t.Errorf("%d bytes were taken", taken)
	}
	e.sink.Take()
	e.frames()
	e.codec.Drained(0, &e.sink, &e.out)
	if events := e.sink.Take(); len(events) != 1 || !strings.HasPrefix(events[0], "1 credit 2147") {
		t.Errorf("behind Drained: %q", events)
	}
}

// Data dribble, CVE-2019-9511: a window of one byte at a time costs the peer a frame for each.
func TestDribble(t *testing.T) {
	e := server(t, protocols.Limits{})
	e.recv(new(script).settings(4, 0).get(1))
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(200)}); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 100_000)
	sent := 0
	push := func() {
		n, err := e.codec.Encode(e.now, &protocols.Event{Kind: protocols.KindData, Stream: 1, Data: body[sent:]}, &e.out)
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	push()
	e.sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindCredit {
			push()
		}
		return protocols.More
	}
	for range 5000 {
		e.recv(new(script).word(frameWindowUpdate, 1, 1))
		e.out.Take()
		e.sink.Take()
	}
	if e.err != nil || sent != 5000 {
		t.Errorf("%v, %d sent: each update lets one byte through, and pays for itself", e.err, sent)
	}
}
