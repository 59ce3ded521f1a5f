package gateway

import (
	"bytes"
	"crypto/tls"
	"slices"
	"strings"

	"sluice/gateway/identity"
	"sluice/loop/secure"
	"sluice/protocols"
)

// A clientTLS is what a session remembers of its connection's handshake, where that matters to its requests: where clients are
// asked for certificates. It belongs to the session.
type clientTLS struct {
	server     *tlsServer
	generation *tlsGeneration // that the handshake went by
	protocol   string         // that was agreed on by ALPN; "" for none
	certified  bool           // the client has shown a certificate, which is good
	element    string         // what upstreams are told of it
	directed   []byte         // the authority that was last found to be what the connection is for
}

// clientOf makes what a session of l remembers of a handshake; nil where nobody will ask.
func (l *localListener) clientOf(choice *secure.Config, state *tls.ConnectionState) *clientTLS {
	server := l.tls.server
	generation, ok := choice.Owner.(*tlsGeneration)
	if !ok || !server.guards() || l.table == nil {
		return nil
	}
	c := &clientTLS{server: server, generation: generation, protocol: state.NegotiatedProtocol, certified: len(state.PeerCertificates) > 0}
	if f := &l.clientCert; c.certified && f.Forwarding.Tells() {
		c.element = f.Details.Element(generation.pair.Leaf, state.PeerCertificates)
	}
	return c
}

// guards reports whether requests have to be looked at: somebody who may be reached through this listener asks for certificates.
func (s *tlsServer) guards() bool {
	return s.asks || s.siblings != nil && slices.Contains(s.siblings.asks, true)
}

// vouch settles what the head of a request may say about the client's certificate, before anything looks at it. It reports
// whether the request is for a host that the connection was made for.
func (st *stream) vouch() bool {
	h, l, c := &st.req, st.s.l, st.s.client
	if c == nil {
		h.DelSet(l.strangers)
		return true
	}
	if authority := h.Authority(); len(authority) == 0 || !bytes.Equal(authority, c.directed) {
		if !st.directed() {
			return false
		}
		if h.Method != protocols.MethodConnect { // see directed: it may be for a host that others are not
			c.directed = append(c.directed[:0], authority...)
		}
	}
	if !c.certified {
		h.DelSet(l.strangers)
		return true
	}
	switch l.clientCert.Forwarding {
	case identity.Sanitize:
		h.DelSet(l.strangers)
	case identity.SanitizeSet:
		h.DelSet(l.strangers)
		protocols.AddTo(h, protocols.NameXForwardedClientCert, c.element)
	case identity.AppendForward:
		b := appendList(st.w.scratch[:0], h, protocols.NameXForwardedClientCert)
		b = append(b, c.element...)
		h.Put(protocols.NameXForwardedClientCert, b)
		st.w.scratch = b[:0]
		h.DelSet(l.strangers &^ protocols.NameSetOf(protocols.NameXForwardedClientCert))
	case identity.ForwardOnly, identity.AlwaysForwardOnly:
		h.DelSet(l.strangers &^ protocols.NameSetOf(protocols.NameXForwardedClientCert))
	}
	return true
}

// directed reports whether the request is for a host for which its client could have made the connection just so.
//
// RFC 9110 section 7.4: "Unless the connection is from a trusted gateway, an origin server MUST reject a request if any
// scheme-specific requirements for the target URI are not met. In particular, a request for an "https" resource MUST be rejected
// unless it has been received over a connection that has been secured via a certificate valid for that target URI's origin".
// It is enforced where clients show certificates: elsewhere nobody gains anything by it.
func (st *stream) directed() bool {
	// A server name has no port: what the handshake took for part of an unknown name must not be cut off here.
	c, asked := st.s.client, strings.ToLower(st.s.serverName)
	host := hostName(string(st.req.Authority()))
	if host == asked {
		return true
	}
	switch c.server.direct(c.generation, host, c.protocol) {
	case directedWrongly:
		return false
	case directedFreely:
		return true
	case directedWell:
	}
	switch {
	case asked == "" || host == "":
		return true // the client knows an address only, and has got what is for every name that is not known
	case st.req.Method == protocols.MethodConnect && len(st.req.Upgrade()) == 0:
		return true // it names the end of a tunnel, and not who is asked for it
	case st.req.Proto == protocols.ProtocolHTTP1:
		return false // such a client makes a connection for each host
	}
	// RFC 9113 section 9.1.1: "A connection can be reused as long as the origin server is authoritative", by its certificate.
	return c.generation.covers(host)
}

const misdirectedDetail = "clients show certificates here, and this connection was not made for the host that the request names; " +
	"connect again, and ask for it by its name (SNI)"

// hostName is the host of an authority, which a codec has checked, as names are compared: in lower case, without port and final
// dot.
func hostName(authority string) string {
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		authority = authority[:colon]
	}
	return strings.TrimSuffix(strings.ToLower(authority), ".")
}
