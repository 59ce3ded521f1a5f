package config

import "strings"

// A FilterChain is what is done with a connection.
type FilterChain struct {
	Origin string // of one of Chains
	Label  string // names it among those of its listener: "chain 2"; may be empty if there is no other
	Match  ChainMatch
	TLS    *ListenerTLS // nil: what comes is served as it is, also when it is TLS
	// Exactly one of these is set, but for HTTP.Fallback, which needs both; none: connections are closed, which the gateway
	// warns about.
	HTTP *HTTPProxy
	TCP  *TCPProxy
	// Unserved says why the chain has neither ("its filter chain is empty").
	Unserved string
}

// A ChainMatch says which connections a chain takes, by what a ClientHello says before anything is answered. The chains of
// a listener are narrowed down by one field after the other, in this order, to those that fit best; see
// docs/tls.md. An empty field fits everything, and less well than one that names it.
type ChainMatch struct {
	ServerNames []string // in lower case; "*.example.org" is every name that ends in ".example.org"
	Transport   Transport
	Protocols   []string // of ALPN
}

// Transport says whether a connection begins with TLS.
type Transport uint8

// The transports.
const (
	AnyTransport Transport = iota
	TLSTransport
	PlainTransport
)

// All calls see for each of the listener's filter chains.
func (l *Listener) All(see func(c *FilterChain)) {
	for i := range l.Chains {
		see(&l.Chains[i])
	}
	see(&l.FilterChain)
}

// Transports are the names of those that a chain can ask for, as Envoy calls them.
func Transports() []string { return []string{TLSTransport.String(), PlainTransport.String()} }

func (t Transport) String() string {
	switch t {
	case TLSTransport:
		return "tls"
	case PlainTransport:
		return "raw_buffer"
	case AnyTransport:
	}
	return ""
}

// Empty reports whether m fits every connection.
func (m *ChainMatch) Empty() bool {
	return len(m.ServerNames)+len(m.Protocols) == 0 && m.Transport == AnyTransport
}

// String is m for a message: "server name a.test, tls".
func (m *ChainMatch) String() string {
	var parts []string
	if len(m.ServerNames) > 0 {
		parts = append(parts, "server name "+strings.Join(m.ServerNames, " or "))
	}
	if m.Transport != AnyTransport {
		parts = append(parts, m.Transport.String())
	}
	if len(m.Protocols) > 0 {
		parts = append(parts, "application protocol "+strings.Join(m.Protocols, " or "))
	}
	return strings.Join(parts, ", ")
}

// each calls see with every combination that m consists of; an empty string stands for everything.
func (m *ChainMatch) each(see func(name string, t Transport, protocol string)) {
	names, protocols := m.ServerNames, m.Protocols
	if len(names) == 0 {
		names = []string{""}
	}
	if len(protocols) == 0 {
		protocols = []string{""}
	}
	for _, name := range names {
		for _, protocol := range protocols {
			see(name, m.Transport, protocol)
		}
	}
}
