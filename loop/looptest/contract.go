package looptest

import (
	"testing"
	"time"

	"sluice/loop"
)

// A World is a loop with its surroundings, real or simulated, as the contract's tests need it. One that also has a
// method Real is spared what takes minutes; one with a method Splits is spared what relies on small pieces of input
// arriving as they were sent.
type World interface {
	Loop() loop.Loop
	// Do runs f on the loop and waits for it.
	Do(f func())
	// Until lets things happen until cond, called on the loop, holds; if it never does, the test fails with what.
	Until(what string, cond func() bool)
	// Pass lets d pass.
	Pass(d time.Duration)
	// Connect makes an accepted connection and returns its other end.
	Connect(a loop.Acceptor) Remote
	// Serve returns an address, and what takes the next connection that was dialled to it.
	Serve() (at loop.Addr, next func() Remote)
	// Refusing and Hanging are addresses where a connect fails, and where it never ends.
	Refusing() loop.Addr
	Hanging() loop.Addr
	// Limit changes how bytes arrive and leave, if the world can: at most n bytes in one read or write.
	Limit(n int)
}

// A Remote is the other end of a connection. None of its methods blocks.
type Remote interface {
	Send(b []byte)
	CloseWrite()
	Close()
	Reset()
	// Stall stops it from taking bytes; Unstall undoes it.
	Stall()
	Unstall()
	// Got is what it has received so far, Ended whether a FIN or RST followed, Broken whether it was a RST.
	Got() []byte
	Ended() bool
	Broken() bool
}

// Contract checks that the loops of the worlds that build returns keep the promises of package loop.
func Contract(t *testing.T, build func(t *testing.T) World) {
	for _, part := range []struct {
		name  string
		tests []contractTest
	}{
		{"input", inputTests()},
		{"output", outputTests()},
		{"close", closeTests()},
		{"dial", dialTests()},
		{"loop", loopTests()},
	} {
		for _, test := range part.tests {
			t.Run(part.name+"/"+test.name, func(t *testing.T) {
				w := build(t)
				if _, splits := w.(interface{ Splits() }); splits && test.whole {
					t.Skip("needs what is sent at once to arrive at once")
				}
				test.run(t, w)
			})
		}
	}
}

// contractTest is one promise. whole says that the test relies on small pieces arriving as they were sent.
type contractTest struct {
	name  string
	run   func(t *testing.T, w World)
	whole bool
}

// recorder is a handler that notes what happens to it. Its fields belong to the loop.
type recorder struct {
	conn       loop.Conn
	opened     int
	got        []byte // everything that was consumed
	offered    [][]byte
	readClosed int
	rest       string
	drained    int
	closed     int
	err        error

	consume    func(c loop.Conn, b []byte) int // nil consumes all
	onOpened   func(c loop.Conn)
	onEOF      func(c loop.Conn)
	onDrained  func(c loop.Conn)
	onClosed   func(c loop.Conn)
	onAccepted func(c loop.Conn)
}

func (h *recorder) Accept(c loop.Conn) loop.Handler {
	h.conn = c
	if h.onAccepted != nil {
		h.onAccepted(c)
	}
	return h
}

func (h *recorder) Opened(c loop.Conn) {
	h.opened++
	h.conn = c
	if h.onOpened != nil {
		h.onOpened(c)
	}
}

func (h *recorder) Received(c loop.Conn, b []byte) int {
	h.offered = append(h.offered, append([]byte(nil), b...))
	n := len(b)
	if h.consume != nil {
		n = h.consume(c, b)
	}
	h.got = append(h.got, b[:n]...)
	return n
}

func (h *recorder) ReadClosed(c loop.Conn, rest []byte) {
	h.readClosed++
	h.rest = string(rest)
	if h.onEOF != nil {
		h.onEOF(c)
	}
}

func (h *recorder) Drained(c loop.Conn) {
	h.drained++
	if h.onDrained != nil {
		h.onDrained(c)
	}
}

func (h *recorder) Closed(c loop.Conn, err error) {
	h.closed++
	h.err = err
	if h.onClosed != nil {
		h.onClosed(c)
	}
}

// write sends b the way a codec does.
func write(c loop.Conn, b string) { c.Commit(append(c.Reserve(len(b)), b...)) }

// accepted connects to h and waits until it has the connection.
func accepted(w World, h *recorder) Remote {
	r := w.Connect(h)
	w.Until("the connection is accepted", func() bool { return h.conn != nil })
	return r
}

// pattern returns n bytes that differ from block to block.
func pattern(n int) []byte {
	const block = 8191
	b := make([]byte, 0, n+block)
	first := make([]byte, block)
	for i := range first {
		first[i] = byte(i*7 + i>>8*13)
	}
	for len(b) < n {
		first[0], first[1] = byte(len(b)>>8), byte(len(b)>>16)
		b = append(b, first...)
	}
	return b[:n]
}
