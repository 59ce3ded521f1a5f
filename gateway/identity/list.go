package identity

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
)

// Kind is what sort of name a subject alternative name is (RFC 5280, 4.2.1.6).
type Kind uint8

// The kinds.
const (
	DNS Kind = iota
	URI
	Email
	IP
)

// A Pattern is for names of a kind: for exactly Exact if that is set, else for those that begin with Prefix and end in Suffix.
// DNS names are compared without case, all others byte for byte. An IP's Exact is an address, its Prefix a network
// ("10.0.0.0/8").
type Pattern struct {
	Kind                  Kind
	Exact, Prefix, Suffix string
}

// A List says which certificates are welcome. It is immutable; a nil List welcomes all.
type List struct {
	patterns []Pattern
	networks []netip.Prefix
}

// NewList returns the List of patterns. It fails with the first that can't be meant so; an empty one would let nobody in.
func NewList(patterns []Pattern) (*List, error) {
	l := &List{}
	for _, p := range patterns {
		if err := p.Check(); err != nil {
			return nil, err
		}
		switch p.Kind {
		case IP:
			n, _ := p.network()
			l.networks = append(l.networks, n)
			continue
		case DNS:
			p.Exact, p.Prefix, p.Suffix = strings.ToLower(p.Exact), strings.ToLower(p.Prefix), strings.ToLower(p.Suffix)
		case URI, Email:
		}
		l.patterns = append(l.patterns, p)
	}
	return l, nil
}

// Check says why p can't be meant as it is: it is for nothing, for everything, or for names that merely look alike.
func (p *Pattern) Check() error {
	if p.Exact == "" && p.Prefix == "" && p.Suffix == "" {
		return fmt.Errorf("it would match every name of its type; expected exact, prefix or suffix")
	}
	if p.Exact != "" && (p.Prefix != "" || p.Suffix != "") {
		return fmt.Errorf("exact leaves nothing to prefix and suffix; expected one or the other")
	}
	switch p.Kind {
	case IP:
		_, err := p.network()
		return err
	case DNS:
		if p.Suffix != "" && p.Suffix[0] != '.' {
			return fmt.Errorf("the suffix %q is also that of names of others, such as %q; begin it with a dot", p.Suffix, "evil"+p.Suffix)
		}
	case Email:
		if p.Suffix != "" && p.Suffix[0] != '@' && p.Suffix[0] != '.' {
			return fmt.Errorf("the suffix %q is also that of domains of others, such as %q; begin it with @ or a dot", p.Suffix, "x@evil"+p.Suffix)
		}
	case URI:
		// The authority must have ended: "spiffe://example.org" begins "spiffe://example.org.evil/", too.
		_, rest, _ := strings.Cut(p.Prefix, "://")
		if p.Exact == "" && !strings.Contains(rest, "/") {
			return fmt.Errorf("expected a prefix with the host and the slash behind it, such as %q; others can have names with this one",
				"spiffe://example.org/")
		}
	}
	return nil
}

// network is what an IP pattern is for.
func (p *Pattern) network() (netip.Prefix, error) {
	switch {
	case p.Suffix != "":
		return netip.Prefix{}, fmt.Errorf("an address has no suffix; expected exact, or a network as prefix")
	case p.Exact != "":
		a, err := netip.ParseAddr(p.Exact)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("expected an IP address, found %q", p.Exact)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := netip.ParsePrefix(p.Prefix)
	if err != nil || n.Addr().Is4In6() { // addresses are compared as those of IPv4 where they are: it would match none
		return n, fmt.Errorf(`expected a network such as "10.0.0.0/8", found %q`, p.Prefix)
	}
	return n.Masked(), nil
}

// Match reports whether p, which is not for IPs, is for name.
func (p *Pattern) match(name string) bool {
	if p.Exact != "" {
		return name == p.Exact
	}
	return len(name) >= len(p.Prefix)+len(p.Suffix) && strings.HasPrefix(name, p.Prefix) && strings.HasSuffix(name, p.Suffix)
}

// Welcomes reports whether one of the names that c is made out to is on the list. The subject is no such name.
func (l *List) Welcomes(c *x509.Certificate) bool {
	if l == nil {
		return true
	}
	for i := range l.patterns {
		p := &l.patterns[i]
		switch p.Kind {
		case DNS:
			for _, name := range c.DNSNames {
				if p.match(strings.ToLower(name)) {
					return true
				}
			}
		case Email:
			for _, name := range c.EmailAddresses {
				if p.match(name) {
					return true
				}
			}
		case URI:
			for _, name := range uris(c) {
				if p.match(name) {
					return true
				}
			}
		case IP:
		}
	}
	for _, ip := range c.IPAddresses {
		a, ok := netip.AddrFromSlice(ip)
		for _, n := range l.networks {
			if ok && n.Contains(a.Unmap()) {
				return true
			}
		}
	}
	return false
}
