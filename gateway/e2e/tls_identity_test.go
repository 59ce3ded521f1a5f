package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestTLSClientNames: of clients with a good certificate those come in whose names are on the list, with TLS 1.2 and 1.3, and
// again with a ticket.
func TestTLSClientNames(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in ") })
	list := `,"match_typed_subject_alt_names":[` + strings.Join([]string{
		`{"san_type":"DNS","matcher":{"suffix":".apps.test"}}`,
		`{"san_type":"URI","matcher":{"prefix":"spiffe://example.org/ns/prod/"}}`,
		`{"san_type":"EMAIL","matcher":{"exact":"me@example.org"}}`,
		`{"san_type":"IP_ADDRESS","matcher":{"prefix":"10.0.0.0/8"}}`,
	}, ",") + `]`
	g := w.start(sketch{hosts: []string{upstream}, document: adminOnAnyPort, chain: `"tls_context":` + ca.context(ca.asks(false, list), "a.test")}.String())
	refused := 0
	for _, tt := range []struct {
		template *x509.Certificate // nil: no certificate
		in       bool
	}{
		{nil, true}, // verify_client does not require one
		{&x509.Certificate{DNSNames: []string{"one.apps.test"}}, true},
		{&x509.Certificate{DNSNames: []string{"apps.test"}}, false},
		{&x509.Certificate{DNSNames: []string{"evilapps.test", "other.test"}}, false},
		{&x509.Certificate{Subject: pkix.Name{CommonName: "one.apps.test"}}, false},
		{&x509.Certificate{URIs: []*url.URL{mustURL(t, "spiffe://example.org/ns/prod/sa/app")}}, true},
		{&x509.Certificate{URIs: []*url.URL{mustURL(t, "spiffe://example.org/ns/test/sa/app")}}, false},
		{&x509.Certificate{EmailAddresses: []string{"me@example.org"}}, true},
		{&x509.Certificate{EmailAddresses: []string{"you@example.org"}}, false},
		{&x509.Certificate{IPAddresses: []net.IP{net.IPv4(10, 9, 8, 7)}}, true},
		{&x509.Certificate{IPAddresses: []net.IP{net.IPv4(11, 9, 8, 7)}}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cfg := &tls.Config{RootCAs: ca.pool, MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if tt.template != nil {
				cfg.Certificates = []tls.Certificate{ca.client(tt.template)}
			}
			for i := range 2 {
				c := w.tlsClient(cfg, false)
				want := "none"
				if tt.in {
					want = "200 in"
				} else {
					refused++
				}
				if got := w.ask(c, g.addr("l"), ""); got != want {
					t.Errorf("%+v, connection %d with %s: %s, want %s", tt.template, i, tls.VersionName(version), got, want)
				}
				c.CloseIdleConnections()
			}
		}
	}
	line := fmt.Sprintf(`sluice_tls_handshake_failures_total{reason="not_allowed",side="down"} %d`, refused)
	w.until("each refusal is counted", func() bool { return strings.Contains(g.metricsPage(), line) })
}

// TestForwardedClientCert: what upstreams are told of a client's certificate, and what clients may say about it themselves.
func TestForwardedClientCert(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.either(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, strings.Join(r.Header.Values("X-Forwarded-Client-Cert"), "|"))
	})
	gateway, key, _ := ca.sign(&x509.Certificate{DNSNames: []string{"a.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		URIs: []*url.URL{mustURL(t, "spiffe://example.org/gateway")}})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	context := fmt.Sprintf(`{"status":true,"cert_chain":%q,"private_key":%q%s}`, gateway, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), ca.asks(false, ""))
	me := ca.client(&x509.Certificate{Subject: pkix.Name{CommonName: `me";Hash=0;URI="`, Organization: []string{"A, B"}},
		DNSNames: []string{"me.test"}, URIs: []*url.URL{mustURL(t, "spiffe://example.org/me")}})
	told := fmt.Sprintf("By=spiffe://example.org/gateway;Hash=%x", sha256.Sum256(me.Certificate[0]))
	all := told + `;Subject="CN=me\22\;Hash=0\;URI=\22,O=A\, B";URI=spiffe://example.org/me;DNS=me.test`
	const lie = "Hash=666"
	for _, tt := range []struct{ mode, set, stranger, known string }{
		{"", "", "", ""},
		{"SANITIZE", "", "", ""},
		{"FORWARD_ONLY", "", "", lie},
		{"APPEND_FORWARD", "", "", lie + ", " + told},
		{"SANITIZE_SET", "", "", told},
		{"SANITIZE_SET", `"subject":true,"uri":true,"dns":true`, "", all},
		{"ALWAYS_FORWARD_ONLY", "", lie, lie},
	} {
		proxy := quiet
		if tt.mode != "" {
			proxy += fmt.Sprintf(`,"forward_client_cert_details":%q,"set_current_client_cert_details":{%s}`, tt.mode, tt.set)
		}
		for _, protocol := range []string{"Http1", "Http2"} {
			addr := w.proxy(sketch{speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"` + protocol + `"`, proxy: proxy,
				listener: `"inspector":true`, chain: `"tls_context":` + context})
			check := func(what string, c *http.Client, scheme, want string) {
				t.Helper()
				for range 2 { // on the same connection
					r, err := http.NewRequest(http.MethodGet, scheme+"://"+addr, http.NoBody)
					if err != nil {
						t.Fatal(err)
					}
					r.Header["x-forwarded-CLIENT-cert"] = []string{lie}
					a, err := c.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					got, _ := io.ReadAll(a.Body)
					a.Body.Close()
					if string(got) != want {
						t.Errorf("%s to %s, %s:\n%s, want\n%s", tt.mode, protocol, what, got, want)
					}
				}
			}
			check("plaintext", w.client(), "http", tt.stranger)
			for _, h2 := range []bool{false, true} {
				check("no certificate", w.tlsClient(&tls.Config{RootCAs: ca.pool}, h2), "https", tt.stranger)
				check("a certificate", w.tlsClient(&tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{me}}, h2), "https", tt.known)
			}
		}
	}
}

// TestForwardedClientCertTricks: several fields, and a client that calls the field one of its connection.
func TestForwardedClientCertTricks(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.received()
	me := ca.client(&x509.Certificate{DNSNames: []string{"me.test"}})
	told := fmt.Sprintf("Hash=%x", sha256.Sum256(me.Certificate[0]))
	for mode, want := range map[string]string{"SANITIZE_SET": told, "APPEND_FORWARD": "Hash=1, Hash=2, " + told} {
		addr := w.proxy(sketch{hosts: []string{upstream}, proxy: quiet + `,"forward_client_cert_details":"` + mode + `"`,
			rules: `{"match":{"prefix":"/","headers":[{"name":"x-forwarded-client-cert","value":"Hash=1"}]},"direct_response":{"status":403}},`,
			chain: `"tls_context":` + ca.context(ca.asks(true, ""), "a.test")})
		c := w.dialTLS(addr, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{me}})
		for _, connection := range []string{"keep-alive", "keep-alive, X-Forwarded-Client-Cert"} {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: "+connection+
				"\r\nX-Forwarded-Client-Cert: Hash=1\r\nX-FORWARDED-CLIENT-CERT: Hash=2\r\n\r\n")
			r, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(r.Body)
			if line := "X-Forwarded-Client-Cert: " + want + "\r\n"; r.StatusCode != http.StatusOK ||
				strings.Count(strings.ToLower(string(got)), "client-cert") != 1 || !strings.Contains(string(got), line) {
				t.Errorf("%s, Connection: %s: %d\n%swant %s", mode, connection, r.StatusCode, got, line)
			}
		}
	}
}

// TestTLSFallBack: without its certificate a context with fall_back makes the port plaintext, loudly, and with it TLS; once
// there is a good one it is not given up again.
func TestTLSFallBack(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, r.Header.Get("X-Forwarded-Proto"))
	})
	chain, key := ca.pair("a.test")
	m := w.mount(map[string]string{"tls.crt": "", "tls.key": key})
	g := w.startWatching(sketch{loops: 2, hosts: []string{upstream}, proxy: `"forwarded":{"via":false}`, document: adminOnAnyPort,
		chain: fmt.Sprintf(`"tls_context":{"status":true,"fall_back":true,"cert_chain":%q,"private_key":%q}`, m.path("tls.crt"), m.path("tls.key"))}.String())
	addr := g.addr("l")
	if got := fetch(t, w.client(), "http://"+addr); got != "HTTP/1.1 200 http" {
		t.Errorf("without a certificate: %s", got)
	}
	if log := g.logs.String(); !strings.Contains(log, "INSECURE: ") || !strings.Contains(log, "PLAINTEXT") || !strings.Contains(log, "e2e.json:") {
		t.Errorf("the log does not warn:\n%s", log)
	}
	const metric = `sluice_tls_fallback{owner="listener l"} `
	if !strings.Contains(g.metricsPage(), metric+"1") {
		t.Error("the metrics do not warn")
	}
	m.swap(map[string]string{"tls.crt": chain, "tls.key": key})
	tlsAnswers := func() bool {
		c := w.tlsClient(&tls.Config{RootCAs: ca.pool}, false)
		defer c.CloseIdleConnections()
		r, err := c.Get("https://" + addr)
		if err != nil {
			return false
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return string(b) == "https"
	}
	w.until("TLS begins with the certificate", tlsAnswers)
	if !strings.Contains(g.metricsPage(), metric+"0") {
		t.Error("the metrics still warn")
	}
	plain := w.client()
	defer plain.CloseIdleConnections()
	plain.CloseIdleConnections()
	if r, err := plain.Get("http://" + addr); err == nil {
		r.Body.Close()
		t.Errorf("plaintext is still answered: %d", r.StatusCode)
	}
	m.swap(map[string]string{"tls.crt": "", "tls.key": ""})
	w.until("the empty files are refused", func() bool { return strings.Contains(g.logs.String(), "changed certificate is refused") })
	if !tlsAnswers() {
		t.Error("the good certificate was given up")
	}
}
