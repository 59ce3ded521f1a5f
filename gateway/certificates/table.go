package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

// A table finds certificates by name. It is immutable.
type table struct {
	pairs     []*tls.Certificate // by source; the first is the default
	names     map[string][]*tls.Certificate
	wildcards map[string][]*tls.Certificate // "*.example.org" under "example.org"
}

func newTable(sources []Source, pairs []*tls.Certificate) *table {
	t := &table{pairs: pairs, names: map[string][]*tls.Certificate{}, wildcards: map[string][]*tls.Certificate{}}
	for i, pair := range pairs {
		for _, name := range slices.Concat(namesOf(pair.Leaf), sources[i].Names) {
			name = canonical(name)
			index := t.names
			if parent, ok := strings.CutPrefix(name, "*."); ok {
				index, name = t.wildcards, parent
			}
			if !slices.Contains(index[name], pair) {
				index[name] = append(index[name], pair)
			}
		}
	}
	for _, index := range []map[string][]*tls.Certificate{t.names, t.wildcards} {
		for _, list := range index {
			ecdsaFirst(list)
		}
	}
	return t
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

// ecdsaFirst sorts what is cheaper to sign with to the front; the order is kept otherwise.
func ecdsaFirst(list []*tls.Certificate) {
	slices.SortStableFunc(list, func(a, b *tls.Certificate) int { return rank(a) - rank(b) })
}

func rank(c *tls.Certificate) int {
	if c.Leaf.PublicKeyAlgorithm == x509.RSA {
		return 1
	}
	return 0
}

// find returns the certificate for a client: by its exact name, else by a wildcard for one label (RFC 6125, 6.4.3), else,
// unless strict, the default; of several the first that the client can verify. nil if there is none.
func (t *table) find(hello *tls.ClientHelloInfo, strict bool) *tls.Certificate {
	name := canonical(hello.ServerName)
	list := t.names[name]
	if len(list) == 0 {
		if _, parent, ok := strings.Cut(name, "."); ok {
			list = t.wildcards[parent]
		}
	}
	if len(list) == 0 {
		if strict {
			return nil
		}
		list = t.fallback()
	}
	for _, pair := range list {
		if len(list) == 1 || hello.SupportsCertificate(pair) == nil {
			return pair
		}
	}
	return list[0] // the handshake fails with the reason
}

// fallback are the first certificate and those for the same name.
func (t *table) fallback() []*tls.Certificate {
	for _, name := range namesOf(t.pairs[0].Leaf) {
		if list := t.names[canonical(name)]; len(list) > 0 {
			return list
		}
	}
	return t.pairs[:1]
}
