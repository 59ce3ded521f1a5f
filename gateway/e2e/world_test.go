package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/gateway"
	"sluice/gateway/config/mosn"
)

// hang is how long anything may take before a test gives up. It is no requirement on speed: nothing that works comes
// near it, however loaded the machine.
const hang = 60 * time.Second

// A world is a test's gateways, servers and clients. Everything that it makes is ended with the test, last first, and
// then no goroutine may be left.
type world struct{ t *testing.T }

func newWorld(t *testing.T) *world {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if t.Failed() {
			return // what failed may have left anything
		}
		end := time.Now().Add(hang)
		err := goleak.Find(before)
		for err != nil && time.Now().Before(end) {
			err = goleak.Find(before)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return &world{t: t}
}

// until waits for a condition.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(hang); !ok(); {
		if time.Now().After(end) {
			w.t.Fatalf("gave up waiting: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// A running is a gateway in this process.
type running struct {
	*gateway.Gateway
	w    *world
	logs *output
}

// An output collects what a log or a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a gateway from the text of a configuration, which must be without errors.
func (w *world) start(doc string) *running {
	w.t.Helper()
	return w.startWith(doc, 0)
}

// startWith is start of a gateway that looks at the files of certificates at every interval.
func (w *world) startWith(doc string, every time.Duration) *running {
	w.t.Helper()
	cfg, _, err := mosn.Parse("e2e.json", []byte(doc), mosn.Options{Getenv: func(string) string { return "" }})
	if err != nil {
		w.t.Fatalf("%v\n%s", err, doc)
	}
	r := &running{w: w, logs: &output{}}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the gateway's log:\n%s", r.logs)
		}
	})
	r.Gateway, err = gateway.New(cfg, gateway.Options{Version: "e2e", Stdout: r.logs, Stderr: r.logs, CertificateInterval: every})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(r.Stop)
	if err := r.Start(); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// addr is where the listener called name accepts.
func (r *running) addr(name string) string {
	r.w.t.Helper()
	for _, l := range r.Listeners() {
		if l.Name == name {
			return l.Address
		}
	}
	r.w.t.Fatalf("there is no listener %q among %v", name, r.Listeners())
	return ""
}

// quiet turns off everything that a gateway adds to a message, so that tests can compare bytes.
const quiet = `"forwarded":{"via":false,"x_forwarded_for":false,"x_forwarded_proto":false,"x_forwarded_host":false,"x_request_id":false}`

// A sketch is a configuration of one listener "l" in front of one cluster "c". Its texts are members of JSON objects.
type sketch struct {
	loops    int    // 0: one
	speaks   string // downstream protocols; "": Http1
	address  string // "": any free port
	listener string // of the listener
	chain    string // of its filter chain
	proxy    string // of the proxy filter's config; "": quiet
	tcp      string // of a tcp_proxy filter's config, which then takes the place of the proxy
	rules    string // rules in front of the one for everything, each followed by a comma
	route    string // of the last rule's action
	cluster  string // of the cluster
	server   string // of the server
	document string // of the document
	hosts    []string
}

func (s sketch) String() string {
	comma := func(members string) string {
		if members == "" {
			return ""
		}
		return "," + members
	}
	if s.proxy == "" {
		s.proxy = quiet
	}
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	if s.speaks == "" {
		s.speaks = "Http1"
	}
	filter := `{"type":"proxy","config":{"downstream_protocol":"` + s.speaks + `","router_config_name":"r"` + comma(s.proxy) + `}}`
	if s.tcp != "" {
		filter = `{"type":"tcp_proxy","config":{` + s.tcp + `}}`
	}
	var hosts []string
	for _, h := range s.hosts {
		hosts = append(hosts, fmt.Sprintf(`{"address":%q}`, h))
	}
	return fmt.Sprintf(`{"servers":[{"default_log_path":"stdout","processor":%d%s,
"routers":[{"router_config_name":"r","virtual_hosts":[{"name":"everybody","domains":["*"],"routers":[%s
  {"match":{"prefix":"/"},"route":{"cluster_name":"c"%s}}]}]}],
"listeners":[{"name":"l","address":%q,"bind_port":true%s,"filter_chains":[{"filters":[%s]%s}]}]}],
"cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[%s]%s}]}%s}`,
		max(s.loops, 1), comma(s.server), s.rules, comma(s.route), s.address, comma(s.listener), filter, comma(s.chain),
		strings.Join(hosts, ","), comma(s.cluster), comma(s.document))
}

// proxy runs s and returns where it listens.
func (w *world) proxy(s sketch) string {
	w.t.Helper()
	return w.start(s.String()).addr("l")
}

// handler is a server of net/http.
func (w *world) handler(h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// server runs script for every connection that it accepts; n counts them from zero. The connection is closed when the
// script returns.
func (w *world) server(script func(n int, p *peer)) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	closing := false
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if closing {
				c.Close()
			}
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				defer func() {
					c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				p := newPeer(w.t, c)
				p.script = true
				script(n, p)
			})
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		mu.Lock()
		closing = true
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// refusing is an address where nothing listens.
func (w *world) refusing() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// client is a client of net/http that changes nothing.
func (w *world) client() *http.Client {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: hang, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// get is one request by c: the status and the body.
func get(t *testing.T, c *http.Client, url string) (int, string) {
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
	return r.StatusCode, string(b)
}

// tempFile is the path of a file that does not exist yet.
func (w *world) tempFile(name string) string {
	w.t.Helper()
	return filepath.Join(w.t.TempDir(), name)
}

// lines waits until the file at path has n lines, and returns them.
func (w *world) lines(path string, n int) []string {
	w.t.Helper()
	var lines []string
	w.until(fmt.Sprintf("%d lines in %s", n, filepath.Base(path)), func() bool {
		b, _ := os.ReadFile(path) // it may not exist yet
		lines = strings.SplitAfter(string(b), "\n")
		lines = lines[:len(lines)-1]
		return len(lines) >= n
	})
	if len(lines) > n {
		w.t.Fatalf("%d lines, want %d:\n%s", len(lines), n, strings.Join(lines, ""))
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	return lines
}

// A peer is one end of a raw connection. What it does either succeeds, or fails the test: a client's ends it, a
// script's ends the script.
type peer struct {
	*net.TCPConn
	t      *testing.T
	r      *bufio.Reader
	script bool
	tls    *tlsPeer // nil, or what is above the connection: see secure
}

func newPeer(t *testing.T, c net.Conn) *peer {
	_ = c.SetDeadline(time.Now().Add(hang)) // a connection that is closed already tells by itself
	return &peer{TCPConn: c.(*net.TCPConn), t: t, r: bufio.NewReader(c)}
}

// dial connects to the gateway.
func (w *world) dial(addr string) *peer {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", addr, hang)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return newPeer(w.t, c)
}

func (p *peer) fail(format string, args ...any) {
	p.t.Helper()
	if p.script {
		p.t.Errorf("server: "+format, args...)
		runtime.Goexit()
	}
	p.t.Fatalf("client: "+format, args...)
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.fail("sending %.60q: %v", text, err)
	}
}

// Write is that of the TLS above the connection, if there is some.
func (p *peer) Write(b []byte) (int, error) {
	if p.tls != nil {
		return p.tls.Write(b)
	}
	return p.TCPConn.Write(b)
}

// secure shakes hands as side does, if there is a cfg; what is sent and wanted from then on is inside.
func (p *peer) secure(side func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) *peer {
	p.t.Helper()
	if cfg != nil {
		p.tls = newTLSPeer(p, side, cfg)
		p.r = p.tls.r
	}
	return p
}

// want reads exactly text.
func (p *peer) want(text string) {
	p.t.Helper()
	b := make([]byte, len(text))
	n, err := io.ReadFull(p.r, b)
	if got := string(b[:n]); got != text {
		p.fail("received\n%q, want\n%q (%v)", got, text, err)
	}
}

// wantEnd reads a clean end of the other side's sending direction.
func (p *peer) wantEnd() {
	p.t.Helper()
	if p.tls != nil {
		p.tls.wantEnd()
		return
	}
	b, err := io.ReadAll(p.r)
	if err != nil || len(b) > 0 {
		p.fail("received %q (%v), want a clean end", b, err)
	}
}

// wantGone waits for the end of the connection, clean or not, and wants no byte before it.
func (p *peer) wantGone() {
	p.t.Helper()
	b, err := io.ReadAll(p.r)
	var timeout net.Error
	if len(b) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		p.fail("received %q (%v), want the connection closed", b, err)
	}
}

// head reads up to the empty line, inclusive.
func (p *peer) head() string {
	p.t.Helper()
	var b strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			p.fail("the head was cut: %q (%v)", b.String(), err)
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

// request reads a request head; ok is false when the connection ended instead.
func (p *peer) request() (head string, ok bool) {
	p.t.Helper()
	if _, err := p.r.Peek(1); err != nil {
		return "", false
	}
	return p.head(), true
}

// answer reads a response to a request with the given method, and its body.
func (p *peer) answer(method string) (r *http.Response, body string) {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		p.fail("no answer: %v", err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.fail("the answer's body: %v after %q", err, b)
	}
	return r, string(b)
}

// shut closes the sending direction.
func (p *peer) shut() {
	p.t.Helper()
	if p.tls != nil {
		p.tls.end(signed)
		return
	}
	if err := p.CloseWrite(); err != nil {
		p.fail("shutdown: %v", err)
	}
}

// write makes a file.
func (w *world) write(path string, content []byte) {
	w.t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}
