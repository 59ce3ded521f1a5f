package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// crossroads is a listener with chains, each of which is the JSON of one, and clusters c1, c2 ... of one host each.
func crossroads(log string, chains []string, hosts ...string) string {
	var clusters []string
	for i, h := range hosts {
		clusters = append(clusters, fmt.Sprintf(`{"name":"c%d","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[{"address":%q}]}`, i+1, h))
	}
	return fmt.Sprintf(`{"servers":[{"default_log_path":"stdout","processor":2,
"routers":[{"router_config_name":"r","virtual_hosts":[{"name":"everybody","domains":["*"],"routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"c1"}}]}]}],
"listeners":[{"name":"l","address":"127.0.0.1:0","bind_port":true,"access_logs":[{"log_path":%q,
  "log_format":"%%requested_server_name%% %%upstream_cluster%% %%protocol%%"}],"filter_chains":[%s]}]}],
"cluster_manager":{"clusters":[%s]},"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}}`,
		log, strings.Join(chains, ","), strings.Join(clusters, ","))
}

// TestPassthrough: on one port, two names are passed on to servers that end TLS themselves, one is ended here, and the rest
// is not let in; plaintext is.
func TestPassthrough(t *testing.T) {
	t.Parallel()
	w, ca, secret := newWorld(t), newAuthority(t), newAuthority(t)
	plain := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, r.Header.Get("X-Forwarded-Proto"))
	})
	// The servers' certificates are of an authority that the gateway has no key of, and their clients have certificates.
	cfg := &tls.Config{Certificates: []tls.Certificate{secret.certificate("a.test", "x.b.test")}, ClientCAs: secret.pool,
		ClientAuth: tls.VerifyClientCertIfGiven}
	one, two := w.tlsServer(cfg, true), w.tlsServer(cfg.Clone(), false)
	proxy := `"filters":[{"type":"proxy","config":{"downstream_protocol":"Http1,Http2","upstream_protocol":"Http1","router_config_name":"r"}}]`
	log := w.tempFile("log")
	g := w.start(crossroads(log, []string{
		`{"filter_chain_match":{"server_names":["A.test"]},"filters":[{"type":"tcp_proxy","config":{"cluster":"c2"}}]}`,
		`{"filter_chain_match":{"server_names":["*.b.test"],"transport_protocol":"tls"},"filters":[{"type":"tcp_proxy","config":{"cluster":"c3"}}]}`,
		`{"name":"ended here","filter_chain_match":{"server_names":["c.test"]},"tls_context":` + ca.context("", "c.test") + "," + proxy + `}`,
		`{"filter_chain_match":{"transport_protocol":"raw_buffer"},` + proxy + `}`,
	}, plain, one, two))
	addr := g.addr("l")
	me := secret.certificate("me.test")
	for _, tt := range []struct {
		name, want string
		cfg        *tls.Config
		h2         bool
	}{
		{"a.test", "HTTP/1.1 200 HTTP/1.1 sni=a.test resumed=false peer=", &tls.Config{RootCAs: secret.pool}, false},
		{"a.test", "HTTP/2.0 200 HTTP/2.0 sni=a.test resumed=false peer=me.test",
			&tls.Config{RootCAs: secret.pool, Certificates: []tls.Certificate{me}}, true},
		{"a.test", "HTTP/1.1 200 HTTP/1.1 sni=a.test resumed=false peer=", &tls.Config{RootCAs: secret.pool, MaxVersion: tls.VersionTLS12}, false},
		{"x.b.test", "HTTP/1.1 200 HTTP/1.1 sni=x.b.test resumed=false peer=", &tls.Config{RootCAs: secret.pool}, false},
		{"c.test", "HTTP/2.0 200 https", &tls.Config{RootCAs: ca.pool}, true},
		{"c.test", "HTTP/1.1 200 https", &tls.Config{RootCAs: ca.pool}, false},
	} {
		tt.cfg.ServerName = tt.name
		if got := fetch(t, w.tlsClient(tt.cfg, tt.h2), "https://"+addr); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := fetch(t, w.client(), "http://"+addr); got != "HTTP/1.1 200 http" {
		t.Errorf("plaintext: got %q", got)
	}
	for _, name := range []string{"b.test", "", "d.test"} {
		if c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true}); err == nil {
			c.Close()
			t.Errorf("%q is let in", name)
		}
	}
	m := g.metrics()
	for outcome, want := range map[string]int{"matched": 6, "plain": 1, "no_chain": 3, "default": 0, "timeout": 0} {
		if n := m[`sluice_downstream_connections_inspected_total{listener="l",outcome="`+outcome+`"}`]; n != want {
			t.Errorf("%s: %v connections, want %v", outcome, n, want)
		}
	}
	if n := m[`sluice_tls_handshakes_total{side="down"}`]; n != 2 {
		t.Errorf("%v handshakes here, want 2", n)
	}
	if _, ok := m[`sluice_tls_certificate_expiry_days{certificate="(inline)",owner="listener l, ended here"}`]; !ok {
		t.Error("the certificate has no metric")
	}
	g.Stop() // ends the tunnels
	lines := w.lines(log, 7)
	for _, want := range []string{"a.test c2 tcp", "x.b.test c3 tcp", "c.test c1 Http2", "c.test c1 Http1", "- c1 Http1"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the log has no line %q: %q", want, lines)
		}
	}
}

// TestPassthroughEnds: the ends of both directions pass, as do those of TLS in them.
func TestPassthroughEnds(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.certificate("a.test")}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		b, err := io.ReadAll(c) // io.EOF comes of close_notify only
		if err == nil {
			_, err = fmt.Fprintf(c, "%d bytes", len(b))
		}
		served <- errors.Join(err, c.Close())
	}()
	g := w.start(crossroads("/dev/null", []string{
		`{"filter_chain_match":{"server_names":["a.test"]},"filters":[{"type":"tcp_proxy","config":{"cluster":"c2"}}]}`,
	}, "127.0.0.1:1", l.Addr().String()))
	raw := w.dial(g.addr("l"))
	c := tls.Client(raw.TCPConn, &tls.Config{RootCAs: ca.pool, ServerName: "a.test"})
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := raw.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || string(b) != "1048576 bytes" {
		t.Errorf("got %q, %v", b, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	// Half a ClientHello, and no more to come.
	half := w.dial(g.addr("l"))
	half.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	half.shut()
	half.wantGone()
}
