package looptest

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
)

func dialTests() []contractTest {
	return []contractTest{
		{name: "opens and carries bytes both ways", run: testDial},
		{name: "what is written before Opened is sent", run: testWriteBeforeOpened},
		{name: "a refusal is told", run: testDialRefused},
		{name: "a timeout is told", run: testDialTimeout},
		{name: "Close cancels", run: testDialCancel},
		{name: "an address without a port is an error", run: testDialNowhere},
	}
}

func dial(t *testing.T, w World, o loop.DialOptions, h *recorder) {
	t.Helper()
	w.Do(func() {
		c, err := w.Loop().Dial(o, h)
		if err != nil {
			t.Fatal(err)
		}
		h.conn = c
		if h.opened+h.closed != 0 {
			t.Error("a callback came from inside Dial")
		}
	})
}

func testDial(t *testing.T, w World) {
	at, next := w.Serve()
	h := &recorder{}
	dial(t, w, loop.DialOptions{Addr: at}, h)
	r := next()
	w.Until("Opened is called", func() bool { return h.opened == 1 })
	w.Do(func() {
		write(h.conn, "ping")
		if h.conn.RemoteAddr() != at || h.conn.LocalAddr() == (loop.Addr{}) || h.conn.Loop() != w.Loop() || h.conn.ID() == 0 {
			t.Errorf("remote %s, local %s, id %d", h.conn.RemoteAddr(), h.conn.LocalAddr(), h.conn.ID())
		}
	})
	w.Until("ping arrives", func() bool { return string(r.Got()) == "ping" })
	r.Send([]byte("pong"))
	w.Until("pong arrives", func() bool { return string(h.got) == "pong" })
	r.Close()
	w.Until("the FIN arrives", func() bool { return h.readClosed == 1 })
	w.Do(func() {
		if h.opened != 1 || h.closed != 0 {
			t.Errorf("opened %d, closed %d", h.opened, h.closed)
		}
	})
}

func testWriteBeforeOpened(t *testing.T, w World) {
	at, next := w.Serve()
	h := &recorder{}
	w.Do(func() {
		c, err := w.Loop().Dial(loop.DialOptions{Addr: at}, h)
		if err != nil {
			t.Fatal(err)
		}
		write(c, "early ")
		c.Write(make([]byte, loop.WriteThrough))
		c.CloseWrite()
	})
	r := next()
	w.Until("it arrives, and the FIN", func() bool { return len(r.Got()) == 6+loop.WriteThrough && r.Ended() })
}

func testDialRefused(t *testing.T, w World) {
	h := &recorder{}
	dial(t, w, loop.DialOptions{Addr: w.Refusing()}, h)
	w.Until("Closed is called", func() bool { return h.closed == 1 })
	w.Do(func() {
		if !errors.Is(h.err, syscall.ECONNREFUSED) || h.opened != 0 {
			t.Errorf("Closed got %v, opened %d", h.err, h.opened)
		}
	})
}

func testDialTimeout(t *testing.T, w World) {
	h := &recorder{}
	dial(t, w, loop.DialOptions{Addr: w.Hanging(), Timeout: 100 * time.Millisecond}, h)
	w.Until("Closed is called", func() bool { return h.closed == 1 })
	w.Do(func() {
		if !errors.Is(h.err, loop.ErrConnectTimeout) || h.opened != 0 {
			t.Errorf("Closed got %v, opened %d", h.err, h.opened)
		}
	})
}

func testDialCancel(t *testing.T, w World) {
	h := &recorder{}
	dial(t, w, loop.DialOptions{Addr: w.Hanging(), Timeout: 50 * time.Millisecond}, h)
	w.Do(func() { h.conn.Close(loop.CloseLingering, errTest) })
	wantClosed(t, w, h)
	w.Pass(100 * time.Millisecond)
	at, _ := w.Serve()
	h = &recorder{}
	dial(t, w, loop.DialOptions{Addr: at}, h)
	w.Do(func() {
		if h.opened == 0 {
			h.conn.Close(loop.CloseFlushed, errTest)
		}
	})
	w.Until("it is either opened or closed", func() bool { return h.opened+h.closed == 1 })
}

func testDialNowhere(t *testing.T, w World) {
	w.Do(func() {
		if c, err := w.Loop().Dial(loop.DialOptions{}, &recorder{}); err == nil || c != nil {
			t.Errorf("Dial gave %v, %v", c, err)
		}
	})
}
