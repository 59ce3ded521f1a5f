//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package loop

import (
	"os"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// poller is gnet's; on Linux it is ours.
type poller = netpoll.Poller

// poll delivers events. netpoll does not tell where a batch ends, so each is settled by itself.
func (k *kernel) poll() error { return k.poller.Polling(k.dispatch) }

func (k *kernel) deliver(fd int, ready Ready) { k.r.Event(fd, ready) }

func openPoller() (*poller, error) { return netpoll.OpenPoller() }

// reuseportBalances says that the kernel spreads connections over the sockets of one address; here the last one bound
// gets them all.
const reuseportBalances = false

// Read implements Sockets.
func (k *kernel) Read(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), errnoOf(err)
		}
	}
}

// Write implements Sockets.
func (k *kernel) Write(fd int, a, b []byte) (n int, errno syscall.Errno) {
	for _, part := range [...][]byte{a, b} {
		if len(part) == 0 {
			continue
		}
		m, err := unix.Write(fd, part)
		for err == unix.EINTR {
			m, err = unix.Write(fd, part)
		}
		if err != nil {
			if n > 0 {
				return n, 0
			}
			return 0, errnoOf(err)
		}
		if n += m; m < len(part) {
			break
		}
	}
	return n, 0
}

// Watch implements Poller.
func (k *kernel) Watch(fd int) error {
	return k.poller.AddReadWrite(&netpoll.PollAttachment{FD: fd}, true)
}

// Unwatch implements Poller. The poller can't remove a filter; closing does, and until then nobody takes the events.
func (k *kernel) Unwatch(int) {}

func readiness(event netpoll.IOEvent, flags netpoll.IOFlags) (ready Ready) {
	if netpoll.IsReadEvent(event) {
		ready |= Readable
		if flags&unix.EV_EOF != 0 {
			ready |= Ended
		}
	}
	if netpoll.IsWriteEvent(event) {
		ready |= Writable
	}
	if netpoll.IsErrorEvent(event, flags) && (ready&Writable != 0 || flags&unix.EV_ERROR != 0) {
		ready |= Failed
	}
	return ready
}

// signal is a pipe.
type signal struct{ in, out int }

func (s *signal) open(p *poller) error {
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	s.in, s.out = fds[0], fds[1]
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	err := p.AddRead(&netpoll.PollAttachment{FD: s.in}, true)
	if err != nil {
		s.close()
	}
	return err
}

func (s *signal) raise() { _, _ = unix.Write(s.out, []byte{1}) } // a full pipe is a raised signal

func (s *signal) drain() {
	var b [256]byte
	for {
		if n, err := unix.Read(s.in, b[:]); n <= 0 || err != nil {
			return
		}
	}
}

func (s *signal) close() {
	_ = unix.Close(s.in)
	_ = unix.Close(s.out)
}

// alarm is a runtime timer that posts to the loop.
type alarm struct {
	fd    int // none
	timer *time.Timer
}

func (a *alarm) open(k *kernel) error {
	a.fd = -1
	a.timer = time.AfterFunc(time.Hour, func() { k.r.Post(k.r.Expire) })
	a.timer.Stop()
	return nil
}

func (a *alarm) set(in time.Duration) { a.timer.Reset(in) }

func (a *alarm) close() { a.timer.Stop() }

func newSocket(a Addr) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family(a), unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func setMark(int, int) error { return os.NewSyscallError("set SO_MARK", unix.ENOPROTOOPT) }

func latePort(int) {}
