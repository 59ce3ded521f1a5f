//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	errorx "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"
)

// kernel is the System of real sockets: a poller (epoll, or gnet's netpoll), a signal descriptor that makes Round come, and a timer.
// The rest of it is in kernel_linux.go and kernel_other.go.
type kernel struct {
	poller *poller
	epoch  time.Time
	r      *Reactor
	signal signal
	timer  alarm
	stop   bool // set on the loop's goroutine: the next event ends run
}

func newKernel(epoch time.Time) (*kernel, error) {
	poller, err := openPoller()
	if err != nil {
		return nil, err
	}
	k := &kernel{poller: poller, epoch: epoch}
	if err = k.signal.open(poller); err == nil {
		if err = k.timer.open(k); err == nil {
			return k, nil
		}
		k.signal.close()
	}
	_ = poller.Close()
	return nil, err
}

// run delivers events until stop is set.
func (k *kernel) run() error {
	k.r.pulse.remember()
	err := k.poll()
	if errors.Is(err, errorx.ErrEngineShutdown) {
		return nil
	}
	return err
}

// dispatch is the poller's callback. It returns nil whatever happens, because errors end Polling for good; the one
// deliberate exception ends the loop.
func (k *kernel) dispatch(fd int, event netpoll.IOEvent, flags netpoll.IOFlags) error {
	switch fd {
	case k.signal.in:
		k.signal.drain()
		k.r.Round()
	case k.timer.fd:
		k.r.Expire()
	default:
		k.deliver(fd, readiness(event, flags))
	}
	if k.stop {
		return errorx.ErrEngineShutdown
	}
	return nil
}

func (k *kernel) close() {
	k.timer.close()
	k.signal.close()
	_ = k.poller.Close()
}

// Now implements Poller.
func (k *kernel) Now() time.Duration { return time.Since(k.epoch) }

// Wall implements Poller. Rounding drops Go's monotonic reading, which would hide corrections of the clock.
func (k *kernel) Wall() time.Time { return time.Now().Round(0) }

// Wake implements Poller.
func (k *kernel) Wake() { k.signal.raise() }

// Alarm implements Poller.
func (k *kernel) Alarm(at time.Duration) { k.timer.set(max(at-k.Now(), 1)) }

// ShutdownWrite implements Sockets.
func (k *kernel) ShutdownWrite(fd int) syscall.Errno {
	return errnoOf(unix.Shutdown(fd, unix.SHUT_WR))
}

// Close implements Sockets.
func (k *kernel) Close(fd int, reset bool) {
	if reset {
		_ = socket.SetLinger(fd, 0)
	}
	_ = unix.Close(fd)
}

// Error implements Sockets.
func (k *kernel) Error(fd int) syscall.Errno {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return errnoOf(err)
	}
	return syscall.Errno(n)
}

// LocalAddr implements Sockets.
func (k *kernel) LocalAddr(fd int) Addr {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return Addr{}
	}
	return addrOf(sa)
}

// Connect implements Sockets.
func (k *kernel) Connect(o *DialOptions) (fd int, done bool, err error) {
	fd, err = newSocket(o.Addr)
	if err != nil {
		return -1, false, err
	}
	if err = prepareDial(fd, o); err == nil {
		err = unix.Connect(fd, sockaddr(o.Addr))
	}
	for err == unix.EINTR {
		err = unix.EINPROGRESS // it goes on
	}
	switch err {
	case nil:
		return fd, true, nil
	case unix.EINPROGRESS:
		return fd, false, nil
	}
	_ = unix.Close(fd)
	return -1, false, err
}

func prepareDial(fd int, o *DialOptions) error {
	if o.Addr.Path == "" {
		if err := socket.SetNoDelay(fd, 1); err != nil {
			return err
		}
		if err := setKeepAlive(fd, o.KeepAlive); err != nil {
			return err
		}
	}
	if o.Mark != 0 {
		if err := setMark(fd, o.Mark); err != nil {
			return err
		}
	}
	if o.Source.IsValid() && o.Addr.Path == "" {
		latePort(fd)
		source := o.Source
		if o.Addr.AddrPort.Addr().Unmap().Is4() {
			source = source.Unmap()
		}
		return os.NewSyscallError("bind to source "+source.String(), unix.Bind(fd, sockaddr(Addr{AddrPort: netip.AddrPortFrom(source, 0)})))
	}
	return nil
}

func setKeepAlive(fd int, idle time.Duration) error {
	if idle <= 0 {
		return nil
	}
	return socket.SetKeepAlivePeriod(fd, int(max(idle/time.Second, 1)))
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if err == nil || errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}
