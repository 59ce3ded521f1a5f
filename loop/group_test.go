package loop_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
)

func listen(t *testing.T, g *loop.Group, o loop.ListenOptions, a loop.Acceptor) *loop.Listener {
	t.Helper()
	l, err := g.Listen(o, a)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func connect(t *testing.T, l *loop.Listener) net.Conn {
	t.Helper()
	network, address := l.Addr().Network(), l.Addr().String()
	if network == "unix" {
		address = l.Addr().Path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// wantEcho sends s and wants it back.
func wantEcho(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(s))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != s {
		t.Fatalf("got %q, %v; want %q", b, err, s)
	}
}

// eventually waits for cond on the test's goroutine.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestGroupDefaults(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	g := newGroup(t, 0)
	if n := len(g.Loops()); n != 3 || runtime.GOMAXPROCS(0) != 5 {
		t.Errorf("%d loops, GOMAXPROCS %d; want 3 and 5", n, runtime.GOMAXPROCS(0))
	}
	t.Setenv("GOMAXPROCS", "")
	if n := len(newGroup(t, 0).Loops()); n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d loops on %d CPUs", n, runtime.NumCPU())
	}
	for i, l := range g.Loops() {
		if l.Index() != i {
			t.Errorf("loop %d says it is %d", i, l.Index())
		}
	}
	if _, err := loop.NewGroup(loop.Options{Loops: -1}); err == nil {
		t.Error("-1 loops were started")
	}
}

func TestStopEndsEverything(t *testing.T) {
	g := newGroup(t, 2)
	var mu sync.Mutex
	var errs []error
	h := &noting{closed: func(err error) { mu.Lock(); errs = append(errs, err); mu.Unlock() }}
	l := listen(t, g, loop.ListenOptions{Name: "a", Addr: anyPort}, h)
	var conns []net.Conn
	for range 5 {
		conns = append(conns, connect(t, l))
	}
	eventually(t, "all are accepted", func() bool { return l.Counters().Open == 5 })
	g.Stop()
	g.Stop()
	if len(errs) != 5 {
		t.Fatalf("Closed was called %d times", len(errs))
	}
	for _, err := range errs {
		if !errors.Is(err, loop.ErrLoopStopped) {
			t.Errorf("Closed got %v", err)
		}
	}
	if g.Loops()[0].Post(func() { t.Error("it ran") }) {
		t.Error("Post was taken by a loop that has stopped")
	}
	if _, err := g.Listen(loop.ListenOptions{Addr: anyPort}, h); err == nil {
		t.Error("Listen after Stop")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
	for _, c := range conns {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection is still open")
		}
	}
	l.Close()
}

// noting is a handler with one hook; many connections share it.
type noting struct {
	echo
	closed func(err error)
}

func (n *noting) Accept(loop.Conn) loop.Handler { return n }
func (n *noting) Closed(_ loop.Conn, err error) { n.closed(err) }

func TestSecondBindFails(t *testing.T) {
	g, other := newGroup(t, 2), newGroup(t, 2)
	l := listen(t, g, loop.ListenOptions{Name: "first", Addr: anyPort}, echo{})
	_, err := other.Listen(loop.ListenOptions{Name: "second", Addr: l.Addr()}, echo{})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "second") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v", err)
	}
	l.Close()
	listen(t, other, loop.ListenOptions{Name: "third", Addr: l.Addr()}, echo{})
	if _, err := g.Listen(loop.ListenOptions{Name: "nowhere"}, echo{}); err == nil {
		t.Error("a listener without an address was opened")
	}
}

func TestIPv6AndWildcard(t *testing.T) {
	g := newGroup(t, 2)
	for _, at := range []string{"[::1]:0", "[::]:0", "0.0.0.0:0"} { // IPv4 reaches the last two
		addrs := make(chan [2]loop.Addr, 1)
		l, err := g.Listen(loop.ListenOptions{Name: at, Addr: mustAddr(at)}, acceptFunc(func(c loop.Conn) loop.Handler {
			addrs <- [2]loop.Addr{c.LocalAddr(), c.RemoteAddr()}
			return echo{}
		}))
		if err != nil {
			if at != "0.0.0.0:0" {
				t.Logf("no IPv6 here: %v", err)
				continue
			}
			t.Fatal(err)
		}
		target := net.JoinHostPort(map[string]string{"[::1]:0": "::1"}[at], l.Addr().AddrPort.String()[strings.LastIndex(l.Addr().AddrPort.String(), ":")+1:])
		if at != "[::1]:0" {
			target = "127.0.0.1" + target
		}
		c, err := net.Dial("tcp", target)
		if err != nil {
			t.Fatal(err)
		}
		wantEcho(t, c, "hello")
		got := <-addrs
		if got[0].String() != c.RemoteAddr().String() || got[1].String() != c.LocalAddr().String() {
			t.Errorf("%s: the loop says %s and %s, the client %s and %s", at, got[0], got[1], c.RemoteAddr(), c.LocalAddr())
		}
		c.Close()
	}
}

func TestEveryAddress(t *testing.T) {
	without := func(loop.Addr) (int, error) { return -1, os.NewSyscallError("socket", syscall.EAFNOSUPPORT) }
	full := func(loop.Addr) (int, error) { return -1, os.NewSyscallError("socket", syscall.EMFILE) }
	for _, test := range []struct {
		at, want string
		open     func(loop.Addr) (int, error)
	}{
		{"[::]:80", "0.0.0.0:80", without},
		{"[::]:80", "[::]:80", full},
		{"[::1]:80", "[::1]:80", without}, // it fails, rather than listen elsewhere
		{"0.0.0.0:80", "0.0.0.0:80", without},
		{"127.0.0.1:80", "127.0.0.1:80", without},
	} {
		if got := loop.EveryAddr(mustAddr(test.at), test.open); got != mustAddr(test.want) {
			t.Errorf("%s becomes %s, want %s", test.at, got, test.want)
		}
	}
	at := loop.Addr{Path: "@everywhere"}
	if got := loop.EveryAddr(at, without); got != at {
		t.Errorf("%s becomes %s", at, got)
	}
}

type acceptFunc func(c loop.Conn) loop.Handler

func (f acceptFunc) Accept(c loop.Conn) loop.Handler { return f(c) }

func TestUnixSocket(t *testing.T) {
	g := newGroup(t, 2)
	dir := t.TempDir()
	at := loop.Addr{Path: filepath.Join(dir, "s")}
	l := listen(t, g, loop.ListenOptions{Name: "unix", Addr: at, Mode: 0o600}, echo{})
	if info, err := os.Stat(at.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	c := connect(t, l)
	wantEcho(t, c, strings.Repeat("hello", 10000))
	if _, err := g.Listen(loop.ListenOptions{Name: "second", Addr: at}, echo{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	l.Close()
	if _, err := os.Stat(at.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was left: %v", err)
	}
	wantEcho(t, c, "still open")

	stale, err := net.Listen("unix", at.Path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	l = listen(t, g, loop.ListenOptions{Name: "over a stale file", Addr: at}, relayTo(listen(t, g,
		loop.ListenOptions{Name: "abstract", Addr: loop.Addr{Path: "@sluice-test-" + filepath.Base(dir)}}, echo{}).Addr()))
	wantEcho(t, connect(t, l), "through two unix sockets")

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Listen(loop.ListenOptions{Name: "file", Addr: loop.Addr{Path: file}}, echo{}); err == nil {
		t.Error("it listens on a plain file")
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("the file was touched")
	}
	do(t, g.Loops()[0], func() {
		if _, err := g.Loops()[0].Dial(loop.DialOptions{Addr: loop.Addr{Path: filepath.Join(dir, "none")}}, echo{}); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("dialling a path that does not exist: %v", err)
		}
	})
}

func TestMaxConns(t *testing.T) {
	g := newGroup(t, 2)
	l := listen(t, g, loop.ListenOptions{Name: "small", Addr: anyPort, MaxConns: 2}, echo{})
	a, b := connect(t, l), connect(t, l)
	wantEcho(t, a, "a")
	wantEcho(t, b, "b")
	c := connect(t, l)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the third connection was served")
	}
	a.Close()
	eventually(t, "the first one is gone", func() bool { return l.Counters().Open == 1 })
	wantEcho(t, connect(t, l), "d")
	if n := l.Counters(); n.Refused != 1 || n.Accepted != 4 {
		t.Errorf("counters %+v", n)
	}
}

// TestMaxConnsOfAllListeners has a limit that two listeners share.
func TestMaxConnsOfAllListeners(t *testing.T) {
	g, err := loop.NewGroup(loop.Options{Loops: 2, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	one := listen(t, g, loop.ListenOptions{Name: "one", Addr: anyPort}, echo{})
	two := listen(t, g, loop.ListenOptions{Name: "two", Addr: anyPort}, echo{})
	a, b := connect(t, one), connect(t, two)
	wantEcho(t, a, "a")
	wantEcho(t, b, "b")
	if _, err := connect(t, two).Read(make([]byte, 1)); err == nil {
		t.Error("the third connection was served")
	}
	if n := two.Counters(); n.Refused != 1 {
		t.Errorf("counters %+v", n)
	}
	a.Close()
	eventually(t, "its place is free", func() bool { return one.Counters().Open == 0 })
	wantEcho(t, connect(t, two), "d")
}

// TestHandOver opens many connections through one listening socket; the loops must share them.
func TestHandOver(t *testing.T) {
	g := newGroup(t, 4)
	l := listen(t, g, loop.ListenOptions{Name: "unix", Addr: loop.Addr{Path: filepath.Join(t.TempDir(), "s")}}, echo{})
	const n = 80
	for range n {
		wantEcho(t, connect(t, l), "x")
	}
	var handed int64
	for i, c := range g.Counters() {
		if c.Open < n/4-4 || c.Open > n/4+4 {
			t.Errorf("loop %d has %d of %d connections", i, c.Open, n)
		}
		handed += c.HandedOver
	}
	if handed < n/2 {
		t.Errorf("%d were handed over", handed)
	}
}

// TestInheritedSockets passes the listening sockets to another group, as to another process, while clients connect.
func TestInheritedSockets(t *testing.T) {
	old, young := newGroup(t, 2), newGroup(t, 2)
	l := listen(t, old, loop.ListenOptions{Name: "web", Addr: anyPort}, echo{})
	files, err := l.Files()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, f := range files {
		f.Fd() // what os/exec does; it must leave the sockets non-blocking
	}
	var failed, served atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", l.Addr().String())
				if err == nil {
					_, err = c.Write([]byte("x"))
				}
				if err == nil {
					_, err = io.ReadFull(c, make([]byte, 1))
				}
				if err != nil {
					failed.Add(1)
				} else {
					served.Add(1)
				}
				if c != nil {
					c.Close()
				}
			}
		})
	}
	eventually(t, "the old group serves", func() bool { return served.Load() > 20 })
	next := listen(t, young, loop.ListenOptions{Name: "web", Addr: l.Addr(), Files: files}, echo{})
	for _, f := range files {
		f.Close()
	}
	l.StopAccepting()
	l.Release()
	if next.Addr() != l.Addr() {
		t.Errorf("the new listener is on %s", next.Addr())
	}
	before := served.Load()
	eventually(t, "the new group serves", func() bool { return served.Load() > before+20 })
	close(stop)
	clients.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d of %d connections failed", failed.Load(), served.Load())
	}
	if _, err := l.Files(); err == nil {
		t.Error("a closed listener has files")
	}
}

func TestInheritedFilesAreChecked(t *testing.T) {
	g := newGroup(t, 1)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := g.Listen(loop.ListenOptions{Name: "a", Addr: anyPort, Files: []*os.File{f}}, echo{}); err == nil {
		t.Error("a file was taken for a socket")
	}
	l := listen(t, g, loop.ListenOptions{Name: "b", Addr: anyPort}, echo{})
	files, err := l.Files()
	if err != nil {
		t.Fatal(err)
	}
	defer files[0].Close()
	if _, err := g.Listen(loop.ListenOptions{Name: "c", Addr: mustAddr("127.0.0.2:0"), Files: files}, echo{}); err == nil {
		t.Error("a socket of another address was taken")
	}
}

// TestCloseServesWhatTheKernelHasAccepted connects without the loop noticing, then closes the listener.
func TestCloseServesWhatTheKernelHasAccepted(t *testing.T) {
	g := newGroup(t, 1)
	l := listen(t, g, loop.ListenOptions{Name: "a", Addr: anyPort}, echo{})
	hold := make(chan struct{})
	g.Loops()[0].Post(func() { <-hold })
	var clients []net.Conn
	for range 20 {
		clients = append(clients, connect(t, l))
	}
	closed := make(chan struct{})
	go func() { l.Close(); close(closed) }()
	time.Sleep(10 * time.Millisecond)
	close(hold)
	<-closed
	for _, c := range clients {
		wantEcho(t, c, "x")
	}
}

func TestDialSource(t *testing.T) {
	g := newGroup(t, 1)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l := g.Loops()[0]
	do(t, l, func() {
		if _, err := l.Dial(loop.DialOptions{Addr: addrOf(server), Source: mustAddr("127.0.0.5:0").AddrPort.Addr(), KeepAlive: time.Minute}, echo{}); err != nil {
			t.Error(err)
		}
		if _, err := l.Dial(loop.DialOptions{Addr: addrOf(server), Source: mustAddr("192.0.2.1:0").AddrPort.Addr()}, echo{}); err == nil {
			t.Error("a foreign source address was bound")
		}
	})
	c, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !strings.HasPrefix(c.RemoteAddr().String(), "127.0.0.5:") {
		t.Errorf("it comes from %s", c.RemoteAddr())
	}
	wantEcho(t, c, "x")
}

func TestWatchdogSeesSlowCallbacks(t *testing.T) {
	var log syncBuffer
	g, err := loop.NewGroup(loop.Options{Loops: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	release := make(chan struct{})
	for range 2 {
		time.Sleep(1100 * time.Millisecond) // the watchdog falls asleep
		g.Loops()[0].Post(func() { slowOnPurpose(release) })
		before := g.Counters()[0].SlowCallbacks
		eventually(t, "it is counted", func() bool { return g.Counters()[0].SlowCallbacks == before+1 })
		release <- struct{}{}
	}
	if s := log.String(); !strings.Contains(s, "slowOnPurpose") || !strings.Contains(s, "holds up its loop") {
		t.Errorf("the log says %q", s)
	}
}

//go:noinline
func slowOnPurpose(release chan struct{}) { <-release }

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestPanicsAreLoggedAndCounted(t *testing.T) {
	var log syncBuffer
	g, err := loop.NewGroup(loop.Options{Loops: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	g.Loops()[0].Post(func() { panic("on purpose") })
	do(t, g.Loops()[0], func() {})
	if g.Counters()[0].Panics != 1 || !strings.Contains(log.String(), "on purpose") {
		t.Errorf("%+v, log %q", g.Counters()[0], log.String())
	}
}
