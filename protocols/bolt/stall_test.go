package bolt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

// stalledClient has begun n calls; the first one's answer of size bytes is on its way, and its sink does not take it.
func stalledClient(t *testing.T, n, size int) (e *end, ids []protocols.StreamID, rest []byte) {
	e = newEnd(t, false, protocols.Limits{PingInterval: time.Minute, PingTimeout: time.Second})
	for range n {
		ids = append(ids, e.encode(head(0, headOf(0, -1), true)))
	}
	e.out.Take()
	e.sink.then = func(*protocols.Event) protocols.Verdict { return protocols.Pause }
	b := wire{resp: true, id: uint32(ids[0]), content: strings.Repeat("x", size)}.bytes()
	rest = e.stall(time.Second, b)
	if s := e.codec.Status(); s.Room != 0 || e.env.Owed < window {
		t.Fatalf("%d owed, %+v", e.env.Owed, s)
	}
	e.sink.take()
	return e, ids, rest
}

// stall gives the codec b in reads of 20 KiB until it takes no more.
func (e *end) stall(now time.Duration, b []byte) (rest []byte) {
	e.t.Helper()
	for !e.codec.Status().Stalled {
		n, err := e.codec.Decode(now, b[:min(len(b), 20<<10)], &e.sink, &e.out)
		if err != nil || n == 0 && !e.codec.Status().Stalled {
			e.t.Fatalf("%d bytes taken, %v", n, err)
		}
		b = b[n:]
	}
	return b
}

// An answer that its sink does not take keeps others waiting for its allowance, and no longer.
func TestSlowReaderIsReset(t *testing.T) {
	e, ids, rest := stalledClient(t, 2, 5<<20)
	end := time.Second + 6*time.Second // it has begun its sixth MiB
	if d := e.codec.Deadline(); d != end {
		t.Fatalf("deadline %v, want %v", d, end)
	}
	for _, now := range []time.Duration{2 * time.Second, end - 1} {
		if err := e.codec.Advance(now, &e.sink, &e.out); err != nil || !e.codec.Status().Stalled {
			t.Fatalf("%v, %+v at %v", err, e.codec.Status(), now)
		}
		e.want()
	}
	if err := e.codec.Advance(end, &e.sink, &e.out); err != nil {
		t.Fatal(err)
	}
	e.want(fmt.Sprintf("%d reset slow_reader", ids[0]))
	if s := e.codec.Status(); s.Stalled || !s.Yielded || s.Room == 0 || e.env.Owed != 0 {
		t.Errorf("%d owed, %+v", e.env.Owed, s)
	}
	// The rest of it is dropped, and what comes behind it goes where it belongs.
	e.sink.then = nil
	e.receive(rest)
	e.want()
	e.receive(wire{resp: true, id: uint32(ids[1])}.bytes())
	e.want(fmt.Sprintf("%d head v1  status=200 code=0 coding=1 length=0 end", ids[1]))
}

// What is taken does not renew the allowance: the time of all pauses counts.
func TestSlowReaderHasOneAllowance(t *testing.T) {
	e, ids, rest := stalledClient(t, 2, 900<<10)
	now := time.Second
	resets := 0
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindReset {
			resets++
		}
		return protocols.Pause
	}
	for range 4 {
		now += 300 * time.Millisecond
		if err := e.codec.Advance(now, &e.sink, &e.out); err != nil {
			t.Fatal(err)
		}
		if resets > 0 {
			break
		}
		ev := protocols.Event{Kind: protocols.KindCredit, Stream: ids[0], N: e.env.Owed}
		if _, err := e.codec.Encode(now, &ev, &e.out); err != nil {
			t.Fatal(err)
		}
		rest = e.stall(now, rest)
	}
	if resets != 1 || now != time.Second+1200*time.Millisecond {
		t.Errorf("%d resets, the last thing happened at %v", resets, now)
	}
}

// No call is put behind an answer that has stopped the connection, until it has ended.
func TestNoRoomBehindASlowReader(t *testing.T) {
	e, ids, rest := stalledClient(t, 1, 1<<20)
	e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: ids[0], N: e.env.Owed})
	if s := e.codec.Status(); s.Stalled || s.Room != 0 {
		t.Errorf("behind a credit: %+v", s)
	}
	e.sink.then = nil
	e.receive(rest[:100_000])
	if s := e.codec.Status(); s.Stalled || s.Room != 0 {
		t.Errorf("within the answer: %+v", s)
	}
	e.receive(rest[100_000:])
	if s := e.codec.Status(); s.Room == 0 || !s.Idle {
		t.Errorf("behind the answer: %+v", s)
	}
}

// Who keeps nobody waiting has the connection for as long as its owner wants.
func TestSlowReaderAlone(t *testing.T) {
	e, _, _ := stalledClient(t, 1, 1<<20)
	if err := e.codec.Advance(50*time.Second, &e.sink, &e.out); err != nil || !e.codec.Status().Stalled {
		t.Fatalf("%v, %+v", err, e.codec.Status())
	}
	e.want()
}
