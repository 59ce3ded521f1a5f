package router

import "bytes"

// maxHostLen is longer than any name that DNS knows (253 bytes); a longer host goes to the default virtual host.
const maxHostLen = 255

// hostIndex finds the virtual host of an authority.
type hostIndex struct {
	fallback *Host // of the domain "*"
	exact    map[string]*hostPorts
	suffixes map[string]*hostPorts // keyed by what follows the star
	lengths  []int                 // the distinct lengths of the suffixes' keys, longest first
}

// hostPorts are the virtual hosts of one host name, by port.
type hostPorts struct {
	bare  *Host // the domain was written without a port
	any   *Host // ":*"
	ports []portHost
}

type portHost struct {
	port uint16
	host *Host
}

func (p *hostPorts) of(port uint16) *Host {
	for i := range p.ports {
		if p.ports[i].port == port {
			return p.ports[i].host
		}
	}
	return nil
}

// find returns the virtual host of an authority ("host" or "host:port", in any case), or nil. The order, best first:
//
//	host:port in the request:  host:port, host:*, host, then with the longest suffix each: *suffix:port, *suffix:*, *suffix
//	host alone:                host, host:*,            then with the longest suffix each: *suffix, *suffix:*
//	and at last "*".
func (x *hostIndex) find(authority []byte) *Host {
	if x.exact == nil && x.suffixes == nil {
		return x.fallback
	}
	host, port := splitAuthority(authority)
	if len(host) > 1 && host[len(host)-1] == '.' {
		host = host[:len(host)-1] // the root label: a.com. is a.com
	}
	if len(host) == 0 || len(host) > maxHostLen {
		return x.fallback
	}
	var buf [maxHostLen]byte
	name := appendLower(buf[:0], host)
	if p := x.exact[string(name)]; p != nil {
		if h := p.best(port); h != nil {
			return h
		}
	}
	if h := x.findSuffix(name, port); h != nil {
		return h
	}
	return x.fallback
}

func (p *hostPorts) best(port uint16) *Host {
	if port == 0 {
		if p.bare != nil {
			return p.bare
		}
		return p.any
	}
	if h := p.of(port); h != nil {
		return h
	}
	if p.any != nil {
		return p.any
	}
	return p.bare
}

func (x *hostIndex) findSuffix(name []byte, port uint16) *Host {
	var anyPort, bare *Host
	for _, n := range x.lengths {
		if n >= len(name) {
			continue
		}
		p := x.suffixes[string(name[len(name)-n:])]
		if p == nil {
			continue
		}
		if port == 0 && p.bare != nil {
			return p.bare
		}
		if h := p.of(port); h != nil {
			return h
		}
		if anyPort == nil {
			anyPort = p.any
		}
		if bare == nil {
			bare = p.bare
		}
	}
	if anyPort != nil {
		return anyPort
	}
	return bare
}

// splitAuthority splits off the port. An IPv6 literal keeps its brackets. A port that is empty, zero or no number is 0.
func splitAuthority(authority []byte) (host []byte, port uint16) {
	i := bytes.LastIndexByte(authority, ':')
	if i < 0 || bytes.IndexByte(authority[i:], ']') >= 0 {
		return authority, 0
	}
	return authority[:i], parsePort(authority[i+1:])
}

func parsePort[S []byte | string](s S) uint16 {
	if len(s) == 0 || len(s) > 5 {
		return 0
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = n*10 + int(s[i]-'0')
	}
	if n > 65535 {
		return 0
	}
	return uint16(n)
}
