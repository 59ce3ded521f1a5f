package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// hanging is an address where a connect never ends: its queue of connections is full.
func (w *world) hanging() string {
	w.t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		w.t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	c, err := net.DialTimeout("tcp", addr, hang) // a backlog of 0 has room for one
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return addr
}

// wantReply makes a request and wants a local reply for the reason.
func (w *world) wantReply(c *http.Client, addr string, status int, reason string) {
	w.t.Helper()
	got, body := get(w.t, c, "http://"+addr+"/")
	if got != status || !strings.HasPrefix(body, reason+": ") || !strings.HasSuffix(body, "\n") {
		w.t.Errorf("%d %q, want %d and the reason %s", got, body, status, reason)
	}
}

func TestConnectFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client()
	w.wantReply(c, w.proxy(sketch{hosts: []string{w.refusing()}}), 502, "connect_failed")
	w.wantReply(c, w.proxy(sketch{hosts: []string{w.refusing(), w.refusing()}}), 502, "connect_failed")
	w.wantReply(c, w.proxy(sketch{}), 502, "no_healthy_endpoint")
	w.wantReply(c, w.proxy(sketch{hosts: []string{w.hanging()}, cluster: `"connect_timeout":"50ms"`}), 504, "connect_timeout")
	w.wantReply(c, w.proxy(sketch{hosts: []string{"unix:" + w.tempFile("nobody.sock")}}), 502, "connect_failed")
}

// TestNextEndpoint: nothing was sent, so every request may try the next endpoint, with its body.
func TestNextEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "%s %d %v", r.Method, len(b), err)
	})
	for _, first := range []string{w.refusing(), w.hanging()} {
		addr := w.proxy(sketch{hosts: []string{first, upstream}, cluster: `"connect_timeout":"300ms"`})
		for i := range 4 {
			r, err := w.client().Post("http://"+addr, "text/plain", strings.NewReader(strings.Repeat("x", 1+i*100_000)))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r.Body)
			r.Body.Close()
			if want := fmt.Sprintf("POST %d <nil>", 1+i*100_000); string(b) != want || err != nil {
				t.Errorf("%s %q (%v), want %q", r.Status, b, err, want)
			}
		}
	}
}

// holdOpen is a server that answers no request; it counts them.
func (w *world) holdOpen(seen *atomic.Int32) string {
	return w.server(func(_ int, p *peer) {
		for {
			if _, ok := p.request(); !ok {
				return
			}
			seen.Add(1)
		}
	})
}

func TestRouteTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen atomic.Int32
	c := w.client()
	w.wantReply(c, w.proxy(sketch{hosts: []string{w.holdOpen(&seen)}, route: `"timeout":"50ms"`}), 504, "request_timeout")
	if seen.Load() != 1 {
		t.Errorf("sent %d times, want once", seen.Load())
	}
	// A timeout that the route names is for the whole answer: what has begun is cut.
	addr := w.proxy(sketch{route: `"timeout":"300ms"`, hosts: []string{w.server(func(_ int, p *peer) {
		p.head()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		p.wantGone()
	})}})
	r, err := c.Get("http://" + addr)
	if err != nil {
		return // on a slow machine the answer began too late
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err == nil && r.StatusCode == 200 {
		t.Errorf("%q was taken for whole", b)
	}
}

// TestTryTimeout: a try that hangs is given up for another one.
func TestTryTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen atomic.Int32
	upstream := w.server(func(n int, p *peer) {
		p.head()
		p.want("hello")
		seen.Add(1)
		if n == 0 {
			p.wantGone()
			return
		}
		p.send(okAnswer)
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}, cluster: `"idle_timeout":"1h"`,
		route: `"timeout":"1h","retry_policy":{"retry_on":true,"retry_timeout":"1s","num_retries":5}`}))
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	c.want(okAnswer)
	if seen.Load() < 2 {
		t.Error("it was not tried again")
	}

	seen.Store(0)
	addr := w.proxy(sketch{hosts: []string{w.holdOpen(&seen)},
		route: `"timeout":"1h","retry_policy":{"retry_on":true,"retry_timeout":"50ms","num_retries":2}`})
	w.wantReply(w.client(), addr, 504, "try_timeout")
	w.until("3 tries", func() bool { return seen.Load() == 3 })
}

// TestRetryOnStatus gives an answer up when the policy says so, and the last one counts.
func TestRetryOnStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy string
		fails  int32
		status int
		seen   int32
	}{
		{`"retry_on":true,"num_retries":2,"status_codes":[503]`, 2, 200, 3},
		{`"retry_on":true,"num_retries":2,"status_codes":[503]`, 9, 503, 3},
		{`"retry_on":true,"num_retries":2,"status_codes":[500]`, 9, 503, 1},
		{`"retry_on":true,"num_retries":1`, 9, 503, 2}, // every 5xx
		{`"retry_on":false,"num_retries":5`, 9, 503, 1},
	} {
		w := newWorld(t)
		var seen atomic.Int32
		upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != "hello" {
				t.Errorf("the body is %q (%v)", b, err)
			}
			if seen.Add(1) <= tt.fails {
				rw.WriteHeader(503)
			}
			fmt.Fprint(rw, "from the upstream")
		})
		addr := w.proxy(sketch{hosts: []string{upstream}, route: `"retry_policy":{` + tt.policy + `}`})
		r, err := w.client().Post("http://"+addr, "", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != tt.status || seen.Load() != tt.seen || string(b) != "from the upstream" {
			t.Errorf("%s: %s %q after %d requests, want %d after %d", tt.policy, r.Status, b, seen.Load(), tt.status, tt.seen)
		}
	}
}

// TestMaxRequests: the request above the limit is refused at once, and the place is free again afterwards.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprint(rw, "ok")
	})
	for _, loops := range []int{1, 2} {
		addr := w.proxy(sketch{loops: loops, hosts: []string{upstream}, cluster: `"circuit_breakers":[{"max_requests":2}]`})
		for range 2 {
			var held [2]*peer
			for i := range held {
				held[i] = w.dial(addr)
				held[i].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				<-arrived
			}
			for range 4 {
				w.wantReply(w.client(), addr, 503, "overflow")
			}
			for range held {
				release <- struct{}{}
			}
			for _, c := range held {
				if r, body := c.answer("GET"); r.StatusCode != 200 || body != "ok" {
					t.Errorf("%s %q", r.Status, body)
				}
			}
		}
	}
}

// TestMaxConnections: requests wait for the one connection, a bounded number of them; the next is refused.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	const waiting = 1024
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 3*waiting {
		t.Skipf("it takes %d descriptors, the limit is %d (%v)", 3*waiting, limit.Cur, err)
	}
	w := newWorld(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var served, dialled atomic.Int32
	upstream := w.server(func(_ int, p *peer) {
		dialled.Add(1)
		for {
			if _, ok := p.request(); !ok {
				return
			}
			once.Do(func() {
				close(arrived)
				<-release
			})
			served.Add(1)
			p.send(okAnswer)
		}
	})
	g := w.start(sketch{hosts: []string{upstream}, cluster: `"idle_timeout":"1h","circuit_breakers":[{"max_connections":1}]`}.String())
	addr := g.addr("l")
	first := w.dial(addr)
	first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	clients := []*peer{first}
	for range waiting {
		c := w.dial(addr)
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		clients = append(clients, c)
	}
	// A request that is not refused waits: the queue is full when one is.
	refused := 0
	for refused == 0 {
		c := w.dial(addr)
		c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if r, body := c.answer("GET"); r.StatusCode != 503 || !strings.HasPrefix(body, "overflow: ") {
			t.Fatalf("%s %q, want 503 and overflow", r.Status, body)
		}
		refused++
	}
	close(release)
	for _, c := range clients {
		c.want(okAnswer)
	}
	if served.Load() != waiting+1 || dialled.Load() != 1 {
		t.Errorf("%d requests on %d connections, want %d on one", served.Load(), dialled.Load(), waiting+1)
	}
}

// TestNobodyStarves: two loops share an endpoint that takes one connection, so they take turns.
func TestNobodyStarves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var active, most atomic.Int32
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) {
		n := active.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		fmt.Fprint(rw, "ok")
		active.Add(-1)
	})
	addr := w.proxy(sketch{loops: 2, hosts: []string{upstream}, cluster: `"circuit_breakers":[{"max_connections":1}]`})
	var all sync.WaitGroup
	for range 12 {
		c := w.client()
		all.Go(func() {
			for range 40 {
				r, err := c.Get("http://" + addr)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(r.Body)
				r.Body.Close()
				if r.StatusCode != 200 || string(b) != "ok" || err != nil {
					t.Errorf("%s %q (%v)", r.Status, b, err)
					return
				}
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d requests at once over one connection", most.Load())
	}
}

// TestBodyLimit refuses a body that is announced to be too large, and one that grows too large.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // cut when it is too large
		fmt.Fprint(rw, len(b))
	})
	addr := w.proxy(sketch{hosts: []string{upstream}, proxy: quiet + `,"limits":{"body":1000}`})
	for _, tt := range []struct {
		n       int
		chunked bool
		status  int
	}{{1000, false, 200}, {1001, false, 413}, {1000, true, 200}, {1001, true, 413}} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", tt.n))
		if tt.chunked {
			body = io.MultiReader(body)
		}
		r, err := w.client().Post("http://"+addr, "", body)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != tt.status || tt.status == 413 && !strings.HasPrefix(string(b), "body_too_large: ") {
			t.Errorf("%d bytes, chunked %v: %s %q, want %d", tt.n, tt.chunked, r.Status, b, tt.status)
		}
	}
}

// TestClientTimeouts: a client that says nothing, or stops within a head or a body.
func TestClientTimeouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := w.server(func(_ int, p *peer) { _, _ = io.Copy(io.Discard, p.r) })
	addr := w.proxy(sketch{hosts: []string{silent}, proxy: quiet + `,"timeouts":{"head":"50ms","progress":"50ms"}`})
	c := w.dial(addr)
	c.wantEnd() // silent
	for _, tt := range []struct{ request, reason string }{
		{"GET / HTTP/1.1\r\nHos", "head_timeout"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf", "body_timeout"},
	} {
		c := w.dial(addr)
		c.send(tt.request)
		r, body := c.answer("GET")
		if r.StatusCode != 408 || !strings.HasPrefix(body, tt.reason+": ") || !r.Close {
			t.Errorf("%q: %s %q close %v, want 408 and %s", tt.request, r.Status, body, r.Close, tt.reason)
		}
		c.wantEnd()
	}
}
