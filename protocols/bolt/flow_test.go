package bolt

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
	"sluice/protocols/rpc"
)

// open lets n requests arrive, with ids from 1 on, and returns their streams.
func open(e *end, n int) (ids []protocols.StreamID) {
	e.t.Helper()
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead {
			ids = append(ids, ev.Stream)
			ev.Owner = ev.Stream
		}
		return protocols.More
	}
	for i := range n {
		e.receive(wire{id: uint32(i + 1)}.bytes())
	}
	e.sink.take()
	return ids
}

// boltHead is the head of an answer that a Bolt client has decoded, of so many bytes of content.
func boltHead(t testing.TB, length int64) *protocols.Header {
	h, _ := decoded(t, wire{resp: true})
	h.ContentLength = length
	return h
}

// While a long answer is on its way nothing else goes out; then local replies and heartbeats do, and the heads that
// had to wait get their turns.
func TestAnswersWaitForEachOther(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	ids := open(e, 6)
	e.encode(head(ids[0], boltHead(t, 40000), false))
	e.encode(data(ids[0], strings.Repeat("a", 39999), false))
	for _, i := range []int{1, 2, 3} {
		for range 2 {
			ev := head(ids[i], boltHead(t, 0), true)
			if _, err := e.codec.Encode(1, &ev, &e.out); !errors.Is(err, protocols.ErrWait) {
				t.Fatalf("head %d within another's content: %v", i, err)
			}
		}
	}
	e.encode(head(ids[4], headOf(404, 0), true))
	e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ids[2], Reason: protocols.ReasonDrained})
	e.receive(wire{command: -1, id: 66}.bytes())
	if s := e.codec.Status(); s.Yielded || e.codec.Deadline() != 0 {
		t.Errorf("a turn is due within a frame: %+v", s)
	}
	e.want()
	e.encode(data(ids[0], "a", true))
	e.wantOut(wire{resp: true, id: 1, content: strings.Repeat("a", 40000)}, ownAnswer(wire{id: 5}, 6, 0),
		ownAnswer(wire{id: 3}, 4, protocols.ReasonDrained), wire{resp: true, command: -1, id: 66})
	if s := e.codec.Status(); !s.Yielded || e.codec.Deadline() == 0 {
		t.Errorf("no turn is due behind the frame: %+v", s)
	}
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind != protocols.KindCredit || ev.Owner != ev.Stream || ev.N <= 0 {
			t.Errorf("%s for %v, N %d", ev.Kind, ev.Owner, ev.N)
		}
		e.encode(head(ev.Stream, boltHead(t, 0), true))
		return protocols.More
	}
	if err := e.codec.Advance(2, &e.sink, &e.out); err != nil {
		t.Fatal(err)
	}
	e.want("8193 credit", "16387 credit")
	e.wantOut(wire{resp: true, id: 2}, wire{resp: true, id: 4})
	if s := e.codec.Status(); s.Yielded || s.Idle {
		t.Errorf("status %+v", s)
	}
	// Who does not take its turn is not asked again, and can come by itself.
	e.encode(head(ids[5], boltHead(t, 0), true))
	if !e.codec.Status().Idle {
		t.Error("a stream stays open")
	}
}

// A client that does not read gets nothing more decoded and no more answers, until it reads.
func TestServerStopsForAClientThatDoesNotRead(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	ids := open(e, 3)
	e.encode(head(ids[0], boltHead(t, 100000), false))
	e.encode(data(ids[0], strings.Repeat("a", 70000), false))
	big := data(ids[0], strings.Repeat("a", 30000), true)
	if n, err := e.codec.Encode(1, &big, &e.out); n != 0 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	e.receive(wire{command: -1, id: 9}.bytes())
	if s := e.codec.Status(); !s.Stalled || s.Yielded || len(e.left) == 0 {
		t.Errorf("status %+v, %d left", s, len(e.left))
	}
	e.out.Take()
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		e.encode(big)
		return protocols.More
	}
	e.codec.Drained(2, &e.sink, &e.out)
	e.want("4096 credit")
	if s := e.codec.Status(); s.Stalled || !s.Yielded {
		t.Errorf("status %+v", s)
	}
	e.out.Take()
	e.receive(nil)
	e.wantOut(wire{resp: true, command: -1, id: 9})

	// Heads wait for room, too; a short frame that is begun is completed.
	e.encode(head(ids[1], boltHead(t, 3), false))
	e.out.Write(make([]byte, protocols.OutputHigh))
	e.encode(data(ids[1], "abc", true))
	ev := head(ids[2], boltHead(t, 0), true)
	if _, err := e.codec.Encode(1, &ev, &e.out); !errors.Is(err, protocols.ErrWait) || e.codec.Status().Yielded {
		t.Fatalf("head above OutputHigh: %v, %+v", err, e.codec.Status())
	}
	e.out.Take()
	e.sink.then = nil
	e.codec.Drained(3, &e.sink, &e.out)
	e.want("12290 credit")
}

// A client codec has no room while its output is full.
func TestClientHasRoomForWhatFits(t *testing.T) {
	e := newEnd(t, false, protocols.Limits{Calls: 2})
	e.out.Write(make([]byte, protocols.OutputHigh))
	e.encode(head(0, headOf(0, -1), true))
	if r := e.codec.Status().Room; r != 0 {
		t.Errorf("room %d above OutputHigh", r)
	}
	e.out.Take()
	e.codec.Drained(1, &e.sink, &e.out)
	if r := e.codec.Status().Room; r != 1 {
		t.Errorf("room %d, want 1 of 2", r)
	}
	e.encode(head(0, headOf(0, -1), true))
	ev := head(0, headOf(0, -1), true)
	if _, err := e.codec.Encode(1, &ev, &e.out); !errors.Is(err, rpc.ErrPhase) {
		t.Errorf("a stream over the limit: %v", err)
	}
}

// What a sink does not take is counted until it is returned, and stops the connection when it is too much.
func TestPausedContentStopsTheConnection(t *testing.T) {
	long := wire{id: 1, content: strings.Repeat("x", 200000)}.bytes()
	e := newEnd(t, true, protocols.Limits{})
	verdict := protocols.Pause
	got := 0
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		got += len(ev.Data)
		return verdict
	}
	for b := long; len(b) > 0; b = b[min(len(b), 10000):] {
		e.receive(b[:min(len(b), 10000)])
	}
	if s := e.codec.Status(); !s.Stalled || s.Yielded || got < window || got > window+10000 || e.env.Owed != got {
		t.Fatalf("%d bytes passed on, %d owed, %+v", got, e.env.Owed, s)
	}
	e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: first, N: got})
	if s := e.codec.Status(); s.Stalled || !s.Yielded || e.env.Owed != 0 {
		t.Fatalf("%d owed behind the credit, %+v", e.env.Owed, s)
	}
	verdict = protocols.More
	e.receive(nil)
	if got != 200000 || e.env.Owed != 0 {
		t.Errorf("%d bytes passed on, %d owed", got, e.env.Owed)
	}
	e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: first, N: 5})
	if e.env.Owed != 0 {
		t.Errorf("a credit for nothing makes %d", e.env.Owed)
	}
}

// Short frames are counted together, and a stream that ends takes its part away.
func TestOwedIsOfOpenStreams(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{Owed: 1000})
	e.sink.then = func(*protocols.Event) protocols.Verdict { return protocols.Pause }
	for i := range 3 {
		e.receive(wire{id: uint32(i), content: strings.Repeat("x", 500)}.bytes())
	}
	if s := e.codec.Status(); !s.Stalled || e.env.Owed != 1000 || len(e.left) == 0 {
		t.Fatalf("%d owed, %+v", e.env.Owed, s)
	}
	e.encode(head(first, headOf(404, 0), true))
	if s := e.codec.Status(); s.Stalled || !s.Yielded || e.env.Owed != 500 {
		t.Fatalf("%d owed, %+v", e.env.Owed, s)
	}
	e.receive(nil)
	e.codec.(protocols.Closer).Closed()
	e.codec.(protocols.Closer).Closed()
	if e.env.Owed != 0 || !e.codec.Status().Idle && e.codec.Status().Phase != protocols.PhaseClosing {
		t.Errorf("%d owed behind Closed, %+v", e.env.Owed, e.codec.Status())
	}
}

// One Decode starts so many frames, and then says that it would go on.
func TestDecodeYields(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	b := []byte(strings.Repeat(string(wire{command: -1}.bytes()), maxStarts+1))
	n, err := e.codec.Decode(1, b, &e.sink, &e.out)
	if n != len(b)/(maxStarts+1)*maxStarts || err != nil || !e.codec.Status().Yielded {
		t.Errorf("used %d of %d, %v, %+v", n, len(b), err, e.codec.Status())
	}
	if n, err = e.codec.Decode(1, b[n:], &e.sink, &e.out); n == 0 || err != nil || e.codec.Status().Yielded {
		t.Errorf("used %d, %v, %+v", n, err, e.codec.Status())
	}
}

// Calls over the limit are answered as busy; what they carry is dropped.
func TestServerIsBusy(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{Calls: 2})
	open(e, 2)
	over, long := wire{id: 8, content: "abc"}, wire{sum: true, id: 9, content: strings.Repeat("x", 50000)}
	oneway := wire{kind: kindOneWay, id: 10}
	e.receive(append(append(over.bytes(), long.bytes()...), oneway.bytes()...))
	e.want()
	e.wantOut(ownAnswer(over, statusBusy, protocols.ReasonOverflow), ownAnswer(long, statusBusy, protocols.ReasonOverflow))
	if e.env.Counts.Refused != 3 || len(e.left) > 0 {
		t.Errorf("counts %+v, %d left", e.env.Counts, len(e.left))
	}
}

// A frame of the codec's own that can't be kept ends the connection: nobody needs so many.
func TestHeartbeatsWithinAFrameAreBounded(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	ids := open(e, 1)
	e.encode(head(ids[0], boltHead(t, 40000), false))
	beat := wire{command: -1}.bytes()
	for range maxSlots - 1 {
		e.receive(beat)
	}
	if e.err != nil {
		t.Fatal(e.err)
	}
	e.receive(beat)
	if !errors.Is(e.err, rpc.RuleFlood.Request) {
		t.Errorf("error %v", e.err)
	}
}

// A drain lets what is on its way come, and ends when it is quiet.
func TestServerGoesAway(t *testing.T) {
	for _, announce := range []bool{false, true} {
		e := newEnd(t, true, protocols.Limits{})
		e.env.Announce = announce
		ids := open(e, 1)
		e.encode(protocols.Event{Kind: protocols.KindGoAway})
		if announce {
			e.wantOut(wire{command: commandGoAway, timeout: -1})
		} else {
			e.wantOut()
		}
		ids = append(ids, open(e, 1)...) // a request that was on its way
		for _, id := range ids {
			if e.codec.Deadline() != 0 {
				t.Error("a deadline while streams are open")
			}
			e.encode(head(id, headOf(404, 0), true))
		}
		if s := e.codec.Status(); s.Phase != protocols.PhaseDraining || e.codec.Deadline() != 1+quiet {
			t.Errorf("%+v, deadline %v", s, e.codec.Deadline())
		}
		if _ = e.codec.Advance(quiet, &e.sink, &e.out); e.codec.Status().Phase != protocols.PhaseDraining {
			t.Error("closes too early")
		}
		if _ = e.codec.Advance(1+quiet, &e.sink, &e.out); e.codec.Status().Phase != protocols.PhaseClosing {
			t.Errorf("%+v behind the quiet", e.codec.Status())
		}
	}
}

// The second goaway, and the client's own, close behind the last stream.
func TestServerClosesBehindTheLastStream(t *testing.T) {
	for _, byClient := range []bool{false, true} {
		e := newEnd(t, true, protocols.Limits{})
		ids := open(e, 1)
		if byClient {
			e.receive(append(wire{command: commandGoAway}.bytes(), wire{command: commandGoAway}.bytes()...))
			e.want("0 goaway drained")
		} else {
			e.encode(protocols.Event{Kind: protocols.KindGoAway})
			e.encode(protocols.Event{Kind: protocols.KindGoAway})
		}
		if s := e.codec.Status(); s.Phase != protocols.PhaseDraining {
			t.Errorf("%+v", s)
		}
		e.encode(head(ids[0], headOf(404, 0), true))
		if s := e.codec.Status(); s.Phase != protocols.PhaseClosing {
			t.Errorf("%+v behind the last answer", s)
		}
	}
}

// A goaway frame waits for the end of the frame on its way.
func TestGoAwayIsNotWrittenWithinAFrame(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	e.env.Announce = true
	ids := open(e, 1)
	e.encode(head(ids[0], boltHead(t, 2), false))
	e.encode(protocols.Event{Kind: protocols.KindGoAway})
	e.encode(data(ids[0], "ab", true))
	e.wantOut(wire{resp: true, id: 1, content: "ab"}, wire{command: commandGoAway, timeout: -1})
}

func TestServerAbortsHalfAnAnswer(t *testing.T) {
	e := newEnd(t, true, protocols.Limits{})
	ids := open(e, 2)
	e.encode(head(ids[0], boltHead(t, 2), false))
	e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ids[0], Reason: protocols.ReasonUpstreamCut})
	if s := e.codec.Status(); s.Phase != protocols.PhaseAbort {
		t.Errorf("%+v", s)
	}
	e.out.Take()
	e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ids[1]})
	e.wantOut()
}

func TestClientGoesAway(t *testing.T) {
	for _, byServer := range []bool{false, true} {
		e := begun(t, protocols.Limits{})
		if byServer {
			e.receive(wire{command: commandGoAway, timeout: -1}.bytes())
			e.want("0 goaway drained")
		} else {
			e.encode(protocols.Event{Kind: protocols.KindGoAway})
		}
		e.wantOut()
		if s := e.codec.Status(); s.Phase != protocols.PhaseDraining || s.Room != 0 {
			t.Errorf("%+v", s)
		}
		e.receive(wire{resp: true, id: first}.bytes())
		if s := e.codec.Status(); s.Phase != protocols.PhaseClosing {
			t.Errorf("%+v behind the last answer", s)
		}
	}
}

// A silent server is asked three times.
func TestClientPings(t *testing.T) {
	const interval, timeout = 15 * time.Second, time.Second
	e := newEnd(t, false, protocols.Limits{PingInterval: interval, PingTimeout: timeout})
	c := e.codec
	now := 100 * time.Second
	advance := func(d time.Duration) error { now += d; return c.Advance(now, &e.sink, &e.out) }
	ping := func(n uint32) wire { return wire{command: -1, id: pingMark | n, timeout: -1} }
	if err := advance(0); err != nil || c.Deadline() != now+interval {
		t.Fatalf("%v, deadline %v of a new connection", err, c.Deadline())
	}
	e.wantOut()
	_ = advance(interval - 1)
	e.wantOut()
	_ = advance(1)
	e.wantOut(ping(1))
	if c.Deadline() != now+timeout {
		t.Errorf("deadline %v", c.Deadline())
	}
	// An answer, like anything else that comes, starts the silence anew.
	b := wire{resp: true, command: -1, id: pingMark | 1}.bytes()
	if n, err := c.Decode(now, b, &e.sink, &e.out); n != len(b) || err != nil || c.Deadline() != now+interval {
		t.Fatalf("%d, %v, deadline %v", n, err, c.Deadline())
	}
	_ = advance(interval)
	e.wantOut(ping(2))
	_ = advance(timeout)
	e.wantOut(ping(3))
	_ = advance(timeout)
	e.wantOut(ping(4))
	if err := advance(timeout); !errors.Is(err, rpc.ErrSilent) || c.Status().Phase != protocols.PhaseAbort || c.Deadline() != 0 {
		t.Errorf("%v, %+v, deadline %v", err, c.Status(), c.Deadline())
	}
	if e.env.Counts.Pings != 4 {
		t.Errorf("%+v", e.env.Counts)
	}
	// Within a frame no ping can be sent.
	e = newEnd(t, false, protocols.Limits{PingInterval: interval})
	e.encode(head(0, headOf(0, 2), false))
	e.out.Take()
	if err := e.codec.Advance(now, &e.sink, &e.out); err != nil || e.codec.Deadline() != now+interval {
		t.Errorf("%v, deadline %v", err, e.codec.Deadline())
	}
	e.wantOut()
	if d := newEnd(t, false, protocols.Limits{}).codec.Deadline(); d != 0 {
		t.Errorf("deadline %v without PingInterval", d)
	}
}

func TestServerRefusesToEncode(t *testing.T) {
	for _, c := range []struct {
		name string
		ev   protocols.Event
		want error
	}{
		{"no stream", head(0, headOf(200, 0), true), rpc.ErrStream},
		{"another stream", head(second, headOf(200, 0), true), rpc.ErrStream},
		{"content first", data(first, "x", true), rpc.ErrHeadFirst},
		{"no status", head(first, headOf(0, 0), true), rpc.ErrStatus},
		{"content of unknown length", head(first, headOf(200, -1), false), rpc.ErrLength},
		{"content over the limit", head(first, headOf(200, 16<<20+1), false), rpc.ErrContent},
		{"the end of announced content", head(first, headOf(200, 1), true), rpc.ErrShort},
		{"a header map that is too long", head(first, headOf(200, 0, "a", strings.Repeat("x", maxBlock-8)), true), errBlock},
		{"no event", protocols.Event{}, rpc.ErrKind},
	} {
		e := newEnd(t, true, protocols.Limits{})
		open(e, 1)
		if _, err := e.codec.Encode(1, &c.ev, &e.out); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		e.wantOut()
		e.encode(protocols.Event{Kind: protocols.KindReset, Stream: first, Reason: protocols.ReasonInternal})
		e.wantOut(ownAnswer(wire{id: 1}, statusUnknown, protocols.ReasonInternal))
	}
	e := newEnd(t, true, protocols.Limits{})
	open(e, 1)
	e.encode(head(first, boltHead(t, 1), false))
	ev := head(first, boltHead(t, 1), false)
	if _, err := e.codec.Encode(1, &ev, &e.out); !errors.Is(err, rpc.ErrHeadTwice) {
		t.Errorf("a second head: %v", err)
	}
	e.encode(data(first, "a", false))
	more := data(first, "b", true)
	if _, err := e.codec.Encode(1, &more, &e.out); !errors.Is(err, rpc.ErrLong) {
		t.Errorf("content behind the end: %v", err)
	}
}
