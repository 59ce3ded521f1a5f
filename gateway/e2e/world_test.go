package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway"
	"sluice/gateway/config/mosn"
)

// hang is how long anything may take before a test gives up. It is no requirement on speed: nothing that works comes
// near it, however loaded the machine.
const hang = 60 * time.Second

// A world is a test's gateways, servers and clients. Everything that it makes is ended with the test, last first, and
// then none of its goroutines may be left. Tests with worlds may run beside each other.
type world struct {
	t    *testing.T
	mark string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	// A goroutine inherits the labels of the one that starts it: so those of a world can be told from those of others.
	w.mark = fmt.Sprintf("world %p", w)
	pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("world", w.mark)))
	t.Cleanup(func() {
		if t.Failed() {
			return // what failed may have left anything
		}
		left := ""
		for end := time.Now().Add(hang); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			if left = w.goroutines(); left == "" {
				return
			}
		}
		t.Errorf("goroutines are left:\n%s", left)
	})
	return w
}

// goroutines are the stacks of the world's goroutines, but for the one that asks.
func (w *world) goroutines() (stacks string) {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		w.t.Fatal(err)
	}
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, w.mark) && !strings.Contains(stack, "(*world).goroutines") {
			stacks += stack + "\n\n"
		}
	}
	return stacks
}

// TestGoroutinesOfWorlds: the one that a world has left is found, and one of another world is not.
func TestGoroutinesOfWorlds(t *testing.T) {
	t.Parallel()
	first := newWorld(t)
	end := make(chan struct{})
	defer close(end)
	go func() { go func() { <-end }() }()
	first.until("the inner one runs alone", func() bool { return strings.Count(first.goroutines(), "\n\n") == 1 })
	second := newWorld(t)
	if left := first.goroutines(); !strings.Contains(left, "TestGoroutinesOfWorlds.func") {
		t.Errorf("the first world has %q", left)
	}
	if left := second.goroutines(); left != "" {
		t.Errorf("the second world has %q", left)
	}
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

// write makes a file.
func (w *world) write(path string, content []byte) {
	w.t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}
