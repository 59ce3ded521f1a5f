package gateway_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestWebSocketOverHTTP2: a WebSocket by clients and servers of Node.js, over extended CONNECT (RFC 8441) on either side
// and converted to and from an HTTP/1 upgrade.
func TestWebSocketOverHTTP2(t *testing.T) {
	nodeTool(t)
	for _, down := range []string{"Http1", "Http2"} {
		for _, up := range []string{"Http1", "Http2"} {
			t.Run(down+" to "+up, func(t *testing.T) {
				w := newWorld(t)
				var upstream string
				if up == "Http1" {
					upstream = w.server(func(_ int, p *peer) { wsServer(p) })
				} else {
					upstream = w.beside("websocket.mjs", exec.Command(nodeTool(t), filepath.Join("testdata", "node", "websocket.mjs"), "serve")).
						says(`listening (\S+)`)
				}
				g := w.start(sketch{speaks: down, hosts: []string{upstream}, cluster: fmt.Sprintf(`"protocol":%q`, up),
					document: `"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}`}.String())
				node(t, "", "websocket.mjs", strings.ToLower(strings.TrimSuffix(down, "1")), "http://"+g.addr("l"))
				settle(w, g)
				if n := scrape(t, w.client(), "http://"+g.AdminAddr()+"/metrics")[`sluice_downstream_tunnels_total{listener="l"}`]; n != 1 {
					t.Errorf("%d tunnels, want 1", n)
				}
			})
		}
	}
}

// TestAuto serves both protocols on one port, at once.
func TestAuto(t *testing.T) {
	tool(t, "curl")
	for _, speaks := range []string{"Auto", "Http1,Http2"} {
		t.Run(speaks, func(t *testing.T) {
			w := newWorld(t)
			upstream := w.h2Server(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprintf(rw, "%s %s", r.Proto, r.URL) })
			g := w.start(sketch{speaks: speaks, hosts: []string{upstream},
				document: `"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}`}.String())
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
			m := scrape(t, w.client(), "http://"+g.AdminAddr()+"/metrics")
			if h1, h2 := m[`sluice_downstream_connections_detected_total{listener="l",protocol="Http1"}`],
				m[`sluice_downstream_connections_detected_total{listener="l",protocol="Http2"}`]; h1 != 21 || h2 != 10 {
				t.Errorf("%d connections of HTTP/1 and %d of HTTP/2 were detected, want 21 and 10", h1, h2)
			}
		})
	}
}
