//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package loop

import (
	"syscall"

	"golang.org/x/sys/unix"
)

type socketAcceptor struct{}

func (*socketAcceptor) accept(fd int) (nfd int, remote Addr, errno syscall.Errno) {
	nfd, sa, err := unix.Accept(fd)
	if err != nil {
		return -1, Addr{}, errnoOf(err)
	}
	unix.CloseOnExec(nfd)
	if err = unix.SetNonblock(nfd, true); err != nil {
		_ = unix.Close(nfd)
		return -1, Addr{}, errnoOf(err)
	}
	return nfd, addrOf(sa), 0
}
