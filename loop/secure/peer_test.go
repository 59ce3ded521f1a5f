package secure_test

import (
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

// A script is blocking code at the other end of a simulated connection: a coroutine that is resumed when bytes arrive.
type script struct {
	p      *looptest.Peer
	in     []byte
	eof    bool
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	pend   []func()  // what waits for the handshake
	tls    *tls.Conn // nil for a script without TLS
	ready  bool      // the handshake is done
	got    []byte    // decrypted
	direct bool      // Read returns what has arrived, and does not wait
	err    error     // of the handshake, or how reading ended
	hold   bool      // Write keeps bytes in held
	held   []byte
}

// run starts f, which may block in the net.Conn it is given.
func run(t testing.TB, p *looptest.Peer, f func(s *script)) *script {
	s := &script{p: p}
	s.next, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.yield = yield
		f(s)
	})
	p.OnReceive(func(b []byte) { s.in = append(s.in, b...); s.next() })
	p.OnEOF(func() { s.eof = true; s.next() })
	t.Cleanup(s.stop)
	s.next()
	return s
}

// tlsClient shakes hands as a client and then reads until the end.
func tlsClient(t testing.TB, p *looptest.Peer, cfg *tls.Config) *script {
	return run(t, p, func(s *script) { s.serve(tls.Client(s, cfg)) })
}

// tlsServer is the other side of it.
func tlsServer(t testing.TB, p *looptest.Peer, cfg *tls.Config) *script {
	return run(t, p, func(s *script) { s.serve(tls.Server(s, cfg)) })
}

func (s *script) serve(c *tls.Conn) {
	s.tls = c
	if s.err = c.Handshake(); s.err != nil {
		return
	}
	s.ready = true
	for _, f := range s.pend {
		f()
	}
	b := make([]byte, 32<<10)
	for {
		n, err := c.Read(b)
		s.got = append(s.got, b[:n]...)
		if err != nil {
			s.err = err
			return
		}
	}
}

// then runs f when the handshake is done.
func (s *script) then(f func()) {
	if s.ready {
		f()
	} else {
		s.pend = append(s.pend, f)
	}
}

func (s *script) Read(b []byte) (int, error) {
	if s.direct {
		n := copy(b, s.p.Bytes())
		s.p.Discard() // records here are shorter than b
		return n, nil
	}
	for len(s.in) == 0 {
		if s.eof {
			return 0, io.EOF
		}
		if !s.yield(struct{}{}) {
			return 0, errors.New("the test is over")
		}
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) {
	if s.hold {
		s.held = append(s.held, b...)
	} else {
		s.p.SendBytes(b)
	}
	return len(b), nil
}

func (s *script) Close() error                     { s.p.Close(); return nil }
func (s *script) LocalAddr() net.Addr              { return s.p.Remote() }
func (s *script) RemoteAddr() net.Addr             { return s.p.Remote() }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// acceptor is a function as a loop.Acceptor.
type acceptor func(c loop.Conn) loop.Handler

func (f acceptor) Accept(c loop.Conn) loop.Handler { return f(c) }

// endpoint is a handler that notes what happens and answers with what answer returns.
type endpoint struct {
	conn       loop.Conn
	got        []byte
	calls      int
	opened     int
	readClosed int
	drained    int
	closed     int
	err        error
	answer     func(c loop.Conn, b []byte)
}

func (e *endpoint) Accept(c loop.Conn) loop.Handler { e.conn = c; return e }
func (e *endpoint) Opened(c loop.Conn)              { e.conn = c; e.opened++ }
func (e *endpoint) Received(c loop.Conn, b []byte) int {
	e.calls++
	e.got = append(e.got, b...)
	if e.answer != nil {
		e.answer(c, b)
	}
	return len(b)
}
func (e *endpoint) ReadClosed(loop.Conn, []byte)  { e.readClosed++ }
func (e *endpoint) Drained(loop.Conn)             { e.drained++ }
func (e *endpoint) Closed(_ loop.Conn, err error) { e.closed++; e.err = err }

func write(c loop.Conn, b string) { c.Commit(append(c.Reserve(len(b)), b...)) }

// discard is a handler without memory.
type discard struct{}

func (discard) Opened(loop.Conn)                   {}
func (discard) Received(_ loop.Conn, b []byte) int { return len(b) }
func (discard) ReadClosed(loop.Conn, []byte)       {}
func (discard) Drained(loop.Conn)                  {}
func (discard) Closed(loop.Conn, error)            {}
