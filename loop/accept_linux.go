package loop

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socketAcceptor accepts without allocating: the peer's address lands in a buffer that it keeps.
type socketAcceptor struct {
	name [unix.SizeofSockaddrAny]byte
}

func (a *socketAcceptor) accept(fd int) (nfd int, remote Addr, errno syscall.Errno) {
	size := uint32(len(a.name))
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&a.name)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, Addr{}, errno
	}
	return int(n), a.addr(size), 0
}

// addr reads struct sockaddr_in, sockaddr_in6 or sockaddr_un.
func (a *socketAcceptor) addr(size uint32) Addr {
	port := binary.BigEndian.Uint16(a.name[2:])
	switch binary.NativeEndian.Uint16(a.name[:]) {
	case unix.AF_INET:
		return Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.name[4:8])), port)}
	case unix.AF_INET6:
		ip := zoned(netip.AddrFrom16([16]byte(a.name[8:24])), binary.NativeEndian.Uint32(a.name[24:]))
		return Addr{AddrPort: netip.AddrPortFrom(ip, port)}
	case unix.AF_UNIX:
		if size > 2 && a.name[2] != 0 { // a client that has bound a name
			return Addr{Path: unix.ByteSliceToString(a.name[2:min(int(size), len(a.name))])}
		}
		return Addr{Path: "@"}
	}
	return Addr{}
}
