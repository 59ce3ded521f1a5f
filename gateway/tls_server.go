package gateway

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"sluice/gateway/certificates"
	"sluice/gateway/config"
	"sluice/gateway/identity"
	"sluice/loop/secure"
	"sluice/protocols"
)

// A tlsServer is the TLS of a filter chain, the same on all loops.
type tlsServer struct {
	store    *certificates.Store // with a source for each context
	contexts []*tlsContext
	cfg      *secure.Config
	owner    string
	asks     bool // clients are asked for certificates, in a context at least
	// mayFallBack: it is left out as long as none of its contexts has a certificate.
	mayFallBack bool
	// What the client of a connection may ask for is also a question of which chain would have served it; nil if there is
	// only this one.
	siblings *tlsSiblings
}

// A tlsContext is one way of shaking hands. Its Config follows its certificate and its CA certificates.
type tlsContext struct {
	policy secure.Policy
	roots  *certificates.Roots // nil: clients are not asked for certificates
	group  string
	names  []string // of the configuration
	last   atomic.Pointer[tlsGeneration]
}

// A tlsGeneration is the Config of a context for one certificate and one set of authorities. Those in use must not change:
// handshakes that have begun finish with the one before. It is immutable, and the Owner of its Config.
type tlsGeneration struct {
	context *tlsContext
	pair    *tls.Certificate
	of      *certificates.Authorities
	cfg     *secure.Config
}

// server makes a chain's TLS. spoken are the protocols that the chain knows.
func (t *transport) server(name string, cfg *config.ListenerTLS, spoken []*protocols.Protocol) (*tlsServer, error) {
	s := &tlsServer{owner: "listener " + name, asks: cfg.AsksClients(), mayFallBack: true}
	var sources []certificates.Source
	from, to := uint16(0), uint16(0)
	for i := range cfg.Contexts {
		c := &cfg.Contexts[i]
		context, err := t.context(s.owner, c, spoken)
		if err != nil {
			return nil, fmt.Errorf("%s: listener %q: %w", c.Origin, name, err)
		}
		s.contexts = append(s.contexts, context)
		s.mayFallBack = s.mayFallBack && c.FallBack
		sources = append(sources, certificates.Source{Chain: c.Certificate.Chain, Key: c.Certificate.Key, Names: c.Certificate.Names,
			Protocols: context.policy.Protocols, Group: context.group, Optional: c.FallBack})
		lowest, highest := cmp.Or(c.MinVersion, tls.VersionTLS12), cmp.Or(c.MaxVersion, tls.VersionTLS13)
		if i == 0 {
			from, to = lowest, highest
		}
		from, to = min(from, lowest), max(to, highest)
	}
	var err error
	if s.store, err = t.open(s.owner, sources); err != nil {
		return nil, fmt.Errorf("%s: listener %q: %w", cfg.Contexts[0].Origin, name, err)
	}
	if !s.store.Ready() {
		t.log.Error("INSECURE: no certificate of a listener can be used, so that it speaks PLAINTEXT until one can, for fall_back allows it",
			"listener", name, "configured at", cfg.Contexts[0].Origin)
	}
	t.servers = append(t.servers, s)
	s.cfg = secure.Choosing(from, to, s.choose)
	s.cfg.AsksClients = s.asks
	return s, nil
}

// context makes one context.
func (t *transport) context(owner string, c *config.TLSContext, spoken []*protocols.Protocol) (*tlsContext, error) {
	out := &tlsContext{names: c.Certificate.Names, policy: secure.Policy{
		Protocols: c.Protocols, MinVersion: c.MinVersion, MaxVersion: c.MaxVersion, CipherSuites: c.CipherSuites, Curves: c.Curves,
		ClientAuth: c.ClientAuth, Tickets: t.tickets,
	}}
	p := &out.policy
	if p.Protocols == nil {
		p.Protocols = offered(spoken)
	}
	if c.ClientAuth != tls.NoClientCert {
		out.group = fmt.Sprintf("%d %q %q", c.ClientAuth, c.CAs, c.Clients)
		var err error
		if out.roots, err = t.openRoots(owner, c.CAs); err != nil {
			return nil, err
		}
	}
	if c.Clients != nil {
		list, err := identity.NewList(c.Clients)
		if err != nil {
			return nil, err
		}
		p.Verify = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || list.Welcomes(state.PeerCertificates[0]) {
				return nil
			}
			return secure.ErrNotAllowed
		}
	}
	p.Binding = fmt.Sprintf("%q %q %s", c.Certificate, c.CAs, out.group)
	return out, nil
}

// choose is the Choosing of a chain.
func (s *tlsServer) choose(hello *tls.ClientHelloInfo) (*secure.Config, error) {
	i, pair := s.store.Choose(hello)
	if i < 0 {
		return nil, secure.ErrNoCertificate
	}
	return s.contexts[i].config(pair), nil
}

// config returns the Config of the moment. It is safe on any goroutine; those that find something new at the same time make
// equal ones. Tickets are bound to the authorities: crypto/tls verifies a resumed client's certificate again, but one that came
// in by a set which is no more shall not even be asked whether it remembers.
func (c *tlsContext) config(pair *tls.Certificate) *secure.Config {
	now := c.roots.Current()
	if g := c.last.Load(); g != nil && g.pair == pair && g.of == now {
		return g.cfg
	}
	p := c.policy
	p.Certificate = pair
	if now != nil {
		p.ClientCAs = now.Pool
		p.Binding = fmt.Sprintf("%s %x", p.Binding, now.Fingerprint)
	}
	g := &tlsGeneration{context: c, pair: pair, of: now, cfg: p.Config()}
	g.cfg.Owner = g
	c.last.Store(g)
	return g.cfg
}

// tlsSiblings are the chains of a listener, for a connection that one of them has got.
type tlsSiblings struct {
	table *chainTable
	asks  []bool // by chain: its clients are asked for certificates
	own   int
}

// A misdirection is what a request for a host means on a connection that was made for another, or for none.
type misdirection uint8

const (
	directedWell   misdirection = iota
	directedFreely              // clients are asked for nothing here, nor would they be there
	directedWrongly
)

// direct says whether a client that is on a connection of g, with which it has agreed on protocol, would have got there as well
// if it had asked for host, a canonical name.
func (s *tlsServer) direct(g *tlsGeneration, host, protocol string) misdirection {
	if sib := s.siblings; sib != nil {
		var spoken []string
		if protocol != "" {
			spoken = []string{protocol}
		}
		if there := sib.table.choose(config.TLSTransport, host, spoken); there != sib.own {
			if there == noChain || s.asks || sib.asks[there] {
				return directedWrongly
			}
			return directedFreely
		}
	}
	groups := s.store.Groups(host)
	switch {
	case !slices.Contains(groups, g.context.group):
		return directedWrongly
	case len(groups) == 1 && g.context.group == "":
		return directedFreely
	}
	return directedWell
}

// covers reports whether the context of g is for host, a canonical name or an address.
func (g *tlsGeneration) covers(host string) bool {
	for _, name := range g.context.names {
		if parent, wild := strings.CutPrefix(strings.ToLower(name), "*."); wild {
			if _, rest, ok := strings.Cut(host, "."); ok && rest == parent {
				return true
			}
		} else if strings.EqualFold(name, host) {
			return true
		}
	}
	return certificateCovers(g.pair.Leaf, host)
}

// certificateCovers takes the common name as the store does: where there is nothing else.
func certificateCovers(leaf *x509.Certificate, host string) bool {
	return leaf.VerifyHostname(host) == nil || len(leaf.DNSNames) == 0 && strings.EqualFold(leaf.Subject.CommonName, host)
}
