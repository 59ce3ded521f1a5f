package secure_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

func TestPolicy(t *testing.T) {
	r := newRig(t, 0)
	pair := r.ca.issue(t, nil, "server.test")
	keys := secure.NewTicketKeys()
	policy := func(change func(p *secure.Policy)) *secure.Config {
		p := &secure.Policy{
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName != "server.test" {
					return nil, nil //nolint:nilnil // crypto/tls makes an error of it
				}
				return &pair, nil
			},
			Protocols: []string{"h2", "http/1.1"}, Tickets: keys, Binding: "a.pem", Time: at,
		}
		change(p)
		return p.Config()
	}
	place := looptest.Addr("192.0.2.7", 443)
	server := &endpoint{}
	r.relay(place, acceptor(func(c loop.Conn) loop.Handler { return r.engine.Server(c, r.cfg, server) }))
	r.client.ClientSessionCache = &secure.Session{}
	same := func(*secure.Policy) {}
	for i, c := range []struct {
		change  func(p *secure.Policy)
		resumed bool
	}{
		{same, false},
		{same, true},
		{func(p *secure.Policy) { p.Binding = "b.pem" }, false},
		{func(p *secure.Policy) { p.Binding = "b.pem" }, true},
		{func(p *secure.Policy) { p.ClientAuth = tls.RequestClientCert }, false},
		{func(p *secure.Policy) { p.Tickets = nil }, false},
		{func(p *secure.Policy) { p.Tickets = nil }, false},
	} {
		r.cfg = policy(c.change)
		h := &endpoint{}
		conn := r.dial(place, h)
		if h.opened != 1 {
			t.Fatalf("%d: %v", i, h.err)
		}
		state := conn.State()
		if state.DidResume != c.resumed || state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
			t.Errorf("%d: resumed %v, want %v; protocol %q", i, state.DidResume, c.resumed, state.NegotiatedProtocol)
		}
		r.l.Do(func() { conn.Close(loop.CloseNow, nil) })
	}
	for want, c := range map[secure.Reason]struct {
		client func(*tls.Config)
		change func(p *secure.Policy)
	}{
		secure.ReasonVersion: {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, same},
		// A listener for HTTP/2 lets no client of HTTP/1 in, and none without an AEAD.
		secure.ReasonProtocol: {func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }, func(p *secure.Policy) { p.Protocols = []string{"h2"} }},
		secure.ReasonCipher: {func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}, same},
		secure.ReasonNoCertificate: {func(c *tls.Config) { c.ServerName = "other.test" }, same},
		secure.ReasonBadCertificate: {func(*tls.Config) {}, func(p *secure.Policy) {
			p.Verify = func(tls.ConnectionState) error { return errors.New("not good enough") }
		}},
		secure.ReasonNotAllowed: {func(*tls.Config) {}, func(p *secure.Policy) {
			p.Verify = func(tls.ConnectionState) error { return fmt.Errorf("%w: me.test", secure.ErrNotAllowed) }
		}},
	} {
		before := r.engine.Counters().HandshakeErrors[want]
		r.cfg = policy(c.change)
		cfg := r.client.Clone()
		cfg.ClientSessionCache = nil
		c.client(cfg)
		p := r.l.Connect(r.accept(server))
		tlsClient(t, p, cfg)
		r.l.Run()
		if n := r.engine.Counters().HandshakeErrors[want] - before; n != 1 {
			t.Errorf("%v: %d, in %v", want, n, failures(r.engine))
		}
	}
}
