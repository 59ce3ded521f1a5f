package looptest

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/loop"
)

// system is the loop.System of a test: a poller and sockets as Linux has them, in memory.
type system struct {
	l       *Loop
	now     time.Duration
	alarm   time.Duration // 0 when none is set
	woken   atomic.Bool
	wakes   atomic.Int64
	sockets []*socket // by descriptor; the lowest free one is used next, as the kernel does
	reads   int
	writes  int
	faults  Faults
	rng     *rand.Rand
	batch   []happening
	calls   Calls
}

// happening is one event of a batch. As with epoll the batch is fixed before the first one is delivered.
type happening struct {
	fd    int
	ready loop.Ready
}

// Calls counts the system calls that the loop would have made.
type Calls struct {
	Reads   int // recvfrom
	Empty   int // of these, those that found nothing (EAGAIN)
	Writes  int // sendto and writev
	Watches int // registrations with the poller and their ends (epoll_ctl)
	Wakes   int // requests for a Round (a write to an eventfd)
	Alarms  int // timer settings (timerfd_settime)
}

// epoch is the wall-clock time at which every test starts.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const (
	firstFD = 3
	roundFD = 0
)

func newSystem(l *Loop) *system {
	return &system{l: l, now: time.Second, sockets: make([]*socket, firstFD)}
}

// step delivers one batch of events and reports whether there was any.
func (s *system) step(r *loop.Reactor) bool {
	s.injectFaults()
	s.batch = s.batch[:0]
	for fd := firstFD; fd < len(s.sockets); fd++ {
		if k := s.sockets[fd]; k != nil {
			if ready, ok := k.poll(); ok {
				s.batch = append(s.batch, happening{fd, ready})
			}
		}
	}
	if s.woken.Swap(false) {
		s.batch = append(s.batch, happening{fd: roundFD})
	}
	if s.rng != nil {
		s.rng.Shuffle(len(s.batch), func(i, j int) { s.batch[i], s.batch[j] = s.batch[j], s.batch[i] })
	}
	for _, h := range s.batch {
		if h.fd == roundFD {
			r.Round()
		} else {
			r.Deliver(h.fd, h.ready)
			if s.rng != nil && s.rng.IntN(2) == 0 {
				r.Settle()
			}
		}
	}
	r.Settle()
	if s.alarm != 0 && s.alarm <= s.now {
		s.alarm = 0
		r.Expire()
		return true
	}
	return len(s.batch) > 0
}

func (s *system) open(p *Peer) *socket {
	k := &socket{sys: s, peer: p, window: -1}
	for fd := firstFD; fd < len(s.sockets); fd++ {
		if s.sockets[fd] == nil {
			k.fd = fd
			s.sockets[fd] = k
			return k
		}
	}
	k.fd = len(s.sockets)
	s.sockets = append(s.sockets, k)
	return k
}

// socket returns what fd names; the code under test must not use a descriptor that it has closed.
func (s *system) socket(fd int) *socket {
	if fd < firstFD || fd >= len(s.sockets) || s.sockets[fd] == nil {
		panic(fmt.Sprintf("looptest: descriptor %d is not open", fd))
	}
	return s.sockets[fd]
}

// Now implements loop.Poller.
func (s *system) Now() time.Duration { return s.now }

// Wall implements loop.Poller.
func (s *system) Wall() time.Time { return epoch.Add(s.now - time.Second) }

// Wake implements loop.Poller.
func (s *system) Wake() {
	s.woken.Store(true)
	s.wakes.Add(1)
}

// Alarm implements loop.Poller.
func (s *system) Alarm(at time.Duration) {
	s.calls.Alarms++
	s.alarm = max(at, 1)
}

// Watch implements loop.Poller.
func (s *system) Watch(fd int) error {
	k := s.socket(fd)
	if k.watched {
		panic(fmt.Sprintf("looptest: descriptor %d is watched already", fd))
	}
	s.calls.Watches++
	k.watched = true
	k.changed = true // what is ready already is reported
	return nil
}

// Unwatch implements loop.Poller.
func (s *system) Unwatch(fd int) {
	k := s.socket(fd)
	if !k.watched {
		panic(fmt.Sprintf("looptest: descriptor %d is not watched", fd))
	}
	s.calls.Watches++
	k.watched = false
}

// Connect implements loop.Sockets.
func (s *system) Connect(o *loop.DialOptions) (fd int, done bool, err error) {
	l := s.l
	l.dials = append(l.dials, *o)
	there, ok := l.places[o.Addr]
	if !ok {
		there.errno = syscall.ECONNREFUSED
	}
	if there.now {
		return -1, false, there.errno
	}
	l.nextPort++
	p := l.newPeer(o.Addr, Addr("127.0.0.1", l.nextPort))
	k := p.sock
	switch {
	case there.errno != 0:
		k.errno, k.state = there.errno, broken
	case there.accept != nil:
		p.arrived = there.accept
		p.outcome = pending
	}
	return k.fd, false, nil
}

// Read implements loop.Sockets.
func (s *system) Read(fd int, b []byte) (int, syscall.Errno) {
	n, errno := s.socket(fd).read(b)
	s.calls.Reads++
	if errno == syscall.EAGAIN {
		s.calls.Empty++
	}
	return n, errno
}

// Write implements loop.Sockets.
func (s *system) Write(fd int, a, b []byte) (int, syscall.Errno) {
	s.calls.Writes++
	return s.socket(fd).write(a, b)
}

// ShutdownWrite implements loop.Sockets.
func (s *system) ShutdownWrite(fd int) syscall.Errno {
	k := s.socket(fd)
	if k.state != established {
		return syscall.ENOTCONN
	}
	k.shut = true
	k.changed = true
	return 0
}

// Close implements loop.Sockets.
func (s *system) Close(fd int, reset bool) {
	k := s.socket(fd)
	if k.watched {
		panic(fmt.Sprintf("looptest: descriptor %d is closed while it is watched", fd))
	}
	s.sockets[fd] = nil
	k.closed = true
	k.shut = true
	// Linux sends a RST when input was left unread.
	k.aborted = reset || len(k.in) > 0
}

// Error implements loop.Sockets.
func (s *system) Error(fd int) syscall.Errno {
	k := s.socket(fd)
	errno := k.errno
	k.errno = 0
	return errno
}

// LocalAddr implements loop.Sockets.
func (s *system) LocalAddr(fd int) loop.Addr { return s.socket(fd).peer.local }
