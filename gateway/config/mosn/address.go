package mosn

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"sluice/loop"
)

// maxUnixPath is what sockaddr_un holds, without its final NUL.
const maxUnixPath = 107

// listenAddress reads the address of a listener as MOSN's net.ResolveTCPAddr does: "host:port", "[v6]:port", ":port"
// (every interface), a host name; with network unix, or "unix:" in front, the path of a socket.
func (r *reader) listenAddress(v *node, unix bool) (loop.Addr, bool) {
	if v.kind != kindString {
		r.expected(v, `an address such as "127.0.0.1:2045"`, "")
		return loop.Addr{}, false
	}
	if path, ok := strings.CutPrefix(v.text, "unix:"); ok || unix {
		return loop.Addr{Path: path}, r.unixPath(v, path)
	}
	host, port, ok := r.hostPort(v)
	if !ok {
		return loop.Addr{}, false
	}
	if host == "" {
		return loop.Addr{AddrPort: netip.AddrPortFrom(netip.IPv6Unspecified(), port)}, true
	}
	ip, ok := r.resolveHost(v, host)
	return loop.Addr{AddrPort: netip.AddrPortFrom(ip, port)}, ok
}

func (r *reader) unixPath(v *node, path string) bool {
	switch {
	case path == "":
		r.errorf(v, `expected the path of a unix socket, as in "unix:/run/sluice.sock"`)
	case len(path) > maxUnixPath:
		r.errorf(v, "the path of a unix socket has at most %d bytes, this one has %d", maxUnixPath, len(path))
	case strings.IndexByte(path, 0) >= 0:
		r.errorf(v, "expected the path of a unix socket, found one with a NUL character")
	default:
		return true
	}
	return false
}

// hostPort splits "host:port"; the host may be empty. It reports what is wrong.
func (r *reader) hostPort(v *node) (host string, port uint16, ok bool) {
	const what = `"host:port", "[v6]:port" or "unix:/path"`
	host, service, err := net.SplitHostPort(v.text)
	if err != nil {
		hint := "the port is missing"
		switch _, ipErr := netip.ParseAddr(v.text); {
		case ipErr == nil && strings.Contains(v.text, ":"):
			hint = "did you mean \"[" + v.text + "]:80\"?"
		case strings.Contains(v.text, "://"):
			hint = "an address has no scheme"
		case strings.HasPrefix(v.text, "/"):
			hint = "did you mean \"unix:" + clip(v.text) + "\"?"
		case strings.Count(v.text, ":") > 1:
			hint = "an IPv6 address is written in brackets"
		}
		r.expected(v, what, hint)
		return "", 0, false
	}
	n, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		named, lookupErr := net.LookupPort("tcp", service)
		if lookupErr != nil || service == "" {
			r.expected(v, what+" with a port from 0 to 65535", "")
			return "", 0, false
		}
		n = uint64(named) //nolint:gosec // a port
	}
	if strings.ContainsAny(host, " \t\r\n/\x00") || strings.Contains(host, "..") {
		r.expected(v, what, quote(host)+" is not a host")
		return "", 0, false
	}
	return host, uint16(n), true
}

// resolveHost returns the address of an IP literal or a name, IPv4 before IPv6 as Go's net does.
func (r *reader) resolveHost(v *node, host string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), true
	}
	ips, err := r.o.Lookup(host)
	if err != nil || len(ips) == 0 {
		reason := "it has no address"
		if err != nil {
			reason = err.Error()
		}
		r.errorf(v, "the host %s can't be resolved: %s; write its IP address", quote(host), reason)
		return netip.Addr{}, false
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			return ip, true
		}
	}
	return ips[0], true
}

// upstreamAddress checks the address of a cluster's host: "host:port" or "unix:/path".
func (r *reader) upstreamAddress(v *node) (string, bool) {
	if v.kind != kindString {
		r.expected(v, `an address such as "10.0.0.1:8080"`, "")
		return "", false
	}
	if path, ok := strings.CutPrefix(v.text, "unix:"); ok {
		return v.text, r.unixPath(v, path)
	}
	host, port, ok := r.hostPort(v)
	switch {
	case !ok:
		return "", false
	case host == "":
		r.expected(v, "a host in front of the port", "did you mean \"127.0.0.1"+clip(v.text)+"\"?")
		return "", false
	case port == 0:
		r.expected(v, "a port from 1 to 65535", "")
		return "", false
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port))), true
}

// prefix reads "10.0.0.0/8" or one address.
func (r *reader) prefix(v *node) (netip.Prefix, bool) {
	if s := v.text; v.kind == kindString {
		if p, err := netip.ParsePrefix(s); err == nil {
			if p != p.Masked() {
				r.warnf(v, "%s has bits behind its length; %s is meant", quote(s), p.Masked())
			}
			return p.Masked(), true
		}
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			return netip.PrefixFrom(a, a.BitLen()), true
		}
	}
	r.expected(v, `a network such as "10.0.0.0/8", or one address`, "")
	return netip.Prefix{}, false
}
