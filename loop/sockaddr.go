//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// sockaddr converts an address whose AddrPort or Path is valid.
func sockaddr(a Addr) unix.Sockaddr {
	if a.Path != "" {
		return &unix.SockaddrUnix{Name: a.Path}
	}
	ip := a.AddrPort.Addr().Unmap()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.AddrPort.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.AddrPort.Port()), Addr: ip.As16(), ZoneId: zoneID(ip.Zone())}
}

// zoneID is the number of an interface that is given by number or name; 0 if there is none.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

func addrOf(sa unix.Sockaddr) Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrInet6:
		return Addr{AddrPort: netip.AddrPortFrom(zoned(netip.AddrFrom16(sa.Addr), sa.ZoneId), uint16(sa.Port))}
	case *unix.SockaddrUnix:
		if sa.Name == "" {
			return Addr{Path: "@"} // as Go's net package shows the unnamed
		}
		return Addr{Path: sa.Name}
	}
	return Addr{}
}

// zoned is ip as IPv4 if it is mapped, else with its zone.
func zoned(ip netip.Addr, zone uint32) netip.Addr {
	if ip = ip.Unmap(); zone != 0 && ip.Is6() {
		ip = ip.WithZone(strconv.FormatUint(uint64(zone), 10))
	}
	return ip
}

func family(a Addr) int {
	switch {
	case a.Path != "":
		return unix.AF_UNIX
	case a.AddrPort.Addr().Unmap().Is4():
		return unix.AF_INET
	}
	return unix.AF_INET6
}
