package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestWebSocketOverHTTP2: a WebSocket by clients and servers of Node.js, over extended CONNECT (RFC 8441) on either side
// and converted to and from an HTTP/1 upgrade.
func TestWebSocketOverHTTP2(t *testing.T) {
	t.Parallel()
	nodeTool(t)
	for _, down := range []string{"Http1", "Http2"} {
		for _, up := range []string{"Http1", "Http2"} {
			t.Run(down+" to "+up, func(t *testing.T) { nodeWebSocket(t, down, up, false, false) })
		}
	}
}

// nodeWebSocket has a client of Node.js talk to a server through a gateway, with TLS on its sides or without.
func nodeWebSocket(t *testing.T, down, up string, downTLS, upTLS bool) {
	w := newWorld(t)
	ca := newAuthority(t)
	s := sketch{speaks: down, cluster: fmt.Sprintf(`"protocol":%q`, up),
		document: adminOnAnyPort}
	serve := []string{"serve"}
	var server *tls.Config
	if upTLS {
		server = &tls.Config{Certificates: []tls.Certificate{ca.certificate("up.test")}}
		s.cluster += fmt.Sprintf(`,"tls_context":{"status":true,"ca_cert":%q,"server_name":"up.test"}`, ca.PEM)
		chain, key := ca.pair("up.test")
		serve = append(serve, chain, key)
	}
	if up == "Http1" {
		s.hosts = []string{w.server(func(_ int, p *peer) {
			wsServer(p.secure(tls.Server, server))
			p.shut()
		})}
	} else {
		s.hosts = []string{w.beside("websocket.mjs", nodeScript(t, "", "websocket.mjs", serve...)).says(`listening (\S+)`)}
	}
	scheme, caFile := "http", ""
	if downTLS {
		scheme, caFile = "https", w.tempFile("ca.pem")
		w.write(caFile, []byte(ca.PEM))
		s.chain = `"tls_context":` + ca.context("", "down.test")
	}
	g := w.start(s.String())
	node(t, caFile, "websocket.mjs", strings.ToLower(strings.TrimSuffix(down, "1")), scheme+"://"+g.addr("l"))
	settle(w, g)
	if n := g.metrics()[`sluice_downstream_tunnels_total{listener="l"}`]; n != 1 {
		t.Errorf("%d tunnels, want 1", n)
	}
}

// TestAuto serves both protocols on one port, at once.
func TestAuto(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	for _, speaks := range []string{"Auto", "Http1,Http2"} {
		t.Run(speaks, func(t *testing.T) {
			w := newWorld(t)
			upstream := w.h2Server(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprintf(rw, "%s %s", r.Proto, r.URL) })
			g := w.start(sketch{speaks: speaks, hosts: []string{upstream},
				document: adminOnAnyPort}.String())
			url := "http://" + g.addr("l")
			var all sync.WaitGroup
			for i := range 10 {
				for flag, want := range map[string]string{"--http2-prior-knowledge": "HTTP/2.0", "--http1.1": "HTTP/1.1", "--http1.0": "HTTP/1.1"} {
					all.Go(func() {
						path := fmt.Sprint("/", i)
						out, err := exec.Command(tool(t, "curl"), "-sS", "--noproxy", "*", "--max-time", "60", flag, url+path).CombinedOutput()
						// Without a word on it, the upstream is spoken to as the client spoke.
						if err != nil || string(out) != want+" "+path {
							t.Errorf("curl %s: %q (%v), want %s", flag, out, err, want)
						}
					})
				}
			}
			all.Wait()
			// An upgrade to h2c is not followed: the answer is of HTTP/1.
			if out := curl(t, "-i", "--http2", url+"/up"); !regexp.MustCompile(`(?s)^HTTP/1.1 200 OK\r\n.*HTTP/1.1 /up$`).MatchString(out) {
				t.Errorf("h2c by upgrade: %q", out)
			}
			c := w.dial(g.addr("l"))
			c.send("\x16\x03\x01 neither of them, and long enough to be sure\r\n")
			c.wantGone()
			m := g.metrics()
			if h1, h2 := m[`sluice_downstream_connections_detected_total{listener="l",protocol="Http1"}`],
				m[`sluice_downstream_connections_detected_total{listener="l",protocol="Http2"}`]; h1 != 21 || h2 != 10 {
				t.Errorf("%d connections of HTTP/1 and %d of HTTP/2 were detected, want 21 and 10", h1, h2)
			}
		})
	}
}
