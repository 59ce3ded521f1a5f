package secure_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// dial makes a client of ours.
func (r *rig) dial(at loop.Addr, h loop.Handler) (c *secure.Conn) {
	r.t.Helper()
	r.l.Do(func() {
		conn, err := r.engine.Dial(loop.DialOptions{Addr: at}, &secure.Config{TLS: r.client}, h)
		if err != nil {
			r.t.Error(err)
			return
		}
		c = conn.(*secure.Conn)
	})
	return c
}

func TestState(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		h := &endpoint{}
		r.open(h)
		state := h.conn.(*secure.Conn).State()
		if state.NegotiatedProtocol != "http/1.1" || state.ServerName != "server.test" || !state.HandshakeComplete {
			t.Errorf("protocol %q, server name %q", state.NegotiatedProtocol, state.ServerName)
		}
		if c := r.engine.Counters(); c.Begun != 1 || c.Done != 1 || c.Waiting != 0 || c.Resumed != 0 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestResumption(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		keys := secure.NewTicketKeys()
		keys.Apply(r.server, [32]byte{1})
		session := &secure.Session{}
		r.client.ClientSessionCache = session
		at := looptest.Addr("192.0.2.7", 443)
		r.relay(at, r.accept(&endpoint{}))
		try := func(what string, want bool) {
			t.Helper()
			h := &endpoint{}
			c := r.dial(at, h)
			if h.opened != 1 || c.State().DidResume != want {
				t.Errorf("%s: opened %d, resumed %v, want %v", what, h.opened, c.State().DidResume, want)
			}
			r.l.Do(func() { c.Close(loop.CloseNow, nil) })
		}
		try("the first", false)
		try("the second", true)
		before, _ := session.Get("")
		keys.Rotate()
		try("after a rotation", true)
		keys.Rotate()
		session.Put("", before)
		try("after two rotations", true)
		keys.Rotate()
		session.Put("", before)
		try("after three rotations", false)
		try("with the new ticket", true)
		if got, want := r.engine.Counters().Resumed, int64(8); got != want {
			t.Errorf("%d resumed, want %d, on both sides", got, want)
		}
		other := r.server.Clone()
		keys.Apply(other, [32]byte{2})
		r.cfg = &secure.Config{TLS: other}
		try("under another policy", false)
	})
}

func TestClientCertificate(t *testing.T) {
	eachVersion(t, func(t *testing.T, r *rig) {
		r.server.ClientAuth, r.server.ClientCAs = tls.RequireAndVerifyClientCert, r.ca.pool
		r.client.Certificates = []tls.Certificate{r.ca.issue(t, nil, "client.test")}
		h := &endpoint{}
		r.open(h)
		if certs := h.conn.(*secure.Conn).State().PeerCertificates; len(certs) != 1 || certs[0].DNSNames[0] != "client.test" {
			t.Errorf("certificates %v", certs)
		}
	})
}

// TestServerReasons makes clients fail in all the ways that we tell apart.
func TestServerReasons(t *testing.T) {
	requireCert := func(r *rig) {
		r.server.ClientAuth, r.server.ClientCAs = tls.RequireAndVerifyClientCert, r.ca.pool
	}
	clientCert := func(a *authority, with func(*x509.Certificate)) func(r *rig) {
		return func(r *rig) {
			requireCert(r)
			if a == nil {
				a = r.ca
			}
			r.client.Certificates = []tls.Certificate{a.issue(r.t, with, "client.test")}
			own := r.client.Certificates[0]
			r.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		}
	}
	for name, c := range map[string]struct {
		with func(r *rig)
		want secure.Reason
	}{
		"version": {func(r *rig) {
			r.client.MinVersion, r.client.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, secure.ReasonVersion},
		"cipher": {func(r *rig) {
			r.client.MaxVersion = tls.VersionTLS12
			r.client.MinVersion = tls.VersionTLS12
			r.server.MinVersion, r.server.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			r.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
			r.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, secure.ReasonCipher},
		"curve": {func(r *rig) {
			r.client.CurvePreferences = []tls.CurveID{tls.CurveP384}
			r.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
		}, secure.ReasonCipher},
		"protocol":       {func(r *rig) { r.client.NextProtos = []string{"sofa"} }, secure.ReasonProtocol},
		"no certificate": {func(r *rig) { r.server.Certificates = nil }, secure.ReasonNoCertificate},
		"no certificate for the name": {func(r *rig) {
			r.server.Certificates = nil
			r.server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, secure.ErrNoCertificate }
		}, secure.ReasonNoCertificate},
		"no client certificate": {requireCert, secure.ReasonNoPeerCertificate},
		"unknown authority":     {clientCert(newAuthority(t), nil), secure.ReasonUnknownAuthority},
		"expired": {clientCert(nil, func(c *x509.Certificate) {
			c.NotAfter = at().Add(-time.Minute)
		}), secure.ReasonExpired},
		"bad usage": {clientCert(nil, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), secure.ReasonBadCertificate},
		"alert": {func(r *rig) { r.client.RootCAs = x509.NewCertPool() }, secure.ReasonAlert},
		"panic": {func(r *rig) {
			r.server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("on purpose") }
			r.server.Certificates = nil
		}, secure.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0)
			c.with(r)
			p := r.l.Connect(r.accept(acceptor(func(loop.Conn) loop.Handler {
				t.Error("the session was asked")
				return nil
			})))
			s := tlsClient(t, p, r.client)
			r.l.Run()
			r.wantFailure(c.want)
			if s.err == nil && !p.EOF() {
				t.Error("the client was told nothing")
			}
			r.l.Advance(3 * time.Second)
			if !p.Closed() {
				t.Error("the connection stays open")
			}
		})
	}
}

// TestClientReasons makes servers fail for us.
func TestClientReasons(t *testing.T) {
	for name, c := range map[string]struct {
		with  func(r *rig)
		want  secure.Reason
		alert uint8
	}{
		"unknown authority": {func(r *rig) { r.client.RootCAs = x509.NewCertPool() }, secure.ReasonUnknownAuthority, 0},
		"wrong name":        {func(r *rig) { r.client.ServerName = "other.test" }, secure.ReasonWrongName, 0},
		"expired":           {func(r *rig) { r.client.Time = func() time.Time { return at().Add(200 * time.Hour) } }, secure.ReasonExpired, 0},
		"alert":             {func(r *rig) { r.server.Certificates = nil }, secure.ReasonAlert, 112},
		"version": {func(r *rig) {
			r.server.MaxVersion, r.client.MinVersion = tls.VersionTLS12, tls.VersionTLS13
		}, secure.ReasonAlert, 70},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0)
			c.with(r)
			place := looptest.Addr("192.0.2.7", 443)
			r.l.Listen(place, func(p *looptest.Peer) { tlsServer(t, p, r.server) })
			h := &endpoint{}
			r.dial(place, h)
			r.l.Advance(3 * time.Second)
			r.wantFailure(c.want)
			var e *secure.Error
			if h.opened != 0 || h.closed != 1 || !errors.As(h.err, &e) || e.Reason != c.want || !e.Handshake || e.Alert != c.alert {
				t.Errorf("opened %d, closed %d with %v", h.opened, h.closed, h.err)
			}
			if !strings.HasPrefix(e.Error(), "TLS handshake: ") {
				t.Errorf("text %q", e)
			}
		})
	}
}

// TestNotTLS sends what is no ClientHello.
func TestNotTLS(t *testing.T) {
	for _, in := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x02\x00\x00\x05hello", "\x16\x03\x01\x00\x00", "\x16\x03\x01\x00\x04\x02\x00\x00\x00",
		"\x80\x2e\x01\x00\x02"} {
		r := newRig(t, 0)
		p := r.l.Connect(r.accept(&endpoint{}))
		p.Send(in)
		r.l.Run()
		r.wantFailure(secure.ReasonNotTLS)
		if !p.Closed() {
			t.Errorf("%q: the connection stays open", in)
		}
	}
}

// TestHelloLimits sends ClientHellos that are too long, or cut too often.
func TestHelloLimits(t *testing.T) {
	tiny := []byte("\x16\x03\x01\x00\x01\x01")
	for range 100 {
		tiny = append(tiny, "\x16\x03\x01\x00\x01\x02"...)
	}
	for name, in := range map[string]string{
		"one record":   "\x16\x03\x01\x40\x00\x01\x00\x50\x00",
		"many records": strings.Repeat("\x16\x03\x01\x10\x00\x01\x00\xff\xff"+strings.Repeat("x", 4092), 5),
		"tiny records": string(tiny),
	} {
		r := newRig(t, 0)
		p := r.l.Connect(r.accept(&endpoint{}))
		p.Send(in)
		r.l.Run()
		if got := failures(r.engine); got[secure.ReasonTooLarge] != 1 || r.engine.Counters().Begun != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// helloOf returns the ClientHello of a client.
func helloOf(t testing.TB, cfg *tls.Config) []byte {
	l := looptest.New(t)
	p := l.Connect(acceptor(func(loop.Conn) loop.Handler { return discard{} }))
	s := run(t, p, func(s *script) {
		s.hold = true
		_ = tls.Client(s, cfg).Handshake()
	})
	return s.held
}

// TestSlowHandshakes stops at every stage: each ends after its time, and before that occupies nothing but a timer.
func TestSlowHandshakes(t *testing.T) {
	for _, stage := range []string{"silent", "half a header", "half a ClientHello", "no Finished"} {
		t.Run(stage, func(t *testing.T) {
			r := newRig(t, 0)
			hello := helloOf(t, r.client)
			part := map[string]int{"silent": 0, "half a header": 3, "half a ClientHello": len(hello) / 2, "no Finished": len(hello)}[stage]
			p := r.l.Connect(r.accept(&endpoint{}))
			p.SendBytes(hello[:part])
			r.l.Advance(9 * time.Second)
			if c := r.engine.Counters(); c.Waiting != 1 || (c.Begun == 1) != (part == len(hello)) || p.Closed() {
				t.Errorf("counters %+v", c)
			}
			h := &endpoint{}
			r.open(h) // another one is not delayed
			r.l.Advance(1100 * time.Millisecond)
			r.wantFailure(secure.ReasonTimeout)
			if !p.Closed() {
				t.Error("the connection stays open")
			}
		})
	}
}

func TestHandshakeEndsEarly(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(p *looptest.Peer)
		want secure.Reason
	}{
		"FIN": {(*looptest.Peer).CloseWrite, secure.ReasonPeerClosed},
		"RST": {(*looptest.Peer).Reset, secure.ReasonPeerClosed},
	} {
		for _, begun := range []bool{false, true} {
			r := newRig(t, 0)
			hello := helloOf(t, r.client)
			p := r.l.Connect(r.accept(&endpoint{}))
			if !begun {
				hello = hello[:20]
			}
			p.SendBytes(hello)
			r.l.Run()
			end.do(p)
			r.l.Run()
			r.wantFailure(end.want)
			if !p.Closed() {
				t.Errorf("%s: the connection stays open", name)
			}
		}
	}
	t.Run("cancelled", func(t *testing.T) {
		r := newRig(t, 0)
		place := looptest.Addr("192.0.2.7", 443)
		r.l.Listen(place, func(*looptest.Peer) {})
		h := &endpoint{}
		c := r.dial(place, h)
		r.l.Do(func() { c.Close(loop.CloseNow, errTest) })
		r.wantFailure(secure.ReasonClosed)
		if h.opened != 0 || h.closed != 1 || !errors.Is(h.err, errTest) {
			t.Errorf("opened %d, closed %d with %v", h.opened, h.closed, h.err)
		}
	})
	t.Run("the loop stops", func(t *testing.T) {
		r := newRig(t, 0)
		p := r.l.Connect(r.accept(&endpoint{}))
		p.SendBytes(helloOf(t, r.client))
		r.l.Run()
		r.l.Stop()
		r.wantFailure(secure.ReasonClosed)
	})
}

var errTest = errors.New("as the test wants")

func TestReasonNames(t *testing.T) {
	var names []string
	for _, r := range secure.Reasons() {
		names = append(names, r.String())
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(secure.Reasons()) || slices.Contains(names, "") || secure.Reason(200).String() != "unknown" {
		t.Errorf("names %q", names)
	}
}
