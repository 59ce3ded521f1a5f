package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/protocols/bolt"
)

// TestTLSBolt: a listener with TLS for HTTP and Bolt tells them apart by ALPN, or by the first bytes of a client that knows
// none; Bolt servers have TLS, too, and see the name of Bolt where the cluster offers it.
func TestTLSBolt(t *testing.T) {
	t.Parallel()
	for _, offers := range []string{"", "sofa"} {
		t.Run("the cluster offers "+offers, func(t *testing.T) {
			w, ca := newWorld(t), newAuthority(t)
			web := w.handler(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprintf(rw, "web %s", r.URL.Path) })
			server := &tls.Config{Certificates: []tls.Certificate{ca.certificate("rpc.test")}, NextProtos: []string{"sofa"}}
			server.VerifyConnection = func(s tls.ConnectionState) error {
				if s.NegotiatedProtocol != offers {
					t.Errorf("the gateway has agreed on %q, want %q", s.NegotiatedProtocol, offers)
				}
				return nil
			}
			alpn := ""
			if offers != "" {
				alpn = fmt.Sprintf(`,"alpn":%q`, offers)
			}
			doc := sketch{
				speaks: "Http1,Http2,bolt", loops: 2, hosts: []string{web}, route: `"upstream_protocol":"Http1"`,
				chain: `"tls_context":` + ca.context(`,"alpn":"h2,http/1.1,sofa"`, "a.test"),
				rules: `{"match":{"headers":[{"name":"service","value":".*"}]},"route":{"cluster_name":"rpc","upstream_protocol":"bolt"}},`,
			}.String()
			doc = strings.Replace(doc, `"clusters":[`, fmt.Sprintf(
				`"clusters":[{"name":"rpc","hosts":[{"address":%q}],"tls_context":{"status":true,"ca_cert":%q,"server_name":"rpc.test"%s}},`,
				w.boltServerTLS("rpc", server), ca.PEM, alpn), 1)
			addr := w.start(doc).addr("l")
			dial := func(names ...string) *tls.Conn {
				t.Helper()
				c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: ca.pool, ServerName: "a.test", NextProtos: names})
				if err != nil {
					t.Fatal(err)
				}
				w.t.Cleanup(func() { c.Close() })
				return c
			}
			for _, names := range [][]string{{"sofa"}, {"unknown", "sofa"}, nil} {
				conn := dial(names...)
				want := ""
				if names != nil {
					want = "sofa"
				}
				if got := conn.ConnectionState().NegotiatedProtocol; got != want {
					t.Errorf("%q has come to %q, want %q", names, got, want)
				}
				c := newCodecConn(conn, bolt.Protocol().Client)
				for i := range 10 {
					body := fmt.Sprint(i, strings.Repeat("x", i*9000))
					c.wantCall(t, "shop", body, "rpc: "+body+" of shop")
				}
			}
			for _, h2 := range []bool{false, true} {
				want := map[bool]string{false: "HTTP/1.1 200 web /", true: "HTTP/2.0 200 web /"}[h2]
				if got := fetch(t, w.tlsClient(&tls.Config{RootCAs: ca.pool}, h2), "https://"+addr+"/"); got != want {
					t.Errorf("%q on the same port, want %q", got, want)
				}
			}
			// What was agreed on is spoken, whatever the first bytes look like.
			if body, err := exchange(dial("sofa"), false, "a.test", "/"); err == nil {
				t.Errorf("a client of HTTP/1 that had agreed on Bolt was answered %q", body)
			}
		})
	}
}
