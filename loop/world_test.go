package loop_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

func TestContract(t *testing.T) {
	looptest.Contract(t, func(t *testing.T) looptest.World { return newWorld(t) })
}

// world is the looptest.World of real sockets.
type world struct {
	t *testing.T
	g *loop.Group
	l loop.Loop
}

func newWorld(t *testing.T) *world {
	g := newGroup(t, 1)
	return &world{t: t, g: g, l: g.Loops()[0]}
}

func newGroup(t testing.TB, loops int) *loop.Group {
	t.Helper()
	g, err := loop.NewGroup(loop.Options{Loops: loops})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return g
}

func (w *world) Real() {}

func (w *world) Loop() loop.Loop { return w.l }

func (w *world) Do(f func()) { do(w.t, w.l, f) }

func (w *world) Until(what string, cond func() bool) {
	w.t.Helper()
	until(w.t, w.l, what, cond)
}

func (w *world) Pass(d time.Duration) { time.Sleep(d) }

func (w *world) Limit(int) {}

// do runs f on l and waits for it, also when f ends the test or panics.
func do(t testing.TB, l loop.Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { defer close(done); f() }) {
		t.Fatal("Post was refused")
	}
	<-done
}

func until(t testing.TB, l loop.Loop, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		ok := false
		do(t, l, func() { ok = cond() })
		if ok {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func (w *world) Connect(a loop.Acceptor) looptest.Remote {
	w.t.Helper()
	l, err := w.g.Listen(loop.ListenOptions{Name: "test", Addr: anyPort}, a)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	r := newRemote(w.t, c)
	l.Close()
	return r
}

func (w *world) Serve() (loop.Addr, func() looptest.Remote) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return addrOf(l), func() looptest.Remote {
		w.t.Helper()
		c, err := l.Accept()
		if err != nil {
			w.t.Fatal(err)
		}
		return newRemote(w.t, c)
	}
}

func addrOf(l net.Listener) loop.Addr {
	return loop.Addr{AddrPort: netip.MustParseAddrPort(l.Addr().String())}
}

func (w *world) Refusing() loop.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	return addrOf(l)
}

// Hanging is a listener whose queue is full: the kernel drops further SYNs.
func (w *world) Hanging() loop.Addr {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return nil }}
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		w.t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { _ = syscall.Listen(int(fd), 0) })
	for range 3 {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond)
		if err == nil {
			w.t.Cleanup(func() { c.Close() })
		}
	}
	return addrOf(l)
}

// remote is a real socket, served by two goroutines.
type remote struct {
	c *net.TCPConn

	mu      sync.Mutex
	changed *sync.Cond
	stalled bool
	queue   [][]byte
	fin     bool
	gone    bool
	got     []byte
	ended   bool
	broken  bool
}

func newRemote(t testing.TB, c net.Conn) *remote {
	r := &remote{c: c.(*net.TCPConn)}
	r.changed = sync.NewCond(&r.mu)
	var wg sync.WaitGroup
	wg.Go(r.read)
	wg.Go(r.write)
	t.Cleanup(func() {
		r.Close()
		r.Unstall()
		wg.Wait()
	})
	return r
}

func (r *remote) read() {
	b := make([]byte, 1<<20)
	for {
		r.mu.Lock()
		for r.stalled {
			r.changed.Wait()
		}
		r.mu.Unlock()
		n, err := r.c.Read(b)
		r.mu.Lock()
		r.got = append(r.got, b[:n]...)
		if err != nil {
			r.ended = true
			r.broken = r.broken || !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed)
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

func (r *remote) write() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case len(r.queue) > 0:
			b := r.queue[0]
			r.queue = r.queue[1:]
			r.mu.Unlock()
			_, err := r.c.Write(b)
			r.mu.Lock()
			if err != nil {
				return
			}
		case r.gone:
			r.c.Close()
			return
		case r.fin:
			r.fin = false
			_ = r.c.CloseWrite()
		default:
			r.changed.Wait()
		}
	}
}

func (r *remote) change(f func()) {
	r.mu.Lock()
	f()
	r.changed.Broadcast()
	r.mu.Unlock()
}

func (r *remote) Send(b []byte) { r.change(func() { r.queue = append(r.queue, b) }) }
func (r *remote) CloseWrite()   { r.change(func() { r.fin = true }) }
func (r *remote) Close()        { r.change(func() { r.gone = true }) }
func (r *remote) Stall()        { r.change(func() { r.stalled = true }) }
func (r *remote) Unstall()      { r.change(func() { r.stalled = false }) }

func (r *remote) Reset() {
	_ = r.c.SetLinger(0)
	r.c.Close()
}

func (r *remote) Got() (b []byte) {
	r.change(func() { b = r.got[:len(r.got):len(r.got)] })
	return b
}

func (r *remote) Ended() (v bool) {
	r.change(func() { v = r.ended })
	return v
}

func (r *remote) Broken() (v bool) {
	r.change(func() { v = r.broken })
	return v
}
