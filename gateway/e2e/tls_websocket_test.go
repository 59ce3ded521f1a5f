package e2e

import (
	"crypto/tls"
	"fmt"
	"testing"
)

// sides are the places where TLS may be.
var sides = []struct {
	name     string
	down, up bool
}{{"TLS from clients", true, false}, {"TLS to servers", false, true}, {"TLS on both sides", true, true}}

// TestTLSWebSocket is a WebSocket of HTTP/1 with TLS on either side and on both: with messages of all sizes, and ended by
// the client and by the server, each of which sees how the other has ended.
func TestTLSWebSocket(t *testing.T) {
	t.Parallel()
	for _, side := range sides {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, tt := range []struct {
				name           string
				server, client func(*peer)
			}{{"the client ends first", wsEcho, wsTalk}, {"the server ends first", wsSpeak, wsListen}} {
				t.Run(fmt.Sprintf("%s/%s/%s", side.name, tls.VersionName(version), tt.name), func(t *testing.T) {
					w, ca := newWorld(t), newAuthority(t)
					var client, server *tls.Config
					s := sketch{}
					if side.down {
						client = &tls.Config{RootCAs: ca.pool, ServerName: "a", MaxVersion: version}
						s.chain = `"tls_context":` + ca.context("", "a")
					}
					if side.up {
						server = &tls.Config{Certificates: []tls.Certificate{ca.certificate("up.test")}, MaxVersion: version}
						s.cluster = fmt.Sprintf(`"tls_context":{"status":true,"ca_cert":%q,"server_name":"up.test"}`, ca.PEM)
					}
					done := make(chan struct{})
					s.hosts = []string{w.server(func(_ int, p *peer) {
						defer close(done)
						tt.server(p.secure(tls.Server, server))
					})}
					tt.client(w.dial(w.proxy(s)).secure(tls.Client, client))
					<-done
				})
			}
		}
	}
}

// TestTLSWebSocketOverHTTP2 is TestWebSocketOverHTTP2 with TLS on both sides, and on either where it meets the other protocol:
// what is below one side's codec knows nothing of the other side.
func TestTLSWebSocketOverHTTP2(t *testing.T) {
	t.Parallel()
	nodeTool(t)
	for _, side := range sides {
		for _, down := range []string{"Http1", "Http2"} {
			for _, up := range []string{"Http1", "Http2"} {
				if side.down != side.up && down == up {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s to %s", side.name, down, up), func(t *testing.T) { nodeWebSocket(t, down, up, side.down, side.up) })
			}
		}
	}
}
