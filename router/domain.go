package router

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// domain is one entry of VirtualHost.Domains, parsed.
type domain struct {
	star bool   // the host may have more in front of name
	name string // in lower case; an IPv6 literal in brackets
	port domainPort
}

// domainPort is a port number, or one of the special values.
type domainPort int32

const (
	portBare domainPort = 0  // none was written
	portAny  domainPort = -1 // ":*"
)

// String is the canonical text: two domains with the same one are duplicates.
func (d domain) String() string {
	s := d.name
	if d.star {
		s = "*" + s
	}
	switch {
	case d.isDefault():
	case d.port == portAny:
		s += ":*"
	case d.port != portBare:
		s += ":" + strconv.Itoa(int(d.port))
	}
	return s
}

// isDefault reports whether d is "*" or "*:*".
func (d domain) isDefault() bool { return d.star && d.name == "" && d.port <= portBare }

func parseDomain(text string) (domain, error) {
	var d domain
	name := lower(text)
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is6() {
		name = "[" + name + "]"
	}
	if i := strings.LastIndexByte(name, ':'); i >= 0 && strings.IndexByte(name[i:], ']') < 0 {
		port := name[i+1:]
		name = name[:i]
		switch p := parsePort(port); {
		case port == "*":
			d.port = portAny
		case p == 0:
			return d, errors.New(`behind the colon must be a port (1 to 65535) or "*"`)
		default:
			d.port = domainPort(p)
		}
	}
	d.name, d.star = strings.CutPrefix(name, "*")
	if len(d.name) > 1 {
		d.name = strings.TrimSuffix(d.name, ".") // as requests' hosts are
	}
	return d, d.check()
}

func (d domain) check() error {
	switch {
	case d.name == "" && !d.star:
		return errors.New("the host is missing")
	case len(d.name) > maxHostLen:
		return errors.New("a host has 255 bytes at most")
	case d.name == "":
		return nil
	case d.name[0] == '[':
		addr, err := netip.ParseAddr(strings.TrimSuffix(d.name[1:], "]"))
		if err != nil || !addr.Is6() || d.star || !strings.HasSuffix(d.name, "]") {
			return errors.New("between brackets must be an IPv6 address")
		}
		return nil
	}
	for i := range len(d.name) {
		switch c := d.name[i]; {
		case c == '*':
			return errors.New(`a star stands at the beginning, as in "*.example.com"`)
		case c >= 0x80:
			return errors.New(`write an international name as browsers send it ("xn--...")`)
		case ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '-' && c != '_' && c != '.':
			return errors.New("only the host goes here, as in www.example.com, and a port if need be")
		}
	}
	return nil
}

// add files a domain that is no duplicate.
func (x *hostIndex) add(d domain, h *Host) {
	if d.isDefault() {
		x.fallback = h
		return
	}
	m := &x.exact
	if d.star {
		m = &x.suffixes
	}
	if *m == nil {
		*m = make(map[string]*hostPorts)
	}
	p := (*m)[d.name]
	if p == nil {
		p = &hostPorts{}
		(*m)[d.name] = p
	}
	switch d.port {
	case portBare:
		p.bare = h
	case portAny:
		p.any = h
	default:
		p.ports = append(p.ports, portHost{port: uint16(d.port), host: h})
	}
}

// finish computes what lookups need, once every domain is added.
func (x *hostIndex) finish() {
	for s := range x.suffixes {
		x.lengths = append(x.lengths, len(s))
	}
	slices.Sort(x.lengths)
	x.lengths = slices.Compact(x.lengths)
	slices.Reverse(x.lengths)
}
