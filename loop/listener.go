//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ListenOptions say where to listen and how.
type ListenOptions struct {
	Name     string // for logs and errors
	Addr     Addr   // port 0 means any free one; [::] takes IPv4 too, and is 0.0.0.0 on a host without IPv6
	Backlog  int    // 0 means as many as the system allows
	MaxConns int    // open connections above which new ones are closed at once; 0 means no limit
	// KeepAlive is how long a connection is idle before TCP probes the peer; 0 for no probes.
	KeepAlive time.Duration
	// Mode is the permission of a unix socket's file; 0 leaves it to the umask.
	Mode os.FileMode
	// Files are listening sockets for Addr to take over, from Listener.Files of a process that goes. The listener
	// works on duplicates: the caller closes the files.
	Files []*os.File
}

// A Listener accepts connections for the loops of a Group. Its methods are safe on any goroutine but a loop's.
type Listener struct {
	group    *Group
	name     string
	addr     Addr
	local    *Addr // the address of every connection's own end; nil when it depends on the connection
	max      int64
	acceptor Acceptor
	shares   []share // one for each loop
	unlink   bool    // the unix socket's file is ours

	open     atomic.Int64
	accepted atomic.Int64
	refused  atomic.Int64

	mu      sync.Mutex
	sockets []*listenSocket
	closed  bool
}

// A share is a listener as one loop sees it.
type share struct {
	l *Listener
	r *Reactor
}

// Release implements Releaser.
func (s *share) Release() {
	s.l.open.Add(-1)
	s.l.group.accepted.Add(-1)
	s.r.counters.pending.Add(-1)
}

// ListenerCounters are a snapshot of one listener's counters.
type ListenerCounters struct {
	Open     int64 // connections that exist now
	Accepted int64 // connections accepted, the refused ones included
	Refused  int64 // connections closed at once because of MaxConns, the listener's or the group's
}

// Listen opens a listener. On a TCP address each loop has a socket of its own (where the system spreads connections over
// them), else one loop accepts for all. The acceptor is called on the loop that a connection will live on.
func (g *Group) Listen(o ListenOptions, acceptor Acceptor) (*Listener, error) {
	l, err := g.listen(o, acceptor)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", o.Name, err)
	}
	return l, nil
}

func (g *Group) listen(o ListenOptions, acceptor Acceptor) (*Listener, error) {
	if o.Addr.Path == "" && !o.Addr.AddrPort.IsValid() {
		return nil, errors.New("an address is needed: an IP address and a port, or the path of a unix socket")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil, ErrLoopStopped
	}
	fds, addr, err := openSockets(o, len(g.loops))
	if err != nil {
		return nil, err
	}
	l := &Listener{group: g, name: o.Name, addr: addr, max: int64(o.MaxConns), acceptor: acceptor,
		unlink: addr.Path != "" && addr.Path[0] != '@'}
	if addr.Path != "" || !addr.AddrPort.Addr().IsUnspecified() {
		l.local = &l.addr
	}
	for _, r := range g.reactors {
		l.shares = append(l.shares, share{l, r})
	}
	for i, fd := range fds {
		l.sockets = append(l.sockets, newListenSocket(l, g.reactors[i%len(g.reactors)], fd))
	}
	if err = l.each(func(s *listenSocket) error { return s.start() }); err != nil {
		l.unlink = l.unlink && len(o.Files) == 0
		l.close(false)
		return nil, err
	}
	g.listeners = append(g.listeners, l)
	return l, nil
}

// Addr is the address that the listener is bound to.
func (l *Listener) Addr() Addr { return l.addr }

// Counters returns a snapshot.
func (l *Listener) Counters() ListenerCounters {
	return ListenerCounters{Open: l.open.Load(), Accepted: l.accepted.Load(), Refused: l.refused.Load()}
}

// StopAccepting leaves new connections in the kernel's queue, for another process that has inherited the sockets.
func (l *Listener) StopAccepting() {
	_ = l.each(func(s *listenSocket) error { s.stop(); return nil })
}

// Close accepts what the kernel's queues hold and then closes the sockets; it returns when that is done. Connections go
// on. A unix socket's file is removed.
func (l *Listener) Close() {
	l.close(true)
	g := l.group
	g.mu.Lock()
	g.listeners = slices.DeleteFunc(g.listeners, func(other *Listener) bool { return other == l })
	g.mu.Unlock()
}

// Release is Close for a listener whose sockets another process has taken over: nothing is accepted any more, and a
// unix socket's file stays.
func (l *Listener) Release() {
	l.mu.Lock()
	l.unlink = false
	l.mu.Unlock()
	l.close(false)
}

func (l *Listener) close(drain bool) {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	unlink := l.unlink
	l.mu.Unlock()
	if !first {
		return
	}
	if unlink {
		_ = os.Remove(l.addr.Path)
	}
	_ = l.each(func(s *listenSocket) error { s.close(drain); return nil })
}

// Files returns duplicates of the listening sockets, to be inherited by another process. The caller closes them.
func (l *Listener) Files() ([]*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fmt.Errorf("listener %q is closed", l.name)
	}
	var files []*os.File
	for _, s := range l.sockets {
		fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			return nil, fmt.Errorf("listener %q: %w", l.name, os.NewSyscallError("duplicate a socket", err))
		}
		files = append(files, os.NewFile(uintptr(fd), l.addr.String()))
	}
	return files, nil
}

// each runs f for each socket on the socket's loop, and waits. A loop that has ended is passed over.
func (l *Listener) each(f func(*listenSocket) error) error {
	results := make(chan error, len(l.sockets))
	waiting := 0
	for _, s := range l.sockets {
		if s.r.Post(func() { results <- f(s) }) {
			waiting++
		} else {
			s.release()
		}
	}
	var first error
	for range waiting {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// take gives an accepted socket to the loop that it will live on: this one, unless another has clearly fewer. Few
// long-lived connections hash unevenly over the listening sockets.
func (l *Listener) take(r *Reactor, fd int, remote Addr) {
	l.accepted.Add(1)
	n, all := l.open.Add(1), l.group.accepted.Add(1)
	if l.max > 0 && n > l.max || l.group.maxConns >= 0 && all > l.group.maxConns {
		l.open.Add(-1)
		l.group.accepted.Add(-1)
		l.refused.Add(1)
		r.counters.refused.Add(1)
		_ = unix.Close(fd)
		return
	}
	least := l.leastLoaded(r)
	least.r.counters.pending.Add(1)
	if least.r == r {
		l.adopt(least, fd, remote)
		return
	}
	r.counters.handedOver.Add(1)
	if !least.r.Post(func() { l.adopt(least, fd, remote) }) {
		least.Release()
		_ = unix.Close(fd)
	}
}

func (l *Listener) adopt(s *share, fd int, remote Addr) {
	if !s.r.Adopt(fd, l.local, remote, l.acceptor, s) {
		s.Release()
		_ = unix.Close(fd)
	}
}

// leastLoaded is r's share unless r has more connections than the least loaded loop by over max(2, 10 %).
func (l *Listener) leastLoaded(r *Reactor) *share {
	own := r.counters.pending.Load()
	least, best := &l.shares[r.index], own
	for i := range l.shares {
		if n := l.shares[i].r.counters.pending.Load(); n < best {
			least, best = &l.shares[i], n
		}
	}
	if own-best > max(2, best/10) {
		return least
	}
	return &l.shares[r.index]
}
