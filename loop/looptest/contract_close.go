package looptest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sluice/loop"
)

var errTest = errors.New("as the test wants")

func closeTests() []contractTest {
	return []contractTest{
		{name: "CloseNow", run: testCloseNow},
		{name: "CloseReset", run: testCloseReset},
		{name: "CloseFlushed sends everything first", run: testCloseFlushed},
		{name: "CloseFlushed gives up without progress", run: testCloseFlushedStalls},
		{name: "CloseLingering waits for the peer's FIN", run: testCloseLingering},
		{name: "CloseLingering gives up after 2 s", run: testCloseLingeringTime},
		{name: "CloseLingering drops a bounded amount", run: testCloseLingeringBytes},
		{name: "a harder Close overrides", run: testHarder},
		{name: "Close inside every callback", run: testCloseInside},
		{name: "closing others in the same batch", run: testCloseOthers},
		{name: "a panic costs one connection", run: testPanic},
		{name: "a refused connection is closed", run: testRefusedAccept},
	}
}

// closes closes h with how, and checks that Closed comes once, later, with the error, and that nothing follows it.
func closes(t *testing.T, w World, h *recorder, how loop.CloseMode) {
	t.Helper()
	w.Do(func() {
		h.conn.Close(how, errTest)
		h.conn.Close(how, errors.New("a second one"))
		if h.closed != 0 {
			t.Error("Closed was called from inside Close")
		}
	})
}

func wantClosed(t *testing.T, w World, h *recorder) {
	t.Helper()
	w.Until("Closed is called", func() bool { return h.closed > 0 })
	w.Pass(10 * time.Millisecond)
	w.Do(func() {
		if h.closed != 1 || !errors.Is(h.err, errTest) {
			t.Errorf("Closed was called %d times, with %v", h.closed, h.err)
		}
		// A reference that is kept too long does no harm.
		write(h.conn, "x")
		h.conn.Write([]byte("x"))
		h.conn.Pause()
		h.conn.Resume()
		h.conn.CloseWrite()
		h.conn.Close(loop.CloseReset, nil)
	})
}

func testCloseNow(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	r.Stall()
	w.Do(func() { h.conn.Write(make([]byte, 12<<20)) })
	closes(t, w, h, loop.CloseNow)
	wantClosed(t, w, h)
	r.Unstall()
	w.Until("the remote sees the end", r.Ended)
	if len(r.Got()) >= 12<<20 {
		t.Error("CloseNow sent what was buffered")
	}
}

func testCloseReset(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	closes(t, w, h, loop.CloseReset)
	wantClosed(t, w, h)
	w.Until("the remote sees a RST", r.Broken)
}

func testCloseFlushed(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	r.Stall()
	data := pattern(32 << 20)
	w.Do(func() { h.conn.Write(data) })
	closes(t, w, h, loop.CloseFlushed)
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if h.closed != 0 {
			t.Error("Closed before everything was sent")
		}
	})
	r.Unstall()
	wantClosed(t, w, h)
	w.Until("the remote sees the end", r.Ended)
	if !bytes.Equal(r.Got(), data) {
		t.Error("the bytes differ")
	}
}

func testCloseFlushedStalls(t *testing.T, w World) {
	if _, sockets := w.(interface{ Real() }); sockets {
		t.Skip("takes a minute")
	}
	h := &recorder{}
	r := accepted(w, h)
	r.Stall()
	w.Do(func() { h.conn.Write(make([]byte, 12<<20)) })
	closes(t, w, h, loop.CloseFlushed)
	w.Pass(59 * time.Second)
	w.Do(func() {
		if h.closed != 0 {
			t.Error("it gave up too early")
		}
	})
	w.Pass(2 * time.Second)
	wantClosed(t, w, h)
}

func testCloseLingering(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() { write(h.conn, "413") })
	closes(t, w, h, loop.CloseLingering)
	w.Until("the answer and the FIN arrive", func() bool { return string(r.Got()) == "413" && r.Ended() })
	r.Send(make([]byte, 100_000))
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if h.closed != 0 || len(h.offered) != 0 || r.Broken() {
			t.Errorf("closed %d, Received %d times, broken %v", h.closed, len(h.offered), r.Broken())
		}
	})
	r.CloseWrite()
	wantClosed(t, w, h)
}

func testCloseLingeringTime(t *testing.T, w World) {
	h := &recorder{}
	accepted(w, h)
	var from time.Duration
	w.Do(func() { from = w.Loop().Now() })
	closes(t, w, h, loop.CloseLingering)
	w.Until("Closed is called", func() bool { return h.closed > 0 })
	w.Do(func() {
		if d := w.Loop().Now() - from; d < 1900*time.Millisecond {
			t.Errorf("it lingered for %v, want 2 s", d)
		}
	})
}

func testCloseLingeringBytes(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	closes(t, w, h, loop.CloseLingering)
	r.Send(make([]byte, 8<<20))
	wantClosed(t, w, h)
}

func testHarder(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	r.Stall()
	w.Do(func() { h.conn.Write(make([]byte, 12<<20)) })
	w.Do(func() { h.conn.Close(loop.CloseLingering, errors.New("soft")) })
	w.Do(func() { h.conn.Close(loop.CloseFlushed, errors.New("less soft")) })
	closes(t, w, h, loop.CloseReset)
	wantClosed(t, w, h)
	r.Unstall()
	w.Until("the remote sees a RST", r.Broken)
}

func testCloseInside(t *testing.T, w World) {
	closeIt := func(c loop.Conn) { c.Close(loop.CloseNow, errTest) }
	at, next := w.Serve()
	for name, h := range map[string]*recorder{
		"Accept":     {onAccepted: closeIt},
		"Received":   {consume: func(c loop.Conn, b []byte) int { closeIt(c); return 0 }},
		"ReadClosed": {onEOF: closeIt},
		"Closed":     {onEOF: closeIt, onClosed: closeIt},
	} {
		r := w.Connect(h)
		if name != "Accept" {
			r.Send([]byte("a"))
			r.CloseWrite()
		}
		w.Until("Closed is called after closing in "+name, func() bool { return h.closed == 1 && errors.Is(h.err, errTest) })
	}
	h := &recorder{onOpened: closeIt}
	w.Do(func() { _, _ = w.Loop().Dial(loop.DialOptions{Addr: at}, h) })
	next()
	w.Until("Closed is called after closing in Opened", func() bool { return h.closed == 1 && h.opened == 1 })
}

// testCloseOthers closes connections that have events in the same batch, and opens new ones, which get their
// descriptors if these are freed too early.
func testCloseOthers(t *testing.T, w World) {
	at, next := w.Serve()
	const n = 8
	var victims []*recorder
	var opened []*recorder
	killer := &recorder{}
	killer.consume = func(c loop.Conn, b []byte) int {
		for _, v := range victims {
			v.conn.Close(loop.CloseNow, errTest)
			h := &recorder{}
			if _, err := w.Loop().Dial(loop.DialOptions{Addr: at}, h); err != nil {
				t.Error(err)
			}
			opened = append(opened, h)
		}
		return len(b)
	}
	k := accepted(w, killer)
	var remotes []Remote
	for range n {
		v := &recorder{}
		victims = append(victims, v)
		remotes = append(remotes, accepted(w, v))
	}
	w.Do(func() {}) // at rest
	k.Send([]byte("x"))
	for _, r := range remotes {
		r.Reset()
	}
	for range n {
		next()
	}
	w.Until("all are opened", func() bool {
		for _, h := range opened {
			if h.opened != 1 || h.closed != 0 {
				return false
			}
		}
		return len(opened) == n
	})
	w.Until("all victims are closed", func() bool {
		for _, v := range victims {
			if v.closed != 1 {
				return false
			}
		}
		return true
	})
	w.Do(func() {
		for _, h := range opened {
			if h.closed != 0 || len(h.got) != 0 {
				t.Error("an event of an old socket reached a new one")
			}
		}
	})
}

func testPanic(t *testing.T, w World) {
	bad := &recorder{consume: func(loop.Conn, []byte) int { panic("on purpose") }}
	good := &recorder{}
	br, gr := accepted(w, bad), accepted(w, good)
	br.Send([]byte("x"))
	gr.Send([]byte("y"))
	w.Until("the bad one is closed, the good one served", func() bool {
		return bad.closed == 1 && string(good.got) == "y"
	})
	w.Do(func() {
		if !errors.Is(bad.err, loop.ErrPanicked) {
			t.Errorf("Closed got %v", bad.err)
		}
	})
	w.Until("the remote sees the end", br.Ended)
	w.Loop().Post(func() { panic("on purpose") })
	fired := false
	var timer loop.Timer
	timer.Init(expire(func(now time.Duration) {
		if !fired {
			fired = true
			w.Loop().Arm(&timer, now+time.Millisecond)
			panic("on purpose")
		}
		good.conn.Close(loop.CloseNow, errTest)
	}))
	w.Do(func() { w.Loop().Arm(&timer, w.Loop().Now()+time.Millisecond) })
	w.Pass(30 * time.Millisecond)
	wantClosed(t, w, good)
	atEnd := &recorder{onClosed: func(loop.Conn) { panic("on purpose") }}
	accepted(w, atEnd)
	closes(t, w, atEnd, loop.CloseNow)
	wantClosed(t, w, atEnd)
}

type expire func(now time.Duration)

func (f expire) Expired(_ *loop.Timer, now time.Duration) { f(now) }

type refuseAll struct{}

func (refuseAll) Accept(loop.Conn) loop.Handler { return nil }

func testRefusedAccept(t *testing.T, w World) {
	r := w.Connect(refuseAll{})
	w.Until("the remote sees the end", r.Ended)
}
