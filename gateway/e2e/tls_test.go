package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sluice/gateway"
	"sluice/gateway/config/mosn"
)

// An authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  string
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.PEM, a.key, a.cert = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true})
	a.pool.AddCert(a.cert)
	return a
}

// sign makes a certificate of template, by the authority, or by itself as long as that has none.
func (a *authority) sign(template *x509.Certificate) (string, *ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), key, cert
}

// pair makes a certificate for names, and for 127.0.0.1.
func (a *authority) pair(names ...string) (chain, key string) {
	chain, private, _ := a.sign(&x509.Certificate{DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return chain, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (a *authority) certificate(names ...string) tls.Certificate {
	chain, key := a.pair(names...)
	c, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// context is a tls_context with a certificate for names.
func (a *authority) context(more string, names ...string) string {
	chain, key := a.pair(names...)
	return fmt.Sprintf(`{"status":true,"cert_chain":%q,"private_key":%q%s}`, chain, key, more)
}

func (w *world) tlsClient(cfg *tls.Config, h2 bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: h2}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: hang}
}

// tlsServer is a server of net/http with TLS. It says what it sees.
func (w *world) tlsServer(cfg *tls.Config, h2 bool) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		peer := ""
		if len(r.TLS.PeerCertificates) > 0 {
			peer = r.TLS.PeerCertificates[0].DNSNames[0]
		}
		fmt.Fprintf(rw, "%s sni=%s resumed=%t peer=%s", r.Proto, r.TLS.ServerName, r.TLS.DidResume, peer)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS, s.EnableHTTP2 = cfg, h2
	s.StartTLS()
	w.t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func fetch(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %d %s", r.Proto, r.StatusCode, b)
}

func TestTLSDownstream(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, r.Header.Get("X-Forwarded-Proto"))
	})
	g := w.start(sketch{loops: 2, speaks: "Http1,Http2", proxy: `"forwarded":{"via":false}`, hosts: []string{upstream},
		route: `"upstream_protocol":"Http1"`, listener: `"inspector":true`,
		rules: `{"match":{"prefix":"/old"},"redirect":{"path_redirect":"/new"}},`,
		chain: `"tls_context_set":[` + ca.context("", "a.test") + "," + ca.context("", "*.b.test") + `]`}.String())
	addr := g.addr("l")
	for _, h2 := range []bool{false, true} {
		want := map[bool]string{false: "HTTP/1.1 200 https", true: "HTTP/2.0 200 https"}[h2]
		c := w.tlsClient(&tls.Config{RootCAs: ca.pool}, h2)
		if got := fetch(t, c, "https://"+addr+"/"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := fetch(t, w.client(), "http://"+addr+"/"); got != "HTTP/1.1 200 http" {
		t.Errorf("plaintext on the same port: %q", got)
	}
	for _, name := range []string{"a.test", "x.b.test", "unknown.test"} {
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		got, want := c.ConnectionState().PeerCertificates[0].DNSNames[0], map[string]string{"x.b.test": "*.b.test"}[name]
		if want == "" {
			want = "a.test"
		}
		if got != want {
			t.Errorf("%s: the certificate of %s", name, got)
		}
		c.Close()
	}
	c := w.tlsClient(&tls.Config{RootCAs: ca.pool}, false)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := c.Get("https://" + addr + "/old")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if to := r.Header.Get("Location"); to != "https://"+addr+"/new" {
		t.Errorf("redirected to %q", to)
	}
	cache := tls.NewLRUClientSessionCache(4)
	for i := range 8 { // on both loops
		c := w.tlsClient(&tls.Config{RootCAs: ca.pool, ClientSessionCache: cache}, false)
		r, err := c.Get("https://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if r.TLS.DidResume != (i > 0) {
			t.Errorf("connection %d resumed: %t", i, r.TLS.DidResume)
		}
		c.CloseIdleConnections()
	}
}

func TestTLSClientCertificates(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in") })
	g := w.start(sketch{hosts: []string{upstream}, document: adminOnAnyPort,
		chain: `"tls_context":` + ca.context(fmt.Sprintf(`,"verify_client":true,"require_client_cert":true,"ca_cert":%q`, ca.PEM), "a.test")}.String())
	addr := g.addr("l")
	known, stranger := ca.certificate("me.test"), newAuthority(t).certificate("me.test")
	for _, tt := range []struct {
		name string
		with []tls.Certificate
		ok   bool
	}{{"none", nil, false}, {"a stranger's", []tls.Certificate{stranger}, false}, {"a known one", []tls.Certificate{known}, true}} {
		cfg := &tls.Config{RootCAs: ca.pool}
		if tt.with != nil { // also one that the server has not asked for
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tt.with[0], nil }
		}
		r, err := w.tlsClient(cfg, false).Get("https://" + addr)
		if err == nil {
			r.Body.Close()
		}
		if (err == nil) != tt.ok {
			t.Errorf("certificate %s: %v", tt.name, err)
		}
	}
	metrics := g.metricsPage()
	for _, line := range []string{
		`sluice_tls_handshake_failures_total{reason="no_peer_certificate",side="down"} 1`,
		`sluice_tls_handshake_failures_total{reason="unknown_authority",side="down"} 1`,
		`sluice_tls_handshakes_total{side="down"} 1`,
		`sluice_tls_certificate_expiry_days{certificate="(inline)",owner="listener l"} 0.9`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics have no %s in\n%s", line, metrics)
		}
	}
}

func TestTLSUpstream(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	verify := fmt.Sprintf(`,"ca_cert":%q`, ca.PEM)
	clientChain, clientKey := ca.pair("gateway.test")
	for _, tt := range []struct {
		name, protocol, context string
		h2                      bool
		want                    string
	}{
		{"HTTP/1", "Http1", verify + `,"server_name":"a.test"`, true, "200 HTTP/1.1 sni=a.test resumed=false peer="},
		{"HTTP/2", "Http2", verify + `,"server_name":"a.test"`, true, "200 HTTP/2.0 sni=a.test resumed=false peer="},
		{"by address", "Http1", verify, false, "200 HTTP/1.1 sni= resumed=false peer="},
		{"client certificate", "Http1", verify + fmt.Sprintf(`,"cert_chain":%q,"private_key":%q`, clientChain, clientKey), false,
			"200 HTTP/1.1 sni= resumed=false peer=gateway.test"},
		{"unverified", "Http1", `,"insecure_skip":true`, false, "200 HTTP/1.1 sni= resumed=false peer="},
		{"unknown authority", "Http1", "", false, "502 connect_failed: upstream TLS handshake: unknown authority"},
		{"wrong name", "Http1", verify + `,"server_name":"b.test"`, false, "502 connect_failed: upstream TLS handshake: wrong name"},
		{"no HTTP/2", "Http2", verify, false, "502 connect_failed: upstream TLS handshake: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			addr := w.tlsServer(&tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}, ClientCAs: ca.pool,
				ClientAuth: tls.VerifyClientCertIfGiven}, tt.h2)
			at := w.proxy(sketch{hosts: []string{addr},
				cluster: `"protocol":"` + tt.protocol + `","tls_context":{"status":true` + tt.context + `}`})
			if got := fetch(t, w.client(), "http://"+at+"/"); !strings.HasPrefix(got, "HTTP/1.1 "+tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTLSUpstreamResumesAndDisables(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	secured := w.tlsServer(&tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}}, false)
	plain := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "plain") })
	doc := sketch{hosts: []string{secured}, cluster: fmt.Sprintf(
		`"idle_timeout":"1ms","tls_context":{"status":true,"ca_cert":%q}`, ca.PEM)}.String()
	doc = strings.Replace(doc, `{"address":`, fmt.Sprintf(`{"address":%q,"tls_disable":true},{"address":`, plain), 1)
	at := w.start(doc).addr("l")
	got := map[string]bool{}
	w.until("plaintext and a resumed session", func() bool {
		got[fetch(t, w.client(), "http://"+at+"/")] = true
		return got["HTTP/1.1 200 plain"] && got["HTTP/1.1 200 HTTP/1.1 sni= resumed=true peer="]
	})
}

// Curl, with its own TLS, speaks to the gateway, which speaks TLS to a server.
func TestTLSCurl(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	w, ca := newWorld(t), newAuthority(t)
	addr := w.tlsServer(&tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}}, true)
	at := w.proxy(sketch{speaks: "Http1,Http2", hosts: []string{addr}, chain: `"tls_context":` + ca.context("", "front.test"),
		cluster: fmt.Sprintf(`"tls_context":{"status":true,"ca_cert":%q,"server_name":"a.test"}`, ca.PEM)})
	_, port, _ := net.SplitHostPort(at)
	for flag, version := range map[string]string{"--http1.1": "1.1", "--http2": "2"} {
		cmd := exec.Command(curl, flag, "-sS", "--cacert", "/dev/stdin", "--resolve", "front.test:"+port+":127.0.0.1",
			"-w", " %{http_version}", "https://front.test:"+port+"/")
		cmd.Stdin = strings.NewReader(ca.PEM)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.HasSuffix(out, []byte("sni=a.test resumed=false peer= "+version)) {
			t.Errorf("%s: %v %s", flag, err, out)
		}
	}
}

func TestTLSWebSocketTunnel(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.server(func(_ int, p *peer) {
		b := make([]byte, 4096)
		n := 0
		for !bytes.Contains(b[:n], []byte("\r\n\r\n")) {
			m, err := p.Read(b[n:])
			if err != nil {
				return
			}
			n += m
		}
		_, _ = io.WriteString(p, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(p, p)
	})
	at := w.proxy(sketch{hosts: []string{upstream}, chain: `"tls_context":` + ca.context("", "a.test")})
	c, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(hang))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	text := ""
	for buf := make([]byte, 1024); !strings.Contains(text, "\r\n\r\n"); {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
		text += string(buf[:n])
	}
	if !strings.HasPrefix(text, "HTTP/1.1 101 ") {
		t.Fatalf("got %q", text)
	}
	sent := bytes.Repeat([]byte("tunnel"), 20_000)
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back (%v), want %d", len(got), err, len(sent))
	}
}

// A certificate that is no good is told when the gateway is made, with its place.
func TestTLSBadCertificates(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	chain, _ := ca.pair("a.test")
	_, key := ca.pair("a.test")
	for want, context := range map[string]string{
		"private key does not match": fmt.Sprintf(`{"status":true,"cert_chain":%q,"private_key":%q}`, chain, key),
		"no such file":               `{"status":true,"cert_chain":"absent.pem","private_key":"absent.key"}`,
	} {
		cfg, _, err := mosn.Parse("e2e.json", []byte(sketch{hosts: []string{w.refusing()}, chain: `"tls_context":` + context}.String()), mosn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.New(cfg, gateway.Options{Stdout: io.Discard, Stderr: io.Discard}); err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "e2e.json:") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestTLSH2spec is TestH2spec over TLS.
func TestTLSH2spec(t *testing.T) {
	t.Parallel()
	interopTool(t, "h2spec")
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.h2Server(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a case that fails resets it
		_, _ = io.WriteString(rw, "hello") // as above
	})
	addr := w.proxy(sketch{speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"Http1"`,
		chain: `"tls_context":` + ca.context("", "a.test")})
	h2spec(t, w, addr, "/", 146, []string{"-t", "-k"})
}
