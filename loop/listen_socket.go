//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"log/slog"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	acceptsPerEvent = 16
	acceptBackoff   = 100 * time.Millisecond
	complainEvery   = time.Second
)

// acceptState is what a listening socket does.
//
//	stopped ──(start)──> accepting <──(no descriptor or memory; 100 ms later)──> suspended
//	any ──(StopAccepting, Close)──> stopped
type acceptState uint8

const (
	acceptStopped acceptState = iota
	acceptRunning
	acceptSuspended // the retry timer is armed
)

// A listenSocket is one listening socket on the loop that accepts from it.
type listenSocket struct {
	l        *Listener
	r        *Reactor
	fd       int
	acceptor socketAcceptor
	state    acceptState
	retry    Timer
	spare    int // a descriptor kept to be given up when there is no other; -1 for none
	complain time.Duration
}

func newListenSocket(l *Listener, r *Reactor, fd int) *listenSocket {
	s := &listenSocket{l: l, r: r, fd: fd, spare: openSpare()}
	s.retry.Init(s)
	return s
}

func openSpare() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

func (s *listenSocket) start() error {
	if err := s.r.sys.Watch(s.fd); err != nil {
		return err
	}
	s.r.watchers[s.fd] = s.accept
	s.state = acceptRunning
	return nil
}

// stop leaves what comes from now on to whoever else has the socket.
func (s *listenSocket) stop() {
	if s.state == acceptStopped {
		return
	}
	s.state = acceptStopped
	s.r.Disarm(&s.retry)
	s.r.sys.Unwatch(s.fd)
	delete(s.r.watchers, s.fd)
}

// accept is called when a connection has come. Only an accept that finds none makes sure that another event will tell of
// the next one, so what is left for the sake of other sockets has its turn in the next Round.
func (s *listenSocket) accept() {
	more := true
	defer func() {
		if more { // also when an Acceptor panics
			s.r.Post(s.accept)
		}
	}()
	for range acceptsPerEvent {
		if s.state != acceptRunning || !s.acceptOne() {
			more = false
			return
		}
	}
}

// acceptOne reports whether there may be more.
func (s *listenSocket) acceptOne() bool {
	fd, remote, errno := s.acceptor.accept(s.fd)
	switch errno {
	case 0:
		s.l.take(s.r, fd, remote)
	case unix.EAGAIN:
		return false
	case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH:
		// this one connection is lost: accept(2) asks to go on
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		s.exhausted(errno)
		return false
	default:
		s.suspend(errno)
		return false
	}
	return true
}

// exhausted is called when there is no descriptor or memory for a connection. Every new client would only fail again, so
// events are ignored for a while. One client is told at once, by way of the spare descriptor.
func (s *listenSocket) exhausted(errno syscall.Errno) {
	s.r.counters.noFiles.Add(1)
	if s.spare >= 0 {
		_ = unix.Close(s.spare)
		if fd, _, errno := s.acceptor.accept(s.fd); errno == 0 {
			_ = unix.Close(fd)
		}
		s.spare = openSpare()
	}
	s.suspend(errno)
}

func (s *listenSocket) suspend(errno syscall.Errno) {
	if now := s.r.now; s.complain == 0 || now-s.complain > complainEvery {
		s.complain = now
		s.r.log.Error("can't accept connections; trying again every 100 ms (is the limit of open files, ulimit -n, too low?)",
			slog.String("listener", s.l.name), slog.String("address", s.l.addr.String()), slog.Any("error", errno))
	}
	if s.state == acceptRunning {
		s.state = acceptSuspended
		s.r.Arm(&s.retry, s.r.now+acceptBackoff)
	}
}

// Expired implements Expirer.
func (s *listenSocket) Expired(_ *Timer, _ time.Duration) {
	if s.spare < 0 {
		s.spare = openSpare()
	}
	s.state = acceptRunning
	s.accept()
}

// close ends accepting; drain first takes what the kernel has accepted already, because closing resets those.
func (s *listenSocket) close(drain bool) {
	if s.fd < 0 {
		return
	}
	for i := 0; drain && s.state != acceptStopped && i < maxBacklog && s.acceptOne(); i++ {
	}
	s.stop()
	s.release()
}

// release closes the descriptors at once, so that the address is free when Listener.Close returns. If the running batch
// still names the descriptor, and a new connection gets its number, that connection reads once and finds nothing.
// It is also what is left to do for a loop that has ended.
func (s *listenSocket) release() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
	if s.spare >= 0 {
		_ = unix.Close(s.spare)
	}
	s.fd, s.spare = -1, -1
}
