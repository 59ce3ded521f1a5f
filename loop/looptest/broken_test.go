package looptest_test

import (
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

// waiter pauses reading until Drained, as a session does whose client reads nothing.
type waiter struct {
	sink
	conn   loop.Conn
	closed bool
}

func (w *waiter) Drained(c loop.Conn)     { c.Resume() }
func (w *waiter) Closed(loop.Conn, error) { w.closed = true }

// TestAPausedConnectionThatBreaksIsClosed resets connections that are not read and have output waiting or none.
func TestAPausedConnectionThatBreaksIsClosed(t *testing.T) {
	for _, out := range []int{0, 1000, 100_000} {
		l := looptest.New(t)
		h := &waiter{}
		p := l.Connect(acceptFunc(func(c loop.Conn) loop.Handler { h.conn = c; return h }))
		l.Run()
		p.Window(0)
		l.Do(func() {
			for i := 0; i < out; i += 1000 {
				h.conn.Write(make([]byte, 1000))
			}
			h.conn.Pause()
		})
		p.Reset()
		l.Run()
		l.Advance(time.Minute)
		if !h.closed {
			t.Errorf("with %d bytes of output waiting, a reset was never told", out)
		}
	}
}
