package upstream

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"sluice/loop"
)

// Check reports whether h.Address can be used: "10.0.0.1:80", "[::1]:80", "name:80" or "unix:/path".
func (h *HostConfig) Check() error {
	if path, ok := strings.CutPrefix(h.Address, "unix:"); ok {
		if path == "" {
			return errors.New(`a unix address needs a path, such as "unix:/run/app.sock"`)
		}
		return nil
	}
	name, port, err := net.SplitHostPort(h.Address)
	if err != nil {
		return errors.New(`expected "address:port", such as "10.0.0.1:8080", "[::1]:8080" or "app.internal:8080"`)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("expected a port from 1 to 65535 behind the colon")
	}
	if name == "" {
		return errors.New("expected an address or a host name before the colon")
	}
	return nil
}

// hostName returns the name in address when it has one that must be resolved.
func hostName(address string) (string, bool) {
	if strings.HasPrefix(address, "unix:") {
		return "", false
	}
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", false
	}
	return name, true
}

func (h *HostConfig) port() uint16 {
	_, port, _ := net.SplitHostPort(h.Address)
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

// addr is the address of a host that needs no resolving.
func (h *HostConfig) addr() loop.Addr {
	if path, ok := strings.CutPrefix(h.Address, "unix:"); ok {
		return loop.Addr{Path: path}
	}
	ap, _ := netip.ParseAddrPort(h.Address)
	return loop.Addr{AddrPort: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
}

func (h *HostConfig) hostname() string {
	if h.Hostname != "" {
		return h.Hostname
	}
	name, _ := hostName(h.Address)
	return name
}
