package loop

import (
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// reuseportBalances says that the kernel spreads connections over the sockets of one address.
const reuseportBalances = true

// The sockets are non-blocking, so these calls return at once: RawSyscall spares the scheduler's bookkeeping. The calls
// for sockets skip the layer of files that read and write pass through, and MSG_NOSIGNAL spares a signal when the peer
// has gone.

// Read implements Sockets.
func (k *kernel) Read(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM,
			uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// Write implements Sockets.
func (k *kernel) Write(fd int, a, b []byte) (int, syscall.Errno) {
	if len(a) == 0 {
		a, b = b, nil
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if len(b) == 0 {
			n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO,
				uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(len(a)), unix.MSG_NOSIGNAL, 0, 0)
		} else {
			v := [2]unix.Iovec{{Base: unsafe.SliceData(a)}, {Base: unsafe.SliceData(b)}}
			v[0].SetLen(len(a))
			v[1].SetLen(len(b))
			m := unix.Msghdr{Iov: &v[0]}
			m.SetIovlen(len(v))
			n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_NOSIGNAL)
			runtime.KeepAlive(&v)
		}
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// poll delivers events in batches.
func (k *kernel) poll() error { return k.poller.Polling(k.dispatch, k.r.Settle) }

func (k *kernel) deliver(fd int, ready Ready) { k.r.Deliver(fd, ready) }

// Watch implements Poller.
func (k *kernel) Watch(fd int) error { return k.poller.add(fd, netpoll.ReadWriteEvents) }

// Unwatch implements Poller. A descriptor that was duplicated would otherwise be reported after close(2).
func (k *kernel) Unwatch(fd int) { _ = k.poller.Delete(fd) }

// readiness translates epoll's bits. A read also stops short at the mark of urgent data (EPOLLPRI).
func readiness(event netpoll.IOEvent, _ netpoll.IOFlags) (ready Ready) {
	if netpoll.IsReadEvent(event) {
		ready |= Readable
	}
	if event&(unix.EPOLLRDHUP|unix.EPOLLPRI) != 0 {
		ready |= Ended
	}
	if netpoll.IsWriteEvent(event) {
		ready |= Writable
	}
	if netpoll.IsErrorEvent(event, 0) {
		ready |= Failed
	}
	return ready
}

// signal is an eventfd. Edge-triggered, so that each write is one event and nothing needs to read it.
type signal struct{ in int }

func (s *signal) open(p *poller) (err error) {
	if s.in, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err = p.add(s.in, netpoll.ReadEvents); err != nil {
		s.close()
	}
	return err
}

func (s *signal) raise() {
	one := uint64(1)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(s.in), uintptr(unsafe.Pointer(&one)), 8)
}

func (s *signal) drain() {}

func (s *signal) close() { _ = unix.Close(s.in) }

// alarm is a timerfd, edge-triggered as well.
type alarm struct{ fd int }

func (a *alarm) open(k *kernel) (err error) {
	if a.fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if err = k.poller.add(a.fd, netpoll.ReadEvents); err != nil {
		a.close()
	}
	return err
}

func (a *alarm) set(in time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(in))}
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(a.fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

func (a *alarm) close() { _ = unix.Close(a.fd) }

// newSocket returns a non-blocking socket for addresses like a.
func newSocket(a Addr) (int, error) {
	fd, err := unix.Socket(family(a), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}

func setMark(fd, mark int) error {
	return os.NewSyscallError("set SO_MARK (this needs CAP_NET_ADMIN)", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, mark))
}

// latePort lets connect choose the port, so that one source address serves more than 64 K connections.
func latePort(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) }
