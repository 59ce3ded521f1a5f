package mosn

import (
	"net/netip"
	"slices"
	"strings"

	"sluice/gateway/config"
)

// Limits of a filter_chain_match: RFC 1035, 2.3.4 of a name, RFC 7301, 3.1 of a protocol.
const (
	longestName     = 253
	longestProtocol = 255
)

// chainMatch reads which connections a chain is for; ok is false after it reported one that is for none.
func (r *reader) chainMatch(chain object) (m config.ChainMatch, ok bool) {
	o := chain.child("filter_chain_match", chainMatchSchema)
	if o.n == nil {
		v := chain.node("filter_chain_match")
		return m, v == nil
	}
	ok = true
	for _, v := range o.array("server_names") {
		name, good := r.serverName(v)
		ok = ok && good
		if good && slices.Contains(m.ServerNames, name) {
			r.warnf(v, "the server name %s is there twice", quote(name))
		} else if good {
			m.ServerNames = append(m.ServerNames, name)
		}
	}
	for _, v := range o.array("application_protocols") {
		p := r.str(v)
		switch {
		case p == "" && v.kind != kindString:
			ok = false
		case p == "" || len(p) > longestProtocol:
			r.expected(v, `the name of an application protocol, such as "h2"`, "")
			ok = false
		case slices.Contains(m.Protocols, p):
			r.warnf(v, "the application protocol %s is there twice", quote(p))
		default:
			m.Protocols = append(m.Protocols, p)
		}
	}
	ok = ok && !emptied(o, "server_names", len(m.ServerNames)) && !emptied(o, "application_protocols", len(m.Protocols))
	switch o.choice("transport_protocol", "transport protocol", config.Transports()...) {
	case config.TLSTransport.String():
		m.Transport = config.TLSTransport
	case config.PlainTransport.String():
		m.Transport = config.PlainTransport
	default:
		ok = ok && (o.node("transport_protocol") == nil || o.node("transport_protocol").inert())
	}
	for _, key := range []string{"server_names", "application_protocols"} {
		if v := o.node(key); v != nil && m.Transport == config.PlainTransport && !v.inert() {
			r.errorf(v, "no connection is for this chain: only one with TLS says it, and transport_protocol is %s", quote(m.Transport.String()))
			ok = false
		}
	}
	return m, ok
}

// emptied reports whether the array at key asks for something of which nothing is left: the chain would take everything.
func emptied(o object, key string, left int) bool {
	v := o.node(key)
	return v != nil && !v.inert() && left == 0
}

// serverName reads a name that clients may ask for, or a wildcard for all below one.
func (r *reader) serverName(v *node) (string, bool) {
	const what = `a server name such as "www.example.org" or "*.example.org"`
	text := r.str(v)
	if text == "" {
		if v.kind == kindString {
			r.expected(v, what, "")
		}
		return "", false
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	host := strings.TrimPrefix(name, "*.")
	switch _, err := netip.ParseAddr(strings.Trim(host, "[]")); {
	case err == nil:
		// RFC 6066, 3: "Literal IPv4 and IPv6 addresses are not permitted in \"HostName\"."
		r.expected(v, what, "clients do not ask for addresses")
	case text == "*":
		r.expected(v, what, "leave server_names out to take every name")
	case strings.ContainsRune(host, '*'):
		r.expected(v, what, "a wildcard stands for whole labels at the beginning")
	case strings.ContainsRune(host, ':'):
		r.expected(v, what, "clients ask for a name without a port")
	case len(name) > longestName || host == "" || host[0] == '.' || strings.Contains(host, "..") || !isHostName(host):
		r.expected(v, what, "")
	default:
		return name, true
	}
	return "", false
}

// isHostName reports whether s could be the name of a host; underscores are common and wrong.
func isHostName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// reachable reports a chain that would meet connections it can't serve; its Match and what it does are known.
func (r *reader) reachable(chain object, c *config.FilterChain) {
	named := c.Match.Transport == config.TLSTransport || len(c.Match.ServerNames)+len(c.Match.Protocols) > 0
	switch {
	case c.TLS != nil && c.Match.Transport == config.PlainTransport:
		r.errorf(chain.n, "the chain takes connections without TLS only, and has a tls_context; remove it, or transport_protocol")
	case c.TLS == nil && named && c.HTTP != nil && !c.HTTP.Fallback:
		r.errorf(chain.n, "the chain takes connections with TLS only, which its proxy can't read; add a tls_context, or pass them on with tcp_proxy")
	}
}
