package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A longer run: go test -run TestTLSRotation -v ./gateway -rotation 1m
var rotation = flag.Duration("rotation", time.Second, "how long TestTLSRotation replaces certificates under load")

// rotationEvery is how often all files are replaced.
const rotationEvery = 200 * time.Millisecond

// A rotationClient is one kind of load.
type rotationClient struct {
	name    string
	cfg     *tls.Config
	h2      bool
	fresh   bool // a connection for every request
	resumes bool

	requests, handshakes, resumed atomic.Int64
	failure                       atomic.Pointer[error]
	mu                            sync.Mutex
	serials                       map[string]bool // of the certificates that it was shown
}

// verify is told of every handshake.
func (c *rotationClient) verify(state tls.ConnectionState) error {
	c.handshakes.Add(1)
	if state.DidResume {
		c.resumed.Add(1)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serials[serial(state.PeerCertificates[0].SerialNumber)] = true
	return nil
}

func serial(n *big.Int) string { return n.Text(62) }

// seen is how many certificates the client was shown.
func (c *rotationClient) seen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.serials)
}

// run asks until it is told to stop, or something fails.
func (c *rotationClient) run(w *world, addr string, stop <-chan struct{}) {
	client := w.tlsClient(c.cfg, c.h2)
	defer func() { client.CloseIdleConnections() }()
	if !c.h2 && !c.fresh {
		client.Transport = &oneConnection{addr: addr, cfg: c.cfg}
	}
	for {
		select {
		case <-stop:
			return
		default:
		}
		if err := c.ask(client, "https://"+addr); err != nil {
			c.failure.Store(&err)
			return
		}
		c.requests.Add(1)
		if c.fresh {
			client.CloseIdleConnections()
		}
	}
}

// oneConnection sends every request on its only connection, whose end is an error. (net/http's Transport closes one whose write
// it hears of more than 50 ms behind the answer, as happens on a busy machine, and makes another without a word.)
type oneConnection struct {
	addr string
	cfg  *tls.Config
	conn *tls.Conn
	r    *bufio.Reader
}

// RoundTrip implements http.RoundTripper, for one request at a time whose answer is read to its end.
func (o *oneConnection) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.conn == nil {
		var err error
		if o.conn, err = tls.Dial("tcp", o.addr, o.cfg); err != nil {
			return nil, err
		}
		o.r = bufio.NewReader(o.conn)
	}
	_ = o.conn.SetDeadline(time.Now().Add(hang))
	if err := r.Write(o.conn); err != nil {
		return nil, err
	}
	a, err := http.ReadResponse(o.r, r)
	if err == nil && a.Close {
		err = errors.New("Connection: close")
	}
	return a, err
}

// CloseIdleConnections is for http.Client.
func (o *oneConnection) CloseIdleConnections() {
	if o.conn != nil {
		_ = o.conn.Close()
	}
}

func (c *rotationClient) ask(client *http.Client, url string) error {
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && (r.StatusCode != 200 || !strings.HasPrefix(string(b), "HTTP/1.1 sni=") || !strings.HasSuffix(string(b), "peer=gateway.test")) {
		err = fmt.Errorf("%s %q", r.Status, b)
	}
	return err
}

// TestTLSRotation replaces every file of both sides again and again, under load: no request fails, kept connections stay,
// new ones see new certificates, and sessions are resumed.
func TestTLSRotation(t *testing.T) {
	w, servers, clients, backends := newWorld(t), newAuthority(t), newAuthority(t), newAuthority(t)
	upstream := w.tlsServer(&tls.Config{Certificates: []tls.Certificate{backends.certificate("b.test")}, ClientCAs: backends.pool,
		ClientAuth: tls.RequireAndVerifyClientCert}, false)
	made := 0
	files := func() map[string]string {
		chain, key := servers.pair("a.test")
		own, ownKey := backends.pair("gateway.test")
		made++
		cas := clients.PEM // every second time, so that tickets outlive a rotation
		if made%4 >= 2 {
			cas += servers.PEM
		}
		return map[string]string{"tls.crt": chain, "tls.key": key, "clients.crt": cas,
			"own.crt": own, "own.key": ownKey, "backends.crt": backends.PEM + newAuthority(t).PEM}
	}
	m := w.mount(files())
	g := w.startWith(sketch{loops: 2, speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"Http1"`, document: adminOnAnyPort,
		chain: fmt.Sprintf(`"tls_context":{"status":true,"cert_chain":%q,"private_key":%q,"verify_client":true,"require_client_cert":true,"ca_cert":%q}`,
			m.path("tls.crt"), m.path("tls.key"), m.path("clients.crt")),
		cluster: fmt.Sprintf(`"max_connection_age":"100ms","tls_context":{"status":true,"cert_chain":%q,"private_key":%q,"ca_cert":%q}`,
			m.path("own.crt"), m.path("own.key"), m.path("backends.crt"))}.String(), 20*time.Millisecond)
	var kinds []*rotationClient
	for _, h2 := range []bool{false, true} {
		for _, fresh := range []bool{false, true} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				for _, resumes := range []bool{false, true} {
					if resumes && !fresh {
						continue
					}
					c := &rotationClient{h2: h2, fresh: fresh, resumes: resumes, serials: map[string]bool{}}
					c.name = fmt.Sprintf("%s HTTP/%s %s", tls.VersionName(version), map[bool]string{false: "1.1", true: "2"}[h2],
						map[bool]string{false: "kept", true: "new"}[fresh])
					c.cfg = &tls.Config{RootCAs: servers.pool, MaxVersion: version, VerifyConnection: c.verify,
						Certificates: []tls.Certificate{clients.certificate("me.test")}}
					if resumes {
						c.name += ", resumed"
						c.cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
					}
					kinds = append(kinds, c)
				}
			}
		}
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for _, c := range kinds {
		running.Go(func() { c.run(w, g.addr("l"), stop) })
	}
	satisfied := func() bool {
		for _, c := range kinds {
			if c.failure.Load() != nil {
				return true
			}
			if c.requests.Load() < 10 || c.fresh && c.seen() < 3 || c.resumes && c.resumed.Load() == 0 {
				return false
			}
		}
		return true
	}
	ticker := time.NewTicker(rotationEvery)
	defer ticker.Stop()
	begun := time.Now()
	for time.Since(begun) < *rotation || !satisfied() {
		if time.Since(begun) > *rotation+hang {
			t.Error("a client makes no progress")
			break
		}
		<-ticker.C
		m.swap(files())
	}
	close(stop)
	running.Wait()
	total := rotationReport(t, kinds)
	t.Logf("%d rotations in %s: %s", made-1, time.Since(begun).Round(time.Second), total)
	for _, line := range strings.Split(g.metricsPage(), "\n") {
		if strings.HasPrefix(line, "sluice_tls_handshake") && !strings.HasSuffix(line, " 0") || strings.HasPrefix(line, "sluice_tls_certificate_refused") {
			t.Log(line)
		}
	}
}

func rotationReport(t *testing.T, kinds []*rotationClient) string {
	t.Helper()
	var requests, handshakes, resumed, failed int64
	all := map[string]bool{}
	for _, c := range kinds {
		if err := c.failure.Load(); err != nil {
			failed++
			t.Errorf("%s: after %d requests: %v", c.name, c.requests.Load(), *err)
		}
		if !c.fresh && c.handshakes.Load() != 1 {
			t.Errorf("%s: %d handshakes, want one: its connection was ended", c.name, c.handshakes.Load())
		}
		t.Logf("%-32s %7d requests %6d handshakes %6d resumed %4d certificates", c.name, c.requests.Load(), c.handshakes.Load(), c.resumed.Load(), c.seen())
		requests += c.requests.Load()
		handshakes += c.handshakes.Load()
		resumed += c.resumed.Load()
		maps.Copy(all, c.serials)
	}
	return fmt.Sprintf("%d requests, %d failed, %d handshakes, %d resumed, %d certificates seen", requests, failed, handshakes, resumed, len(all))
}
