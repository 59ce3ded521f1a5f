package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A mounted directory holds files as Kubernetes mounts them: links into a generation, which are all swapped at once.
type mounted struct {
	w    *world
	dir  string
	made int
}

func (w *world) mount(files map[string]string) *mounted {
	m := &mounted{w: w, dir: w.t.TempDir()}
	m.swap(files)
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), m.path(name)); err != nil {
			w.t.Fatal(err)
		}
	}
	return m
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

// swap makes a new generation, and removes the one before the last.
func (m *mounted) swap(files map[string]string) {
	m.w.t.Helper()
	m.made++
	name := fmt.Sprintf("..generation_%d", m.made)
	if err := os.Mkdir(m.path(name), 0o700); err != nil {
		m.w.t.Fatal(err)
	}
	for file, text := range files {
		m.w.write(filepath.Join(m.path(name), file), []byte(text))
	}
	if err := os.Symlink(name, m.path("..data_tmp")); err != nil {
		m.w.t.Fatal(err)
	}
	if err := os.Rename(m.path("..data_tmp"), m.path("..data")); err != nil {
		m.w.t.Fatal(err)
	}
	if err := os.RemoveAll(m.path(fmt.Sprintf("..generation_%d", m.made-2))); err != nil {
		m.w.t.Fatal(err)
	}
}

// TestTLSClientCAsReplaced: who may come in follows the file, tickets or not; who is in stays.
func TestTLSClientCAsReplaced(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			w, server, first, second := newWorld(t), newAuthority(t), newAuthority(t), newAuthority(t)
			upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in") })
			m := w.mount(map[string]string{"ca.crt": first.PEM})
			g := w.startWatching(sketch{loops: 2, hosts: []string{upstream}, document: adminOnAnyPort, chain: `"tls_context":` +
				server.context(fmt.Sprintf(`,"verify_client":true,"require_client_cert":true,"ca_cert":%q`, m.path("ca.crt")), "a.test")}.String())
			client := func(of *authority) *http.Client {
				return w.tlsClient(&tls.Config{RootCAs: server.pool, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(8),
					Certificates: []tls.Certificate{of.certificate("me.test")}}, false)
			}
			// try makes a new connection.
			try := func(c *http.Client) (in, resumed bool) {
				c.CloseIdleConnections()
				r, err := c.Get("https://" + g.addr("l"))
				if err != nil {
					return false, false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				return true, r.TLS.DidResume
			}
			one, two, stays := client(first), client(second), client(first)
			want := func(what string, oneIn, oneResumed, twoIn bool) {
				t.Helper()
				if in, resumed := try(one); in != oneIn || resumed != oneResumed {
					t.Errorf("%s: the first is in %t, resumed %t", what, in, resumed)
				}
				if in, _ := try(two); in != twoIn {
					t.Errorf("%s: the second is in %t", what, in)
				}
				r, err := stays.Get("https://" + g.addr("l"))
				if err != nil {
					t.Fatalf("%s: who is in: %v", what, err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			want("at first", true, false, false)
			want("again", true, true, false)
			m.swap(map[string]string{"ca.crt": second.PEM})
			w.until("the second authority is in use", func() bool { in, _ := try(two); return in })
			want("the second authority", false, false, true)
			m.swap(map[string]string{"ca.crt": second.PEM[:len(second.PEM)/2]})
			w.until("half a file is refused", func() bool { return strings.Count(g.logs.String(), "CA certificates are refused") == 1 })
			want("half a file", false, false, true)
			m.swap(map[string]string{"ca.crt": first.PEM + second.PEM})
			w.until("both authorities are in use", func() bool { in, _ := try(one); return in })
			want("both", true, true, true)
			metrics := g.metricsPage()
			for _, line := range []string{
				fmt.Sprintf(`sluice_tls_certificate_refused_total{certificate=%q,owner="listener l"} 1`, m.path("ca.crt")),
				fmt.Sprintf(`sluice_tls_certificate_expiry_days{certificate=%q,owner="listener l"} 0.9`, m.path("ca.crt")),
			} {
				if !strings.Contains(metrics, line) {
					t.Errorf("the metrics have no %s", line)
				}
			}
		})
	}
}

// startWatching is start of a gateway that looks at its files often.
func (w *world) startWatching(doc string) *running { return w.startWith(doc, 5*time.Millisecond) }

// TestTLSUpstreamFilesReplaced: whom a cluster trusts, and what it presents, follow the files; connections that were made stay.
func TestTLSUpstreamFilesReplaced(t *testing.T) {
	t.Parallel()
	w, first, second := newWorld(t), newAuthority(t), newAuthority(t)
	hold, goOn := make(chan struct{}), make(chan struct{})
	cfg := &tls.Config{Certificates: []tls.Certificate{first.certificate("a.test")}, ClientAuth: tls.RequestClientCert}
	serve := func(c *tlsPeer) {
		for {
			if _, err := c.r.Peek(1); err != nil {
				return
			}
			if strings.HasPrefix(c.head(), "GET /hold ") {
				hold <- struct{}{}
				<-goOn
			}
			state := c.ConnectionState()
			body := fmt.Sprintf("%s resumed=%t", state.PeerCertificates[0].DNSNames[0], state.DidResume)
			c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}
	}
	upstream := w.server(func(_ int, p *peer) {
		if raw := tls.Server(p.TCPConn, cfg); raw.Handshake() == nil {
			serve(&tlsPeer{Conn: raw, p: p, r: bufio.NewReader(raw)})
		}
	})
	files := func(ca *authority, name string) map[string]string {
		chain, key := first.pair(name)
		return map[string]string{"ca.crt": ca.PEM, "tls.crt": chain, "tls.key": key}
	}
	m := w.mount(files(first, "one.test"))
	g := w.startWatching(sketch{hosts: []string{upstream}, cluster: fmt.Sprintf(
		`"idle_timeout":"1ms","tls_context":{"status":true,"ca_cert":%q,"cert_chain":%q,"private_key":%q}`,
		m.path("ca.crt"), m.path("tls.crt"), m.path("tls.key"))}.String())
	ask := func(path string) string { return fetch(t, w.client(), "http://"+g.addr("l")+path) }
	const in, out = "HTTP/1.1 200 ", "HTTP/1.1 502 connect_failed: upstream TLS handshake: unknown authority"
	if got := ask("/"); got != in+"one.test resumed=false" {
		t.Fatal(got)
	}
	w.until("a resumed session", func() bool { return ask("/") == in+"one.test resumed=true" })
	held := make(chan string)
	go func() { held <- ask("/hold") }()
	<-hold
	m.swap(files(second, "two.test"))
	w.until("the new authority is in use", func() bool { return strings.HasPrefix(ask("/"), out) })
	close(goOn)
	if got := <-held; got != in+"one.test resumed=true" {
		t.Errorf("on the connection that was there: %q", got)
	}
	m.swap(files(first, "three.test"))
	w.until("the old authority and a new certificate are in use", func() bool { return strings.HasPrefix(ask("/"), in+"three.test") })
	w.until("a resumed session", func() bool { return ask("/") == in+"three.test resumed=true" })
	m.swap(files(first, "four.test"))
	w.until("only the certificate is new, and no old session shows another", func() bool { return strings.HasPrefix(ask("/"), in+"four.test") })
}
