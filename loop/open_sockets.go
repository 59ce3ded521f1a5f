//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"
)

const maxBacklog = 1<<16 - 1 // the kernel cuts it to net.core.somaxconn

// openSockets returns the listening sockets for o and the address that they are bound to.
func openSockets(o ListenOptions, loops int) (fds []int, bound Addr, err error) {
	defer func() {
		if err != nil {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			fds = nil
		}
	}()
	o.Addr = everyAddr(o.Addr, newSocket)
	if fds, err = inherit(o); err != nil {
		return fds, Addr{}, err
	}
	want := 1
	if o.Addr.Path == "" && reuseportBalances {
		want = loops
	}
	bound = o.Addr
	if len(fds) > 0 {
		bound = boundAddr(fds[0], o.Addr)
	} else if err = checkFree(o.Addr); err != nil {
		return fds, Addr{}, err
	}
	for len(fds) < want {
		var fd int
		if fd, err = listenOn(bound, o); err != nil {
			return fds, Addr{}, err
		}
		fds = append(fds, fd)
		bound = boundAddr(fd, bound)
	}
	return fds, bound, nil
}

// everyAddr is 0.0.0.0 for [::] on a host without IPv6, where every address is an IPv4 address; else it is a.
func everyAddr(a Addr, open func(Addr) (int, error)) Addr {
	if ip := a.AddrPort.Addr(); a.Path != "" || !ip.Is6() || !ip.IsUnspecified() {
		return a
	}
	fd, err := open(a)
	if err == nil {
		_ = unix.Close(fd)
	}
	if !errors.Is(err, unix.EAFNOSUPPORT) {
		return a
	}
	return Addr{AddrPort: netip.AddrPortFrom(netip.IPv4Unspecified(), a.AddrPort.Port())}
}

// inherit duplicates o.Files after a look at what they are.
func inherit(o ListenOptions) (fds []int, err error) {
	for _, f := range o.Files {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fds, fmt.Errorf("inherited socket %s: %w", f.Name(), err)
		}
		fds = append(fds, fd)
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
			return fds, fmt.Errorf("inherited file %s is not a listening socket", f.Name())
		}
		if got := boundAddr(fd, o.Addr); !sameListener(got, o.Addr) {
			return fds, fmt.Errorf("inherited socket %s listens on %s, not on %s", f.Name(), got, o.Addr)
		}
		if err = unix.SetNonblock(fd, true); err != nil {
			return fds, err
		}
		if err = listenerOptions(fd, o); err != nil {
			return fds, err
		}
	}
	return fds, nil
}

func sameListener(bound, asked Addr) bool {
	if asked.Path != "" || bound.Path != "" {
		return asked.Path == bound.Path
	}
	b, a := bound.AddrPort, asked.AddrPort
	return a.Addr().Unmap() == b.Addr() && (a.Port() == 0 || a.Port() == b.Port())
}

func boundAddr(fd int, asked Addr) Addr {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return asked
	}
	return addrOf(sa)
}

// checkFree finds out whether another process listens on a. With SO_REUSEPORT a second one would bind without a word
// and take half of the connections.
func checkFree(a Addr) error {
	if a.Path != "" {
		return checkFreePath(a.Path)
	}
	if a.AddrPort.Port() == 0 {
		return nil
	}
	fd, err := newSocket(a)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err = socket.SetReuseAddr(fd, 1); err != nil {
		return err
	}
	if err = dualStack(fd, a.AddrPort.Addr()); err != nil {
		return err
	}
	return bindError(a, unix.Bind(fd, sockaddr(a)))
}

// checkFreePath removes the file of a unix socket that nobody listens on any more.
func checkFreePath(path string) error {
	if path[0] == '@' {
		return nil
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("%s exists and is not a socket: remove it or choose another path", path)
	}
	a := Addr{Path: path}
	fd, err := newSocket(a)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	switch err = unix.Connect(fd, sockaddr(a)); err {
	case unix.ECONNREFUSED:
		return os.Remove(path)
	case unix.ENOENT:
		return nil
	}
	return bindError(a, unix.EADDRINUSE)
}

func bindError(a Addr, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EADDRINUSE:
		return fmt.Errorf("listen on %s: %w: another process, or another listener of this one, has it; stop that or choose another address", a, err)
	case unix.EACCES:
		return fmt.Errorf("listen on %s: %w: this user may not use the address (ports below 1024 need CAP_NET_BIND_SERVICE)", a, err)
	case unix.EADDRNOTAVAIL:
		return fmt.Errorf("listen on %s: %w: no interface of this machine has the address", a, err)
	}
	return fmt.Errorf("listen on %s: %w", a, err)
}

func listenOn(a Addr, o ListenOptions) (fd int, err error) {
	if fd, err = newSocket(a); err != nil {
		return -1, err
	}
	if err = bindAndListen(fd, a, o); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func bindAndListen(fd int, a Addr, o ListenOptions) error {
	if a.Path == "" {
		if err := socket.SetReuseAddr(fd, 1); err != nil {
			return err
		}
		if reuseportBalances {
			if err := socket.SetReuseport(fd, 1); err != nil {
				return err
			}
		}
		if err := dualStack(fd, a.AddrPort.Addr()); err != nil {
			return err
		}
	}
	if err := listenerOptions(fd, o); err != nil {
		return err
	}
	if err := unix.Bind(fd, sockaddr(a)); err != nil {
		return bindError(a, err)
	}
	if a.Path != "" && a.Path[0] != '@' && o.Mode != 0 {
		if err := os.Chmod(a.Path, o.Mode.Perm()); err != nil {
			return err
		}
	}
	backlog := o.Backlog
	if backlog <= 0 {
		backlog = maxBacklog
	}
	return os.NewSyscallError("listen", unix.Listen(fd, min(backlog, maxBacklog)))
}

// listenerOptions sets what accepted sockets inherit from the listening one.
func listenerOptions(fd int, o ListenOptions) error {
	if o.Addr.Path != "" {
		return nil
	}
	if err := socket.SetNoDelay(fd, 1); err != nil {
		return err
	}
	return setKeepAlive(fd, o.KeepAlive)
}

// dualStack makes a socket for :: accept IPv4 too, as Go's net package does, and one for any other IPv6 address not.
func dualStack(fd int, ip netip.Addr) error {
	if ip.Unmap().Is4() {
		return nil
	}
	only := 1
	if ip.IsUnspecified() {
		only = 0
	}
	return socket.SetIPv6Only(fd, only)
}
