package looptest

import (
	"bytes"
	"testing"
	"time"

	"sluice/loop"
)

func inputTests() []contractTest {
	return []contractTest{
		{name: "what is left is offered again, longer", run: testLeftovers, whole: true},
		{name: "Resume inside Received gives another turn", run: testYield, whole: true},
		{name: "Resume without a pause offers what is left", run: testResumeOnly, whole: true},
		{name: "Pause stops Received and Resume goes on", run: testPause},
		{name: "a FIN is told once and leaves the other direction open", run: testReadClosed, whole: true},
		{name: "a FIN behind a pause waits", run: testEOFWhilePaused},
		{name: "bytes in front of a FIN come first after Resume", run: testLeftoverBeforeEOF, whole: true},
		{name: "a RST while paused closes", run: testResetWhilePaused},
		{name: "a RST while reading closes", run: testResetWhileReading},
		{name: "MaxUnread stops reading until bytes are consumed", run: testMaxUnread},
		{name: "many bytes arrive whole in pieces", run: testPieces},
		{name: "LimitReads bounds what one read takes", run: testLimitReads},
		{name: "SetHandler takes over", run: testSetHandler, whole: true},
		{name: "b stays good when the handler closes", run: testLentBytes, whole: true},
	}
}

func testLeftovers(t *testing.T, w World) {
	h := &recorder{consume: func(_ loop.Conn, b []byte) int {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i + 1
		}
		return 0
	}}
	r := accepted(w, h)
	r.Send([]byte("ab"))
	w.Until("ab is offered", func() bool { return len(h.offered) == 1 })
	r.Send([]byte("cd"))
	w.Until("abcd is offered", func() bool { return string(h.offered[len(h.offered)-1]) == "abcd" })
	r.Send([]byte("\nef"))
	w.Until("the line is consumed", func() bool { return string(h.got) == "abcd\n" })
	r.Send([]byte("\n"))
	w.Until("the second line is consumed", func() bool { return string(h.got) == "abcd\nef\n" })
}

func testYield(t *testing.T, w World) {
	h := &recorder{consume: func(c loop.Conn, b []byte) int {
		c.Resume()
		return 1
	}}
	r := accepted(w, h)
	r.Send([]byte("abcdef"))
	w.Until("each byte had its turn", func() bool { return string(h.got) == "abcdef" })
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if len(h.offered) != 6 {
			t.Errorf("Received was called %d times, want 6", len(h.offered))
		}
	})
}

func testResumeOnly(t *testing.T, w World) {
	take := 0
	h := &recorder{consume: func(loop.Conn, []byte) int { return take }}
	r := accepted(w, h)
	r.Send([]byte("abc"))
	w.Until("abc is offered", func() bool { return len(h.offered) == 1 })
	w.Do(func() {
		take = 3
		h.conn.Resume()
		if len(h.got) != 0 {
			t.Error("Received was called from inside Resume")
		}
	})
	w.Until("abc is consumed", func() bool { return string(h.got) == "abc" })
}

func testPause(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() { h.conn.Pause() })
	r.Send([]byte("abc"))
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if len(h.offered) != 0 {
			t.Error("Received was called while paused")
		}
		h.conn.Resume()
	})
	w.Until("abc is received", func() bool { return string(h.got) == "abc" })
	w.Do(func() { h.conn.Pause(); h.conn.Resume() })
	r.Send([]byte("def"))
	w.Until("def is received", func() bool { return string(h.got) == "abcdef" })
	for i := range 3 {
		w.Do(func() { h.conn.Pause() })
		r.Send([]byte{byte(i)})
		w.Pass(5 * time.Millisecond)
		w.Do(func() { h.conn.Resume() })
		w.Until("the byte is received", func() bool { return len(h.got) == 7+i })
	}
}

func testReadClosed(t *testing.T, w World) {
	h := &recorder{consume: func(_ loop.Conn, b []byte) int { return len(b) - 1 }}
	r := accepted(w, h)
	r.Send([]byte("abc"))
	r.CloseWrite()
	w.Until("ReadClosed is called", func() bool { return h.readClosed > 0 })
	w.Do(func() {
		if h.rest != "c" || string(h.got) != "ab" {
			t.Errorf("got %q and rest %q, want ab and c", h.got, h.rest)
		}
		write(h.conn, "answer")
	})
	w.Until("the answer arrives", func() bool { return string(r.Got()) == "answer" })
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if h.readClosed != 1 || h.closed != 0 {
			t.Errorf("ReadClosed was called %d times, Closed %d times; want 1 and 0", h.readClosed, h.closed)
		}
		h.consume = nil
		h.conn.Resume()
	})
	w.Until("the rest is offered", func() bool { return string(h.got) == "abc" })
	w.Do(func() { h.conn.CloseWrite(); h.conn.CloseWrite() })
	w.Until("the remote sees the FIN", r.Ended)
	w.Do(func() {
		if h.closed != 0 || h.readClosed != 1 || r.Broken() {
			t.Errorf("closed %d, readClosed %d, broken %v; want 0, 1, false", h.closed, h.readClosed, r.Broken())
		}
		h.conn.Close(loop.CloseNow, nil)
	})
	w.Until("Closed is called", func() bool { return h.closed == 1 && h.err == nil })
}

func testEOFWhilePaused(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() { h.conn.Pause() })
	r.Send([]byte("abc"))
	r.CloseWrite()
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if len(h.offered) != 0 || h.readClosed != 0 || h.closed != 0 {
			t.Error("a paused connection was told something")
		}
		h.conn.Resume()
	})
	w.Until("ReadClosed is called", func() bool { return h.readClosed == 1 })
	w.Do(func() {
		if string(h.got) != "abc" || h.rest != "" {
			t.Errorf("got %q, rest %q, want abc first", h.got, h.rest)
		}
	})
}

func testLeftoverBeforeEOF(t *testing.T, w World) {
	var order []string
	h := &recorder{}
	h.consume = func(c loop.Conn, b []byte) int {
		order = append(order, string(b))
		if len(order) == 1 {
			c.Pause()
			return 1
		}
		return len(b)
	}
	h.onEOF = func(loop.Conn) { order = append(order, "EOF") }
	r := accepted(w, h)
	r.Send([]byte("abc"))
	w.Until("abc is offered", func() bool { return len(order) == 1 })
	r.CloseWrite()
	w.Pass(20 * time.Millisecond)
	w.Do(func() { h.conn.Resume() })
	w.Until("ReadClosed is called", func() bool { return h.readClosed == 1 })
	w.Do(func() {
		if len(order) != 3 || order[1] != "bc" || order[2] != "EOF" {
			t.Errorf("order %q, want abc, bc, EOF", order)
		}
	})
}

func testResetWhilePaused(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() { h.conn.Pause() })
	r.Send([]byte("abc"))
	w.Pass(10 * time.Millisecond)
	r.Reset()
	w.Until("Closed is called", func() bool { return h.closed == 1 })
	w.Do(func() {
		if h.err == nil {
			t.Error("Closed got no error")
		}
	})
}

func testResetWhileReading(t *testing.T, w World) {
	h := &recorder{}
	r := accepted(w, h)
	r.Reset()
	w.Until("Closed is called", func() bool { return h.closed == 1 })
	w.Do(func() {
		if h.err == nil || h.readClosed != 0 {
			t.Errorf("err %v, readClosed %d; want an error and 0", h.err, h.readClosed)
		}
	})
}

func testMaxUnread(t *testing.T, w World) {
	take := false
	h := &recorder{consume: func(_ loop.Conn, b []byte) int {
		if take {
			return len(b)
		}
		return 0
	}}
	r := accepted(w, h)
	data := pattern(4 * loop.MaxUnread)
	r.Send(data)
	w.Until("MaxUnread is offered", func() bool {
		return len(h.offered) > 0 && len(h.offered[len(h.offered)-1]) >= loop.MaxUnread
	})
	w.Pass(20 * time.Millisecond)
	w.Do(func() {
		if n := len(h.offered[len(h.offered)-1]); n > 3*loop.MaxUnread {
			t.Errorf("%d bytes were read ahead", n)
		}
		h.offered = nil
		take = true
		h.conn.Resume()
	})
	w.Until("everything is received", func() bool { return bytes.Equal(h.got, data) })
}

func testPieces(t *testing.T, w World) {
	w.Limit(1000)
	step := 0
	h := &recorder{consume: func(c loop.Conn, b []byte) int {
		step++
		if step%7 == 0 || len(b) >= loop.MaxUnread {
			c.Resume()
		}
		return len(b) * (step % 3) / 2
	}}
	r := accepted(w, h)
	data := pattern(300_000)
	r.Send(data)
	r.CloseWrite()
	w.Until("ReadClosed is called", func() bool { return h.readClosed == 1 })
	w.Do(func() {
		if !bytes.Equal(append(h.got, h.rest...), data) {
			t.Error("the bytes differ")
		}
	})
}

func testLimitReads(t *testing.T, w World) {
	const limit = 100
	h := &recorder{}
	r := accepted(w, h)
	w.Do(func() { w.Loop().LimitReads(limit) })
	data := pattern(50 * limit)
	r.Send(data)
	w.Until("everything is received", func() bool { return bytes.Equal(h.got, data) })
	w.Do(func() {
		for _, b := range h.offered {
			if len(b) > limit {
				t.Errorf("%d bytes in one read", len(b))
			}
		}
		if n := w.Loop().ReadCount(); n != uint64(len(h.offered)) {
			t.Errorf("%d reads are counted, of %d", n, len(h.offered))
		}
		w.Loop().LimitReads(0) // still reads
	})
	r.Send([]byte("x"))
	w.Until("one byte more", func() bool { return len(h.got) == len(data)+1 })
	w.Do(func() { h.offered = nil; w.Loop().LimitReads(1 << 30) })
	r.Send(data)
	r.CloseWrite()
	w.Until("ReadClosed is called", func() bool { return h.readClosed == 1 })
	if len(h.got) != 2*len(data)+1 {
		t.Errorf("%d bytes, want %d", len(h.got), 2*len(data)+1)
	}
}

func testSetHandler(t *testing.T, w World) {
	second := &recorder{}
	first := &recorder{consume: func(c loop.Conn, b []byte) int {
		c.SetHandler(second)
		c.Resume()
		return 1
	}}
	r := accepted(w, first)
	r.Send([]byte("abc"))
	w.Until("the second handler gets the rest", func() bool { return string(second.got) == "bc" })
	r.Close()
	w.Until("and the FIN", func() bool { return second.readClosed == 1 })
}

func testLentBytes(t *testing.T, w World) {
	ok := true
	other := &recorder{}
	accepted(w, other)
	h := &recorder{}
	h.consume = func(c loop.Conn, b []byte) int {
		if len(b) < 6 {
			return 0
		}
		c.Close(loop.CloseNow, nil)
		for range 4 {
			other.conn.Write(bytes.Repeat([]byte("x"), 300))
		}
		ok = string(b) == "abcdef"
		return len(b)
	}
	r := accepted(w, h)
	r.Send([]byte("abc"))
	w.Until("abc is offered", func() bool { return len(h.offered) == 1 })
	r.Send([]byte("def"))
	w.Until("Closed is called", func() bool { return h.closed == 1 })
	if !ok {
		t.Error("the lent bytes changed when the handler closed and wrote elsewhere")
	}
}
