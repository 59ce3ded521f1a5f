package looptest

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
)

// maxSteps is how many batches of events Run allows before it calls the loop restless.
const maxSteps = 1_000_000

// A Loop is a loop.Loop under the control of a test. All methods must be called on the test's goroutine, and not from
// inside a handler, unless they say otherwise.
type Loop struct {
	loop.Loop
	reactor  *loop.Reactor
	t        testing.TB
	sys      *system
	peers    []*Peer // all that there have been
	live     []*Peer // of these, those to which something may still come
	places   map[loop.Addr]place
	dials    []loop.DialOptions
	nextPort uint16
	running  bool
}

// An Option changes how a Loop is made.
type Option func(*options)

type options struct {
	index  int
	unread int
}

// WithIndex sets the loop's Index.
func WithIndex(i int) Option { return func(o *options) { o.index = i } }

// WithMaxUnread sets how much unconsumed input stops reading.
func WithMaxUnread(n int) Option { return func(o *options) { o.unread = n } }

// New returns a loop whose clock stands at one second, and whose Wall at 2026-01-02 03:04:05 UTC. When the test ends it is shut down, and the test fails if a
// descriptor is left open.
func New(t testing.TB, opts ...Option) *Loop {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	l := &Loop{t: t, places: map[loop.Addr]place{}, nextPort: 40000}
	l.sys = newSystem(l)
	l.reactor = loop.NewReactor(l.sys, loop.ReactorOptions{Index: o.index, MaxUnread: o.unread})
	l.Loop = l.reactor
	t.Cleanup(l.stop)
	return l
}

func (l *Loop) stop() {
	l.reactor.Shutdown()
	for fd, s := range l.sys.sockets {
		if s != nil {
			l.t.Errorf("looptest: descriptor %d (%s) was not closed", fd, s.peer.remote)
		}
	}
}

// Stop shuts the loop down, as Group.Stop does: every connection ends with loop.ErrLoopStopped.
func (l *Loop) Stop() {
	l.reactor.Shutdown()
	l.deliver()
}

// Counters returns the reactor's counters.
func (l *Loop) Counters() loop.Counters { return l.reactor.Counters() }

// Do runs f on the loop and then everything that follows from it.
func (l *Loop) Do(f func()) {
	l.t.Helper()
	l.Post(f)
	l.Run()
}

// Run delivers events until the loop and the peers are at rest. Time stands still.
func (l *Loop) Run() {
	l.t.Helper()
	if l.running {
		l.t.Fatal("looptest: Run was called from inside a handler or a peer's script")
	}
	l.running = true
	defer func() { l.running = false }()
	for range maxSteps {
		busy := l.sys.step(l.reactor)
		if !l.deliver() && !busy {
			return
		}
	}
	l.t.Fatal("looptest: the loop does not come to rest")
}

// Step delivers one batch of events and reports whether there was any.
func (l *Loop) Step() bool {
	busy := l.sys.step(l.reactor)
	return l.deliver() || busy
}

// Advance lets d pass: timers fire at their times, and what follows from each happens before the next.
func (l *Loop) Advance(d time.Duration) {
	l.t.Helper()
	l.Run()
	until := l.sys.now + d
	for l.sys.alarm != 0 && l.sys.alarm <= until {
		l.sys.now = max(l.sys.now, l.sys.alarm)
		l.Run()
	}
	l.sys.now = until
	l.Run()
}

// Clock is the virtual time. Unlike Now it is not the loop's own, older view.
func (l *Loop) Clock() time.Duration { return l.sys.now }

// Armed reports whether a timer is due at some time, and when the loop will wake for it.
func (l *Loop) Armed() (at time.Duration, ok bool) { return l.sys.alarm, l.sys.alarm != 0 }

// Calls returns how many system calls the loop would have made since the last call of Calls.
func (l *Loop) Calls() Calls {
	calls := l.sys.calls
	calls.Wakes = int(l.sys.wakes.Swap(0))
	l.sys.calls = Calls{}
	return calls
}

// Reads limits every read of the loop to n bytes; 0 ends that.
func (l *Loop) Reads(n int) { l.sys.reads = n }

// Writes limits every write of the loop to n bytes; 0 ends that.
func (l *Loop) Writes(n int) { l.sys.writes = n }

// Connect makes a connection from a peer to a listener: a decides about it in the next Run.
func (l *Loop) Connect(a loop.Acceptor) *Peer {
	l.nextPort++
	return l.ConnectFrom(a, Addr("192.0.2.1", l.nextPort), Addr("127.0.0.1", 80))
}

// ConnectFrom is Connect with chosen addresses.
func (l *Loop) ConnectFrom(a loop.Acceptor, remote, local loop.Addr) *Peer {
	p := l.newPeer(remote, local)
	p.sock.state = established
	l.Post(func() {
		if !l.reactor.Adopt(p.sock.fd, &p.local, remote, a, nil) {
			l.sys.Close(p.sock.fd, false)
		}
	})
	return p
}

func (l *Loop) newPeer(remote, local loop.Addr) *Peer {
	p := &Peer{l: l, remote: remote, local: local}
	p.sock = l.sys.open(p)
	l.peers, l.live = append(l.peers, p), append(l.live, p)
	return p
}

// Addr is a TCP address.
func Addr(ip string, port uint16) loop.Addr {
	return loop.Addr{AddrPort: netip.AddrPortFrom(netip.MustParseAddr(ip), port)}
}

// place is what is at an address that is dialled.
type place struct {
	accept func(*Peer)
	errno  syscall.Errno // how a connect fails; 0 with accept nil: it hangs
	now    bool          // it fails at once
}

// Listen makes accept get the peer of each Dial to a that follows. It may be called in any place.
func (l *Loop) Listen(a loop.Addr, accept func(*Peer)) { l.places[a] = place{accept: accept} }

// Refuse makes connects to a fail with ECONNREFUSED, as those to unknown addresses do.
func (l *Loop) Refuse(a loop.Addr) { l.places[a] = place{errno: syscall.ECONNREFUSED} }

// Hang makes connects to a never end.
func (l *Loop) Hang(a loop.Addr) { l.places[a] = place{} }

// FailDial makes connects to a fail with errno; at once means that Dial itself returns it.
func (l *Loop) FailDial(a loop.Addr, errno syscall.Errno, atOnce bool) {
	l.places[a] = place{errno: errno, now: atOnce}
}

// Dials are the options of every Dial so far.
func (l *Loop) Dials() []loop.DialOptions { return l.dials }

// Peers are the other ends of all connections so far, in the order in which they were made.
func (l *Loop) Peers() []*Peer { return l.peers }

// deliver gives the peers' scripts what has arrived, and reports whether there was anything.
func (l *Loop) deliver() (busy bool) {
	n := 0
	for i := 0; i < len(l.live); i++ { // scripts may add to it
		p := l.live[i]
		busy = p.deliver() || busy
		if !p.over() {
			l.live[n] = p
			n++
		}
	}
	clear(l.live[n:])
	l.live = l.live[:n]
	return busy
}
