package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"sluice/loop/secure"
)

// asks are the members of a tls_context that wants clients to show certificates of a.
func (a *authority) asks(require bool, more string) string {
	return fmt.Sprintf(`,"verify_client":true,"require_client_cert":%t,"ca_cert":%q%s`, require, a.PEM, more)
}

// client makes a client's certificate.
func (a *authority) client(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	_, key, cert := a.sign(template)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// ask sends a request for host, if that is not "", and returns the status, and the body up to its first space.
func (w *world) ask(c *http.Client, addr, host string) string {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://"+addr+"/", http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Host = host
	a, err := c.Do(r)
	if err != nil {
		return "none"
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(b), " ")
	return fmt.Sprintf("%d %s", a.StatusCode, body)
}

// TestTLSContextsDiffer: each context of a set shakes hands in its own way.
func TestTLSContextsDiffer(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in") })
	suite := tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
	g := w.start(sketch{speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"Http1"`,
		chain: `"tls_context_set":[` + strings.Join([]string{
			ca.context(`,"alpn":"http/1.1","max_version":"TLSv1_2","cipher_suites":"ECDHE-ECDSA-CHACHA20-POLY1305"`, "old.test"),
			ca.context(`,"min_version":"TLSv1_3","alpn":"h2","server_name":"named.test"`, "new.test"),
			ca.context(ca.asks(true, ""), "closed.test"),
			ca.context(ca.asks(false, ""), "*.ajar.test"),
		}, ",") + `]`}.String())
	addr, me := g.addr("l"), ca.client(&x509.Certificate{DNSNames: []string{"me.test"}})
	for _, tt := range []struct {
		name  string
		alpn  []string
		max   uint16
		with  []tls.Certificate
		want  string // the certificate's name; "": no handshake
		agree string
		wants bool // a certificate was asked for
	}{
		{"old.test", nil, 0, nil, "old.test", "", false},
		{"OLD.test", []string{"h2", "http/1.1"}, 0, nil, "old.test", "http/1.1", false},
		{"old.test", []string{"h2"}, 0, nil, "", "", false},
		{"new.test", []string{"h2", "http/1.1"}, 0, nil, "new.test", "h2", false},
		{"new.test", nil, tls.VersionTLS12, nil, "", "", false},
		{"named.test", nil, 0, nil, "new.test", "", false},
		{"closed.test", nil, 0, nil, "", "", true},
		{"closed.test", []string{"h2"}, 0, []tls.Certificate{me}, "closed.test", "h2", true},
		{"closed.test", nil, tls.VersionTLS12, []tls.Certificate{me}, "closed.test", "", true},
		{"x.ajar.test", nil, 0, nil, "*.ajar.test", "", true},
		{"x.ajar.test", nil, 0, []tls.Certificate{me}, "*.ajar.test", "", true},
		{"x.y.ajar.test", nil, 0, nil, "old.test", "", false}, // a wildcard stands for one label
		{"unknown.test", []string{"http/1.1"}, 0, nil, "old.test", "http/1.1", false},
		{"unknown.test", []string{"h2"}, 0, nil, "new.test", "h2", false}, // by its protocol
		{"unknown.test", nil, 0, nil, "old.test", "", false},
	} {
		asked := false
		c, err := tls.Dial("tcp", addr, &tls.Config{
			ServerName: tt.name, NextProtos: tt.alpn, MaxVersion: tt.max, InsecureSkipVerify: true,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				if tt.with != nil {
					return &tt.with[0], nil
				}
				return &tls.Certificate{}, nil
			},
		})
		if err == nil { // a client of TLS 1.3 learns with the first byte that its certificate was refused
			_, _ = io.WriteString(c, "x")
			if state := c.ConnectionState(); state.Version == tls.VersionTLS13 && state.NegotiatedProtocol != "h2" && tt.want == "" {
				_, err = c.Read(make([]byte, 1))
			}
			defer c.Close()
		}
		if (err == nil) != (tt.want != "") || asked != tt.wants {
			t.Errorf("%s %v: %v, asked for a certificate: %t", tt.name, tt.alpn, err, asked)
		}
		if err != nil || tt.want == "" {
			continue
		}
		state := c.ConnectionState()
		if got := state.PeerCertificates[0].DNSNames[0]; got != tt.want || state.NegotiatedProtocol != tt.agree {
			t.Errorf("%s %v: the certificate of %s, protocol %q", tt.name, tt.alpn, got, state.NegotiatedProtocol)
		}
		if tt.want == "old.test" && (state.Version != tls.VersionTLS12 || state.CipherSuite != suite) {
			t.Errorf("%s: version %x, suite %x", tt.name, state.Version, state.CipherSuite)
		}
	}
}

// TestTLSTicketsOfAnotherContext: a session that began where nobody asked for a certificate does not go on where one is
// required, nor one that began with a certificate where it would not be asked for; and a certificate that one context takes is
// not taken for granted by another.
func TestTLSTicketsOfAnotherContext(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			w, ca, others := newWorld(t), newAuthority(t), newAuthority(t)
			upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in") })
			g := w.start(sketch{loops: 2, hosts: []string{upstream}, chain: `"tls_context_set":[` + strings.Join([]string{
				ca.context("", "open.test"),
				ca.context(ca.asks(true, ""), "mine.test"),
				ca.context(others.asks(true, ""), "theirs.test"),
				ca.context("", "also.test"),
			}, ",") + `]`}.String())
			addr := g.addr("l")
			session := &secure.Session{} // whatever the name
			try := func(name string, with ...tls.Certificate) (in, resumed bool) {
				c := w.tlsClient(&tls.Config{InsecureSkipVerify: true, ServerName: name, ClientSessionCache: session,
					MinVersion: version, MaxVersion: version, Certificates: with}, false)
				defer c.CloseIdleConnections()
				r, err := c.Get("https://" + addr)
				if err != nil {
					return false, false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				return r.StatusCode == http.StatusOK || r.StatusCode == http.StatusMisdirectedRequest, r.TLS.DidResume
			}
			me := ca.client(&x509.Certificate{DNSNames: []string{"me.test"}})
			for i, step := range []struct {
				name        string
				with        []tls.Certificate
				in, resumed bool
			}{
				{"open.test", nil, true, false},
				{"open.test", nil, true, true},
				{"also.test", nil, true, false}, // it has another certificate
				{"also.test", nil, true, true},
				{"mine.test", nil, false, false},
				{"mine.test", []tls.Certificate{me}, true, false},
				{"mine.test", []tls.Certificate{me}, true, true},
				{"theirs.test", []tls.Certificate{me}, false, false},
				{"mine.test", []tls.Certificate{me}, true, false},
				{"open.test", []tls.Certificate{me}, true, false},
			} {
				in, resumed := try(step.name, step.with...)
				// A refused handshake of TLS 1.3 may leave the client with its old ticket, or without any.
				if in != step.in || resumed != step.resumed && i != 8 {
					t.Errorf("step %d, %s: in %t, resumed %t", i, step.name, in, resumed)
				}
			}
		})
	}
}

// TestMisdirected: where clients show certificates, a connection is for what it was made for.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, "in "+r.Host) })
	log := w.tempFile("log")
	g := w.start(sketch{speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"Http1"`, document: adminOnAnyPort,
		listener: fmt.Sprintf(`"access_logs":[{"log_path":%q,"log_format":"%%response_code%% %%response_flag%%"}]`, log),
		chain: `"tls_context_set":[` + strings.Join([]string{
			ca.context("", "open.test", "also.test"),
			ca.context(ca.asks(true, ""), "closed.test", "*.closed.test"),
			ca.context(ca.asks(true, `,"match_typed_subject_alt_names":[{"san_type":"DNS","matcher":{"exact":"boss.test"}}]`), "boss.closed.test"),
		}, ",") + `]`}.String())
	addr, me := g.addr("l"), ca.client(&x509.Certificate{DNSNames: []string{"me.test"}})
	misdirected := int64(0)
	for _, tt := range []struct {
		asked, host string
		h1, h2      bool // it is for the host
	}{
		{"open.test", "open.test", true, true},
		{"open.test", "OPEN.test:443", true, true},
		{"open.test", "also.test", true, true},    // nobody is asked for anything there
		{"open.test", "unknown.test", true, true}, // the first context is for it
		{"open.test", "closed.test", false, false},
		{"open.test", "x.closed.test.:8443", false, false},
		{"open.test", "boss.closed.test", false, false},
		{"closed.test", "closed.test:80", true, true},
		{"closed.test", "x.closed.test", false, true}, // the same context: HTTP/2 may, by the certificate
		{"x.closed.test", "closed.test", false, true},
		{"closed.test", "boss.closed.test", false, false}, // the certificate covers it, but who may come in there is another
		{"closed.test", "x.y.closed.test", false, false},
		{"closed.test", "open.test", false, false},
		{"closed.test", "127.0.0.1", false, false},
		{"", "open.test", true, true}, // by its address
		{"", "127.0.0.1", true, true},
		{"", "closed.test", false, false},
	} {
		for _, h2 := range []bool{false, true} {
			cfg := &tls.Config{InsecureSkipVerify: true, ServerName: tt.asked, Certificates: []tls.Certificate{me}}
			c := w.tlsClient(cfg, h2)
			first := tt.asked
			if first == "" {
				first = "unknown.test"
			}
			want := map[bool]string{true: "200 in", false: "421 misdirected:"}[h2 && tt.h2 || !h2 && tt.h1]
			if want[0] == '4' {
				misdirected += 2
			}
			// The connection stays what it is, whatever was asked on it.
			for i, ask := range [][2]string{{first, "200 in"}, {tt.host, want}, {tt.host, want}, {first, "200 in"}} {
				if got := w.ask(c, addr, ask[0]); got != ask[1] {
					t.Errorf("%q, HTTP/2 %t, request %d for %s: %s, want %s", tt.asked, h2, i, ask[0], got, ask[1])
				}
			}
			c.CloseIdleConnections()
		}
	}
	// A call is told so in its own way: PERMISSION_DENIED, which nobody tries again on the same connection.
	call, err := http.NewRequest(http.MethodPost, "https://"+addr+"/s/m", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	call.Host = "closed.test"
	call.Header.Set("Content-Type", "application/grpc")
	answer, err := w.tlsClient(&tls.Config{InsecureSkipVerify: true, ServerName: "open.test"}, true).Do(call)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if h := answer.Header; answer.StatusCode != 200 || h.Get("Grpc-Status") != "7" || !strings.HasPrefix(h.Get("Grpc-Message"), "misdirected: ") {
		t.Errorf("a call for another host is answered %s, %v", answer.Status, h)
	}
	misdirected++
	if want := fmt.Sprintf(`sluice_downstream_requests_failed_total{listener="l",reason="misdirected"} %d`, misdirected); !strings.Contains(g.metricsPage(), want) {
		t.Errorf("the metrics have no %s", want)
	}
	w.until("the log names the reason", func() bool {
		text, _ := os.ReadFile(log)
		return strings.Contains(string(text), "421 misdirected\n")
	})
}

// TestMisdirectedTricks: a client without a certificate gets no further by a server name that only looks like the host's, nor
// by a request that names no host, which goes where unknown names go.
func TestMisdirectedTricks(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in") })
	for _, tt := range []struct {
		first, asked, request, want string
	}{
		{"open.test", "closed.test:443", "GET / HTTP/1.1\r\nHost: closed.test\r\n", "421"},
		{"open.test", "closed.test:", "GET / HTTP/1.1\r\nHost: closed.test\r\n", "421"},
		{"open.test", "open.test", "GET http://closed.test/ HTTP/1.1\r\nHost: closed.test\r\n", "421"},
		{"open.test", "open.test", "GET / HTTP/1.1\r\nHost: Closed.Test.:1\r\n", "421"},
		{"open.test", "open.test", "GET / HTTP/1.0\r\n", "200"}, // nobody is asked for anything where unknown names go
		{"open.test", "OPEN.test", "GET / HTTP/1.1\r\nHost: open.test\r\n", "200"},
		{"closed.test", "open.test", "GET / HTTP/1.0\r\n", "421"},
		{"closed.test", "open.test", "GET / HTTP/1.1\r\nHost: unknown.test\r\n", "421"},
		{"closed.test", "open.test", "GET / HTTP/1.1\r\nHost: open.test\r\n", "200"},
	} {
		contexts := []string{ca.context("", "open.test"), ca.context(ca.asks(true, ""), "closed.test")}
		if tt.first == "closed.test" {
			contexts[0], contexts[1] = contexts[1], contexts[0]
		}
		g := w.start(sketch{hosts: []string{upstream}, chain: `"tls_context_set":[` + strings.Join(contexts, ",") + `]`}.String())
		c, err := tls.Dial("tcp", g.addr("l"), &tls.Config{InsecureSkipVerify: true, ServerName: tt.asked})
		if err != nil {
			t.Fatalf("%s: %v", tt.asked, err)
		}
		_, _ = io.WriteString(c, tt.request+"Connection: close\r\n\r\n")
		answer, _ := io.ReadAll(c)
		c.Close()
		if _, status, _ := strings.Cut(string(answer), " "); !strings.HasPrefix(status, tt.want) {
			t.Errorf("%s first, %s asked, %q: %q, want %s", tt.first, tt.asked, tt.request, answer, tt.want)
		}
	}
}

// TestMisdirectedAcrossChains: the contexts may be in chains of their own.
func TestMisdirectedAcrossChains(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in ") })
	proxy := `"filters":[{"type":"proxy","config":{"downstream_protocol":"Http1,Http2","upstream_protocol":"Http1","router_config_name":"r"}}]`
	g := w.start(crossroads(w.tempFile("log"), []string{
		`{"filter_chain_match":{"server_names":["open.test"]},"tls_context":` + ca.context("", "open.test", "free.test") + "," + proxy + `}`,
		`{"filter_chain_match":{"server_names":["free.test"]},"tls_context":` + ca.context("", "free.test") + "," + proxy + `}`,
		`{"filter_chain_match":{"server_names":["closed.test"]},"tls_context":` + ca.context(ca.asks(true, ""), "closed.test") + "," + proxy + `}`,
	}, upstream))
	for host, want := range map[string]string{"open.test": "200 in", "free.test": "200 in", "closed.test": "421 misdirected:", "none.test": "421 misdirected:"} {
		for _, h2 := range []bool{false, true} {
			if got := w.ask(w.tlsClient(&tls.Config{InsecureSkipVerify: true, ServerName: "open.test"}, h2), g.addr("l"), host); got != want {
				t.Errorf("%s, HTTP/2 %t: %s, want %s", host, h2, got, want)
			}
		}
	}
}
