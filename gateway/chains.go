package gateway

import (
	"strings"

	"sluice/gateway/config"
)

// noChain is the index of the chain for a connection that none is for.
const noChain = -1

// A chainTable chooses the filter chain of a connection. It is immutable, and shared by the loops. The fields of a
// config.ChainMatch narrow the choice one after the other, and none is reconsidered: a name that stands there belongs to
// its own chains, whatever a wildcard's would have done with the connection.
type chainTable struct {
	exact map[string]*transportChains // by server name
	below map[string]*transportChains // by what follows "*."
	rest  transportChains
	hello bool // what stands in a ClientHello matters
}

// transportChains are the chains for a server name, by config.Transport.
type transportChains [3]*protocolChains

// protocolChains are those of them for a transport, by name in ALPN.
type protocolChains struct {
	named map[string]int
	rest  int
}

// newChainTable returns the table of l. The chain of l itself has the index behind the last of its Chains.
func newChainTable(l *config.Listener) *chainTable {
	t := &chainTable{exact: map[string]*transportChains{}, below: map[string]*transportChains{}}
	for i := range l.Chains {
		m := &l.Chains[i].Match
		t.hello = t.hello || len(m.ServerNames)+len(m.Protocols) > 0
		if len(m.ServerNames) == 0 {
			t.rest.add(m, i)
		}
		for _, name := range m.ServerNames {
			names := t.exact
			if parent, wild := strings.CutPrefix(name, "*."); wild {
				name, names = parent, t.below
			}
			if names[name] == nil {
				names[name] = &transportChains{}
			}
			names[name].add(m, i)
		}
	}
	if l.HTTP != nil || l.TCP != nil {
		t.rest.add(&l.Match, len(l.Chains))
	}
	return t
}

func (t *transportChains) add(m *config.ChainMatch, index int) {
	c := t[m.Transport]
	if c == nil {
		c = &protocolChains{named: map[string]int{}, rest: noChain}
		t[m.Transport] = c
	}
	if len(m.Protocols) == 0 {
		c.rest = index
	}
	for _, p := range m.Protocols {
		c.named[p] = index
	}
}

// choose returns the index of the chain for a connection, or noChain. name and protocols are what a client with TLS has
// asked for; transport is not AnyTransport.
func (t *chainTable) choose(transport config.Transport, name string, protocols []string) int {
	byTransport := t.named(name)
	c := byTransport[transport]
	if c == nil {
		c = byTransport[config.AnyTransport]
	}
	if c == nil {
		return noChain
	}
	for _, p := range protocols {
		if index, ok := c.named[p]; ok {
			return index
		}
	}
	return c.rest
}

// named returns the chains for a server name: those that say it, else those of the longest wildcard that covers it.
func (t *chainTable) named(name string) *transportChains {
	if c := t.exact[name]; c != nil {
		return c
	}
	for name != "" {
		_, name, _ = strings.Cut(name, ".")
		if c := t.below[name]; c != nil {
			return c
		}
	}
	return &t.rest
}
