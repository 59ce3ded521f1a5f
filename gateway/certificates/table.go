package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

// A table finds sources by the name that a client asks for. It is immutable.
type table struct {
	sources   []Source
	pairs     []*tls.Certificate // by source; nil for one that is not there (Source.Optional)
	known     [][]string         // by source: its names, canonical
	names     map[string]*choice
	wildcards map[string]*choice // "*.example.org" under "example.org"
	rest      choice             // for all other names, and for none
}

// A choice is the sources that are for a name, in their order, and the groups that a client which asks for it can get into.
type choice struct {
	list   []int
	groups []string
}

func newTable(sources []Source, pairs []*tls.Certificate) *table {
	t := &table{sources: sources, pairs: pairs, known: make([][]string, len(pairs)),
		names: map[string]*choice{}, wildcards: map[string]*choice{}}
	for i, pair := range pairs {
		if pair == nil {
			continue
		}
		t.rest.list = append(t.rest.list, i)
		for _, name := range slices.Concat(namesOf(pair.Leaf), sources[i].Names) {
			name = canonical(name)
			if slices.Contains(t.known[i], name) {
				continue
			}
			t.known[i] = append(t.known[i], name)
			index := t.names
			if parent, ok := strings.CutPrefix(name, "*."); ok {
				index, name = t.wildcards, parent
			}
			if index[name] == nil {
				index[name] = &choice{}
			}
			index[name].list = append(index[name].list, i)
		}
	}
	t.rest.groups = t.groups(t.rest.list)
	for _, index := range []map[string]*choice{t.names, t.wildcards} {
		for _, c := range index {
			c.groups = t.groups(c.list)
		}
	}
	return t
}

// groups are those of the sources of list that some client can reach: the first, and the first for each protocol.
func (t *table) groups(list []int) (groups []string) {
	add := func(i int) {
		if g := t.sources[i].Group; !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	var seen []string
	for n, i := range list {
		if len(t.sources[i].Protocols) == 0 {
			add(i)
			break // it is for every client, so that none gets to those behind it
		}
		if n == 0 {
			add(i)
		}
		for _, p := range t.sources[i].Protocols {
			if !slices.Contains(seen, p) {
				seen = append(seen, p)
				add(i)
			}
		}
	}
	return groups
}

// namesOf are the names that a certificate is made out to. The common name counts only when there are no others, as it
// did before RFC 6125.
func namesOf(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) == 0 && leaf.Subject.CommonName != "" {
		return []string{leaf.Subject.CommonName}
	}
	return leaf.DNSNames
}

func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// rank sorts what is cheaper to sign with to the front.
func rank(c *tls.Certificate) int {
	if c.Leaf.PublicKeyAlgorithm == x509.RSA {
		return 1
	}
	return 0
}

// named returns the choice for a canonical name: what says exactly that, else a wildcard for one label (RFC 6125, 6.4.3).
func (t *table) named(name string) *choice {
	if c := t.names[name]; c != nil {
		return c
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		return t.wildcards[parent]
	}
	return nil
}

// find returns the index of the source for a client, or -1. By name, by protocol, and by order one is chosen; others that are
// in its group, for the same name, are as good: of these it is the cheapest that the client can verify.
func (t *table) find(hello *tls.ClientHelloInfo, strict bool) int {
	c := t.named(canonical(hello.ServerName))
	byName := c != nil
	if !byName {
		if c = &t.rest; strict {
			return -1
		}
	}
	list := t.speaking(c.list, hello.SupportedProtos)
	switch len(list) {
	case 0:
		return -1
	case 1:
		return list[0]
	}
	// Names of the configuration, which the certificate lacks, are no reason to think that the client can't verify it.
	nameless := *hello
	nameless.ServerName = ""
	first, best := list[0], -1
	for _, i := range list {
		if t.sources[i].Group != t.sources[first].Group || !byName && !t.alike(i, first) {
			continue
		}
		if (best < 0 || rank(t.pairs[i]) < rank(t.pairs[best])) && nameless.SupportsCertificate(t.pairs[i]) == nil {
			best = i
		}
	}
	if best < 0 {
		return first // the handshake fails with the reason
	}
	return best
}

// speaking are those of list that speak one of a client's protocols; if none does, all.
func (t *table) speaking(list []int, protocols []string) []int {
	if len(list) < 2 || len(protocols) == 0 {
		return list
	}
	var some []int
	for _, i := range list {
		own := t.sources[i].Protocols
		if len(own) == 0 || slices.ContainsFunc(protocols, func(p string) bool { return slices.Contains(own, p) }) {
			some = append(some, i)
		}
	}
	if len(some) == 0 {
		return list
	}
	return some
}

// alike reports whether two sources are for the same name.
func (t *table) alike(i, j int) bool {
	return i == j || slices.ContainsFunc(t.known[i], func(name string) bool { return slices.Contains(t.known[j], name) })
}
