package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serverFor is the Config of a server whose certificate is for name, until ends.
func (a *authority) serverFor(name string, ends time.Time) *tls.Config {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{a.identity(key, ends, name, name).pair}}
}

// exactServer is tlsServer with the application protocols of cfg and no others.
func (w *world) exactServer(cfg *tls.Config) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "in") // the client tells
	})}
	ended := make(chan struct{})
	go func() {
		_ = s.Serve(tls.NewListener(l, cfg)) // ErrServerClosed
		close(ended)
	}()
	w.t.Cleanup(func() {
		_ = s.Close() // as above
		<-ended
	})
	return l.Addr().String()
}

// TestTLSUpstreamRefused: a host that can't prove who it is, or does not agree to how it is spoken to, gets no request, and
// the client is told why.
func TestTLSUpstreamRefused(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	trusting := fmt.Sprintf(`"ca_cert":%q`, ca.PEM)
	later := time.Now().Add(time.Hour)
	good := func() *tls.Config { return ca.serverFor("a.test", later) }
	with := func(change func(cfg *tls.Config)) *tls.Config {
		cfg := good()
		change(cfg)
		return cfg
	}
	for _, tt := range []struct {
		name, protocol, context, host string
		server                        *tls.Config
		want                          string // "" is none: it is let in
	}{
		{"good", "Http1", trusting + `,"server_name":"a.test"`, "", good(), ""},
		{"good for its address", "Http1", trusting, "", good(), ""},
		{"good for its host's name", "Http1", trusting, `,"hostname":"a.test"`, good(), ""},
		{"server_name before the host's name", "Http1", trusting + `,"server_name":"a.test"`, `,"hostname":"b.test"`, good(), ""},
		{"expired", "Http1", trusting, "", ca.serverFor("a.test", time.Now().Add(-time.Minute)), "expired"},
		{"another name", "Http1", trusting + `,"server_name":"b.test"`, "", good(), "wrong name"},
		{"another host's name", "Http1", trusting, `,"hostname":"b.test"`, good(), "wrong name"},
		{"another authority", "Http1", trusting, "", stranger.serverFor("a.test", later), "unknown authority"},
		{"not the system's authority", "Http1", `"server_name":"a.test"`, "", good(), "unknown authority"},
		{"HTTP/2, another authority", "Http2", trusting, "", with(func(cfg *tls.Config) {
			*cfg = *stranger.serverFor("a.test", later)
			cfg.NextProtos = []string{"h2"}
		}), "unknown authority"},
		{"no ALPN for HTTP/1", "Http1", trusting, "", good(), ""},
		{"no ALPN for HTTP/2", "Http2", trusting, "", good(), `the server does not agree to "h2"`},
		{"HTTP/1 only", "Http2", trusting, "", with(func(cfg *tls.Config) { cfg.NextProtos = []string{"http/1.1"} }), "no application protocol"},
		{"another protocol only", "Http1", trusting, "", with(func(cfg *tls.Config) { cfg.NextProtos = []string{"other"} }), "no application protocol"},
		{"TLS 1.1 only", "Http1", trusting, "", with(func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }),
			"protocol version"},
		{"TLS 1.2 where 1.3 is wanted", "Http1", trusting + `,"min_version":"TLSv1_3"`, "",
			with(func(cfg *tls.Config) { cfg.MaxVersion = tls.VersionTLS12 }), "protocol version"},
		{"another suite", "Http1", trusting + `,"max_version":"TLSv1_2","cipher_suites":"ECDHE-ECDSA-AES128-GCM-SHA256"`, "",
			with(func(cfg *tls.Config) { cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} }), "handshake failure"},
		{"a certificate is wanted, TLS 1.2", "Http1", trusting + `,"max_version":"TLSv1_2"`, "",
			with(func(cfg *tls.Config) { cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool }), "handshake failure"},
		// With TLS 1.3 that is told when our side of the handshake is done.
		{"a certificate is wanted, TLS 1.3", "Http1", trusting, "",
			with(func(cfg *tls.Config) { cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool }), "upstream_reset: upstream TLS: alert: remote error: tls: certificate required"},
		{"nobody's, and nobody asks", "Http1", `"insecure_skip":true,"server_name":"b.test"`, "", stranger.serverFor("a.test", time.Now().Add(-time.Minute)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			addr := w.exactServer(tt.server)
			doc := sketch{hosts: []string{addr}, cluster: fmt.Sprintf(`"protocol":%q,"tls_context":{"status":true,%s}`, tt.protocol, tt.context)}.String()
			doc = strings.Replace(doc, fmt.Sprintf(`{"address":%q`, addr), fmt.Sprintf(`{"address":%q`, addr)+tt.host, 1)
			got := fetch(t, w.client(), "http://"+w.start(doc).addr("l")+"/")
			if tt.want == "" && got != "HTTP/1.1 200 in" || tt.want != "" && !(strings.HasPrefix(got, "HTTP/1.1 502 ") && strings.Contains(got, tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTLSUpstreamIdentities: each cluster presents its own certificate and asks for its own name.
func TestTLSUpstreamIdentities(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	addr := w.tlsServer(&tls.Config{Certificates: []tls.Certificate{ca.certificate("one.test", "two.test", "three.test")}, ClientCAs: ca.pool,
		ClientAuth: tls.VerifyClientCertIfGiven}, false)
	cluster := func(name, more string) string {
		return fmt.Sprintf(`"tls_context":{"status":true,"ca_cert":%q,"server_name":"%s.test"%s}`, ca.PEM, name, more)
	}
	pair := func(name string) string {
		chain, key := ca.pair(name)
		return fmt.Sprintf(`,"cert_chain":%q,"private_key":%q`, chain, key)
	}
	doc := sketch{hosts: []string{addr}, cluster: cluster("three", ""),
		rules: `{"match":{"prefix":"/one"},"route":{"cluster_name":"one"}},{"match":{"prefix":"/two"},"route":{"cluster_name":"two"}},`}.String()
	more := ""
	for _, name := range []string{"one", "two"} {
		more += fmt.Sprintf(`{"name":%q,"hosts":[{"address":%q}],%s},`, name, addr, cluster(name, pair("client-"+name)))
	}
	at := w.start(strings.Replace(doc, `"clusters":[`, `"clusters":[`+more, 1)).addr("l")
	c := w.client()
	for range 3 {
		for path, want := range map[string]string{"one": "client-one", "two": "client-two", "three": ""} {
			if got := fetch(t, c, "http://"+at+"/"+path); got != fmt.Sprintf("HTTP/1.1 200 HTTP/1.1 sni=%s.test resumed=false peer=%s", path, want) {
				t.Errorf("/%s: %q", path, got)
			}
		}
	}
}

// TestTLSUpstreamSessions: every endpoint's session is remembered beside those of the others, whose tickets it would not
// know, and for all loops.
func TestTLSUpstreamSessions(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, protocol := range []string{"Http1", "Http2"} {
			t.Run(tls.VersionName(version)+"/"+protocol, func(t *testing.T) {
				w, ca := newWorld(t), newAuthority(t)
				const n = 3
				var hosts []string
				for i := range n {
					s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						_, _ = fmt.Fprintf(rw, "%d %t", i, r.TLS.DidResume) // the client tells
					}))
					s.Config.ErrorLog = log.New(io.Discard, "", 0)
					s.Config.IdleTimeout = time.Millisecond // so that the next request finds no connection
					s.TLS, s.EnableHTTP2 = ca.serverFor("a.test", time.Now().Add(time.Hour)), true
					s.TLS.MaxVersion = version
					s.StartTLS()
					w.t.Cleanup(s.Close)
					hosts = append(hosts, s.Listener.Addr().String())
				}
				g := w.start(sketch{loops: 2, hosts: hosts, document: adminOnAnyPort, cluster: fmt.Sprintf(
					`"protocol":%q,"tls_context":{"status":true,"ca_cert":%q,"server_name":"a.test"}`, protocol, ca.PEM)}.String())
				c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: hang} // either loop may get the next
				seen := map[string]int{}
				resumed := `sluice_tls_handshakes_resumed_total{side="up"}`
				all := `sluice_tls_handshakes_total{side="up"}`
				count := func() (int, int) {
					m := g.metrics()
					return m[resumed], m[all]
				}
				w.until("every endpoint's session is resumed several times", func() bool {
					got := fetch(t, c, "http://"+g.addr("l")+"/")
					seen[got]++
					for i := range n {
						if seen[fmt.Sprintf("HTTP/1.1 200 %d true", i)] < 5 {
							return false
						}
					}
					return true
				})
				// Both loops may have begun before either had a session.
				if r, a := count(); a-r > 2*n {
					t.Errorf("%d of %d handshakes were full, with %d endpoints and 2 loops", a-r, a, n)
				}
			})
		}
	}
}
