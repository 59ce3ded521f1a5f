package looptest

import (
	"bytes"
	"testing"
	"time"

	"sluice/loop"
)

func outputTests() []contractTest {
	return []contractTest{
		{name: "what was written before a callback returns leaves in order", run: testWriteOrder, whole: true},
		{name: "a slow reader: Buffered grows, Drained is called", run: testDrained},
		{name: "a slow reader of a loop that limits reads: less makes it full", run: testDrainedEarly},
		{name: "output above the high-water mark does not wait", run: testManyWrites},
		{name: "long writes arrive whole", run: testLongWrites},
		{name: "gathered writes arrive", run: testGather},
		{name: "an empty commit is harmless", run: testEmptyCommit},
		{name: "CloseWrite sends the FIN behind the output", run: testCloseWrite},
		{name: "writes after CloseWrite are dropped", run: testWriteAfterCloseWrite},
		{name: "the peer's last answer is read although it takes no more", run: testEarlyAnswer},
	}
}

func testWriteOrder(t *testing.T, w World) {
	h := &recorder{}
	h.onAccepted = func(c loop.Conn) { write(c, "hello ") }
	h.consume = func(c loop.Conn, b []byte) int {
		write(c, "1")
		c.Write([]byte("2"))
		c.Write(bytes.Repeat([]byte("3"), loop.WriteThrough))
		write(c, "4")
		return len(b)
	}
	r := accepted(w, h)
	r.Send([]byte("x"))
	want := "hello 12" + string(bytes.Repeat([]byte("3"), loop.WriteThrough)) + "4"
	w.Until("it all arrives", func() bool { return string(r.Got()) == want })
	w.Do(func() {
		if n := h.conn.Buffered(); n != 0 {
			t.Errorf("%d bytes are still buffered", n)
		}
	})
}

func testDrained(t *testing.T, w World) { drained(t, w, loop.MaxRead, loop.HighWater) }

// testDrainedEarly has a loop that limits reads: connections are full with less.
func testDrainedEarly(t *testing.T, w World) {
	drained(t, w, 20_000, 20_000)
	drained(t, w, 4096, loop.LowWater)
}

func drained(t *testing.T, w World, reads, mark int) {
	h := &recorder{}
	r := accepted(w, h)
	r.Stall()
	data := pattern(24 << 20)
	sent := 0
	fill := func(c loop.Conn) {
		for sent < len(data) && !c.Full() {
			n := min(mark/2+7000, len(data)-sent)
			c.Write(data[sent : sent+n])
			sent += n
		}
	}
	h.onDrained = func(c loop.Conn) {
		if c.Buffered() > loop.LowWater {
			t.Errorf("Drained with %d bytes buffered", c.Buffered())
		}
		fill(c)
	}
	w.Do(func() { h.conn.Loop().LimitReads(reads); fill(h.conn) })
	w.Pass(50 * time.Millisecond)
	w.Do(func() {
		if n := h.conn.Buffered(); n <= loop.LowWater || n > mark+mark/2+8000 {
			t.Errorf("%d bytes are buffered for a reader that is stalled", n)
		}
		if sent == len(data) {
			t.Error("a stalled reader took everything")
		}
	})
	r.Unstall()
	w.Until("everything is sent", func() bool { return sent == len(data) && h.conn.Buffered() == 0 })
	w.Until("everything arrives", func() bool { return len(r.Got()) == len(data) })
	if !bytes.Equal(r.Got(), data) {
		t.Error("the bytes differ")
	}
	w.Do(func() { h.conn.Loop().LimitReads(loop.MaxRead) })
}

// testManyWrites writes more than the high-water mark in small pieces: a socket that takes it all never makes the
// connection look full, one that does not calls Drained, but not from inside Write.
func testManyWrites(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	sent, full := 0, false
	w.Do(func() {
		for sent <= 2*loop.HighWater {
			h.conn.Write(make([]byte, 1000))
			sent += 1000
			full = full || h.conn.Buffered() > loop.HighWater
		}
		if h.drained != 0 {
			t.Error("Drained was called from inside Write")
		}
	})
	w.Until("the bytes arrive", func() bool { return len(r.Got()) == sent && h.conn.Buffered() == 0 })
	if !full && h.drained != 0 {
		t.Errorf("Drained was called %d times for a connection that was never full", h.drained)
	}
}

func testLongWrites(t *testing.T, w World) {
	w.Limit(10_000)
	h := &recorder{}
	r := accepted(w, h)
	data := pattern(1 << 20)
	w.Do(func() {
		write(h.conn, "head")
		for i := 0; i < len(data); i += 100_000 {
			h.conn.Write(data[i:min(i+100_000, len(data))])
		}
	})
	w.Until("they arrive", func() bool { return len(r.Got()) == 4+len(data) })
	if !bytes.Equal(r.Got()[4:], data) {
		t.Error("the bytes differ")
	}
}

func testGather(t *testing.T, w World) {
	out := &recorder{}
	sink := accepted(w, out)
	var sources []Remote
	for range 8 {
		h := &recorder{consume: func(_ loop.Conn, b []byte) int {
			out.conn.Write(b)
			return len(b)
		}}
		sources = append(sources, accepted(w, h))
	}
	for range 100 {
		for _, s := range sources {
			s.Send([]byte("0123456789"))
		}
	}
	w.Until("everything arrives", func() bool { return len(sink.Got()) == 8000 })
	w.Do(func() { out.conn.Write(make([]byte, 100)); out.conn.Close(loop.CloseFlushed, nil) })
	w.Until("the end is flushed", func() bool { return len(sink.Got()) == 8100 && sink.Ended() })
}

func testEmptyCommit(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() {
		h.conn.Commit(h.conn.Reserve(100))
		h.conn.Write(nil)
		write(h.conn, "a")
		h.conn.Commit(h.conn.Reserve(100_000))
		h.conn.Commit(append(h.conn.Reserve(0), bytes.Repeat([]byte("b"), 5000)...))
	})
	w.Until("it arrives", func() bool { return len(r.Got()) == 5001 })
}

func testCloseWrite(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() { write(h.conn, "bye"); h.conn.CloseWrite() })
	w.Until("bye and the FIN arrive", func() bool { return string(r.Got()) == "bye" && r.Ended() })
	r.Send([]byte("still here"))
	w.Until("reading goes on", func() bool { return string(h.got) == "still here" })
	r.CloseWrite()
	w.Until("ReadClosed is called", func() bool { return h.readClosed == 1 })
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if h.closed != 0 {
			t.Errorf("Closed(%v) without Close", h.err)
		}
	})
}

func testWriteAfterCloseWrite(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	r.Stall()
	w.Do(func() {
		h.conn.Write(make([]byte, 12<<20))
		h.conn.CloseWrite()
		before := h.conn.Buffered()
		write(h.conn, "late")
		h.conn.Write([]byte("late"))
		if h.conn.Buffered() != before {
			t.Error("output was added behind the FIN")
		}
	})
	r.Unstall()
	w.Until("the FIN arrives", r.Ended)
	if len(r.Got()) != 12<<20 {
		t.Errorf("%d bytes arrived, want %d", len(r.Got()), 12<<20)
	}
	w.Do(func() { h.conn.Close(loop.CloseNow, nil); write(h.conn, "later") })
}

func testEarlyAnswer(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	r.Send([]byte("413"))
	r.Close()
	w.Until("the answer is read", func() bool { return string(h.got) == "413" && h.readClosed == 1 })
	w.Do(func() { write(h.conn, "x") })
	w.Pass(20 * time.Millisecond)
	w.Do(func() { write(h.conn, "y") })
	w.Until("Closed is called", func() bool { return h.closed == 1 })
	w.Do(func() {
		if h.err == nil {
			t.Error("Closed got no error")
		}
	})
}
