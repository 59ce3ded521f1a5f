package looptest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

// erratic is a handler that pauses, resumes and consumes as chance has it.
type erratic struct {
	rng    *rand.Rand
	got    []byte
	eof    int
	closed int
	err    error
	calm   bool
}

func (h *erratic) Opened(c loop.Conn) { h.whim(c) }

func (h *erratic) Received(c loop.Conn, b []byte) int {
	n := len(b)
	if !h.calm {
		n = h.rng.IntN(n + 1)
		h.whim(c)
	}
	h.got = append(h.got, b[:n]...)
	return n
}

func (h *erratic) ReadClosed(c loop.Conn, _ []byte) {
	h.eof++
	h.whim(c)
}

func (h *erratic) Drained(c loop.Conn) { h.whim(c) }

func (h *erratic) Closed(_ loop.Conn, err error) {
	h.closed++
	h.err = err
}

func (h *erratic) whim(c loop.Conn) {
	if h.calm {
		return
	}
	switch h.rng.IntN(6) {
	case 0, 1:
		c.Pause()
	case 2:
		c.Resume()
	case 3:
		c.Pause()
		c.Resume()
	case 4:
		c.Write(make([]byte, h.rng.IntN(3*loop.WriteThrough)))
	}
}

// TestNoEdgeIsMissed drives connections through random orders of bytes, ends, pauses and small buffers. In the end each
// has received everything and been told of the end, although the poller tells each change only once.
func TestNoEdgeIsMissed(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { missNoEdge(t, seed) })
	}
}

func missNoEdge(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	l := looptest.New(t, looptest.WithMaxUnread(1+rng.IntN(3000)))
	if seed%3 == 0 {
		l.Inject(seed, looptest.Faults{ShortRead: 0.2, ShortWrite: 0.2, Again: 0.1})
	}
	h := &erratic{rng: rng}
	var c loop.Conn
	var p *looptest.Peer
	var sent []byte
	send := func() {
		from := len(sent)
		for range rng.IntN(1 << rng.IntN(18)) {
			sent = append(sent, byte(len(sent)%251))
		}
		p.SendBytes(sent[from:])
	}
	if seed%2 == 0 {
		p = l.Connect(acceptFunc(func(conn loop.Conn) loop.Handler { c = conn; h.whim(c); return h }))
		send()
	} else {
		l.Listen(upstream, func(peer *looptest.Peer) { p = peer; send() })
		l.Do(func() { c, _ = l.Dial(loop.DialOptions{Addr: upstream}, h) })
	}
	end := rng.IntN(3) // none, FIN, RST
	for range 20 {
		switch rng.IntN(6) {
		case 0:
			send()
		case 1:
			p.Window(rng.IntN(40_000))
		case 2:
			l.Do(func() { h.whim(c) })
		case 3:
			l.Advance(time.Millisecond)
		default:
			l.Step()
		}
	}
	if end == 1 {
		p.CloseWrite()
	}
	for range rng.IntN(4) {
		l.Step()
		l.Do(func() { h.whim(c) })
	}
	if end == 2 {
		p.Reset()
	}
	p.Window(-1)
	l.Do(func() { h.calm = true; c.Resume() })
	l.Do(func() { c.Resume() })
	switch {
	case end == 2:
		if h.closed != 1 || !errors.Is(h.err, syscall.ECONNRESET) {
			t.Errorf("after a RST Closed was called %d times, with %v", h.closed, h.err)
		}
	case !bytes.Equal(h.got, sent):
		t.Errorf("received %d bytes of %d", len(h.got), len(sent))
	case h.closed != 0 || h.eof != end:
		t.Errorf("closed %d, ReadClosed %d, FIN %d", h.closed, h.eof, end)
	case c.Buffered() != 0:
		t.Errorf("%d bytes were not sent", c.Buffered())
	}
}

// TestNoReadIsEmpty checks that the end of what can be read is seen without a read that finds nothing.
func TestNoReadIsEmpty(t *testing.T) {
	l := looptest.New(t)
	s := &sink{}
	p := l.Connect(acceptFunc(func(loop.Conn) loop.Handler { return s }))
	p.Send("bytes that are there before the connection is watched")
	l.Run()
	if calls := l.Calls(); calls.Reads != 1 || calls.Empty != 0 || calls.Watches != 1 {
		t.Errorf("an accepted connection with bytes cost %+v", calls)
	}
	l.Listen(upstream, func(p *looptest.Peer) { p.Send("the server speaks first") })
	l.Do(func() { _, _ = l.Dial(loop.DialOptions{Addr: upstream}, s) })
	if calls := l.Calls(); calls.Reads != 1 || calls.Empty != 0 || calls.Watches != 1 {
		t.Errorf("bytes together with the end of a connect cost %+v", calls)
	}
	p.Send("the last bytes and a FIN")
	p.CloseWrite()
	l.Run()
	if calls := l.Calls(); calls.Reads != 2 || calls.Empty != 0 || calls.Watches != 1 {
		t.Errorf("bytes and a FIN cost %+v", calls)
	}
	if !p.Closed() {
		t.Error("the FIN was not seen")
	}
}

// TestLingeringReadsWhatIsThere closes connections whose input no event will tell of again: it is dropped, and the FIN
// behind it ends them at once.
func TestLingeringReadsWhatIsThere(t *testing.T) {
	for _, paused := range []bool{true, false} {
		l := looptest.New(t)
		var c loop.Conn
		p := l.Connect(acceptFunc(func(conn loop.Conn) loop.Handler { c = conn; return &sink{} }))
		l.Run()
		if paused {
			l.Do(func() { c.Pause(); c.CloseWrite() }) // Close has no FIN to send, which would make an event
		}
		l.Do(func() {
			if !paused {
				c.Close(loop.CloseLingering, nil)
			}
			p.SendBytes(make([]byte, 200_000)) // takes several reads
			p.CloseWrite()
		})
		l.Do(func() { c.Close(loop.CloseLingering, nil) })
		if !p.Closed() || p.WasReset() || p.Unread() != 0 {
			t.Errorf("paused %v: closed %v, reset %v, %d bytes are unread", paused, p.Closed(), p.WasReset(), p.Unread())
		}
	}
}
