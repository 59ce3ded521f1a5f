package gateway

import (
	"crypto/tls"
	"errors"

	"sluice/gateway/certificates"
	"sluice/gateway/config"
	"sluice/loop"
	"sluice/loop/secure"
	"sluice/protocols"
	"sluice/upstream"
)

// A tlsDialer connects to one endpoint with TLS. It has a Config for HTTP/1, for HTTP/2 and for all others: what is offered
// is part of it, and so is the session that the next connection resumes.
type tlsDialer struct {
	engines            []*secure.Engine
	http1, http2, rest *rooted
}

// dialer is the hook of the clusters.
func (t *transport) dialer(e *upstream.Endpoint, cfg *upstream.TLSConfig) upstream.Dialer {
	client := t.clients[cfg]
	variant := func(verify func(tls.ConnectionState) error, alpn ...string) *rooted {
		c := client.base.Clone()
		c.VerifyConnection = verify
		switch {
		case c.ServerName != "":
		case e.Hostname != "":
			c.ServerName = e.Hostname
		case e.Addr.AddrPort.IsValid():
			c.ServerName = e.Addr.AddrPort.Addr().WithZone("").String()
		}
		if alpn != nil {
			c.NextProtos = alpn
		}
		return &rooted{roots: client.roots, own: client.own, build: func(a *certificates.Authorities) *secure.Config {
			c := c.Clone()
			c.ClientSessionCache = new(secure.Session)
			if a != nil {
				c.RootCAs = a.Pool
			}
			return &secure.Config{TLS: c}
		}}
	}
	return &tlsDialer{engines: t.up,
		http1: variant(nil, config.ALPNHTTP1), http2: variant(agreesToHTTP2, config.ALPNHTTP2), rest: variant(nil)}
}

// Dial implements upstream.Dialer.
func (d *tlsDialer) Dial(l loop.Loop, p *protocols.Protocol, o loop.DialOptions, h loop.Handler) (loop.Conn, error) {
	cfg := d.rest
	switch p.ID {
	case protocols.ProtocolHTTP1:
		cfg = d.http1
	case protocols.ProtocolHTTP2:
		cfg = d.http2
	default: // the others have no name of their own
	}
	return d.engines[l.Index()].Dial(o, cfg.config(), h)
}

// agreesToHTTP2 refuses a server that has not chosen HTTP/2. RFC 9113 section 3.3: "Implementations that support HTTP/2
// over TLS MUST use protocol negotiation in TLS".
func agreesToHTTP2(state tls.ConnectionState) error {
	if state.NegotiatedProtocol == config.ALPNHTTP2 {
		return nil
	}
	return &secure.Error{Reason: secure.ReasonProtocol, Handshake: true, Err: errNoHTTP2}
}

var errNoHTTP2 = errors.New(`the server does not agree to "h2"; if it speaks HTTP/1 only, set the cluster's protocol to "Http1"`)

// transportDetail says why there is no connection to an upstream, or no longer one, where TLS is the reason.
func transportDetail(err error) string {
	var failed *secure.Error
	if errors.As(err, &failed) {
		return "upstream " + failed.Error()
	}
	return ""
}
