package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestStaleConnection: the server closes an idle connection just when the next request comes. What may be sent twice is,
// once; what may not is answered with the reason.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	const get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, tt := range []struct {
		name, request string
		again         bool
	}{
		{"GET", get, true},
		{"PUT with a body", "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", true},
		{"POST", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", false},
		{"POST without a body", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			var seen atomic.Int32
			upstream := w.server(func(n int, p *peer) {
				if n == 0 {
					p.head()
					p.send(okAnswer)
				}
				if n == 0 || tt.again {
					p.want(tt.request)
				} else {
					p.want(get)
				}
				seen.Add(1)
				if n == 0 {
					return // without a word
				}
				p.send(okAnswer)
			})
			c := w.dial(w.proxy(sketch{hosts: []string{upstream}, cluster: `"idle_timeout":"1h"`}))
			c.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
			c.want(okAnswer)
			c.send(tt.request)
			if tt.again {
				c.want(okAnswer)
				if n := seen.Load(); n != 2 {
					t.Errorf("the server saw it %d times, want 2", n)
				}
				return
			}
			r, body := c.answer("POST")
			if r.StatusCode != 502 || !strings.HasPrefix(body, "upstream_reset: ") {
				t.Errorf("%s %q, want 502 and upstream_reset", r.Status, body)
			}
			if n := seen.Load(); n != 1 {
				t.Errorf("the server saw it %d times, want once", n)
			}
			// The client's connection goes on.
			c.send(get)
			c.want(okAnswer)
		})
	}
}

// TestStaleOnlyOnce: a server that always closes without an answer is asked twice, not for ever.
func TestStaleOnlyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen atomic.Int32
	upstream := w.server(func(n int, p *peer) {
		if n == 0 {
			p.head()
			p.send(okAnswer)
		}
		if _, ok := p.request(); ok {
			seen.Add(1)
		}
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}, cluster: `"idle_timeout":"1h"`}))
	c.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
	c.want(okAnswer)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	r, body := c.answer("GET")
	if r.StatusCode != 502 || !strings.HasPrefix(body, "upstream_reset: ") || seen.Load() != 2 {
		t.Errorf("%s %q after %d requests, want 502 after 2", r.Status, body, seen.Load())
	}
}

// TestFreshConnectionLost: nothing is known about what a server did that took a request on a fresh connection.
func TestFreshConnectionLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen atomic.Int32
	upstream := w.server(func(_ int, p *peer) {
		p.head()
		seen.Add(1)
	})
	status, body := get(t, w.client(), "http://"+w.proxy(sketch{hosts: []string{upstream}}))
	if status != 502 || !strings.HasPrefix(body, "upstream_reset: ") || seen.Load() != 1 {
		t.Errorf("%d %q after %d requests, want 502 after 1", status, body, seen.Load())
	}
}

// TestTruncatedAnswer: the client must see that the answer is not whole, and the connection is used by nobody else.
func TestTruncatedAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, answer, body string }{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", "0123456789"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n", "0123456789"},
		{"within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n0123456789", "0123456789"},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nzz\r\n", "0123456789"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			read := make(chan struct{})
			upstream := w.server(func(n int, p *peer) {
				p.head()
				if n > 0 {
					p.send(okAnswer)
					return
				}
				head, body, _ := strings.Cut(tt.answer, "\r\n\r\n")
				p.send(head + "\r\n\r\n" + body)
				if tt.name == "bad chunk" {
					p.wantGone()
					return
				}
				<-read
			})
			addr := w.proxy(sketch{hosts: []string{upstream}})
			c := w.dial(addr)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			r, err := http.ReadResponse(c.r, nil)
			if tt.name == "bad chunk" && err != nil {
				return // the connection was reset before the head was read: an error as well
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.name != "bad chunk" {
				b := make([]byte, len(tt.body))
				if _, err := io.ReadFull(r.Body, b); err != nil || string(b) != tt.body {
					t.Errorf("the part that came is %q (%v)", b, err)
				}
			}
			close(read)
			if b, err := io.ReadAll(r.Body); err == nil {
				t.Errorf("the client took it for whole: %q", b)
			}
			c = w.dial(addr)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			c.want(okAnswer)
		})
	}
}

// TestExtraBytes: what an upstream sends behind an answer reaches nobody.
func TestExtraBytes(t *testing.T) {
	t.Parallel()
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later %v", later), func(t *testing.T) {
			w := newWorld(t)
			closed := make(chan struct{})
			upstream := w.server(func(n int, p *peer) {
				p.head()
				if n > 0 {
					p.send(okAnswer)
					return
				}
				defer close(closed)
				if later {
					p.send(okAnswer)
					p.head() // the client has its first answer: the connection is idle after this one
					p.send(okAnswer)
					p.send(poison)
				} else {
					p.send(okAnswer + poison)
				}
				if _, ok := p.request(); ok {
					p.fail("it was used again")
				}
			})
			addr := w.proxy(sketch{hosts: []string{upstream}})
			c := w.dial(addr)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			c.want(okAnswer)
			if later {
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.want(okAnswer)
			}
			<-closed
			for range 2 {
				c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.want(okAnswer)
				other := w.dial(addr)
				other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				other.want(okAnswer)
			}
		})
	}
}

// TestEarlyAnswer: a refusal reaches a client that is still sending.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
	for _, framing := range []string{"Content-Length: 1073741824", "Transfer-Encoding: chunked"} {
		t.Run(framing[:strings.IndexByte(framing, ':')], func(t *testing.T) {
			w := newWorld(t)
			upstream := w.server(func(_ int, p *peer) {
				p.head()
				p.send(refusal)
				p.wantGoneAfter()
			})
			c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
			c.send("POST / HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n\r\n")
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				piece := []byte("10000\r\n" + strings.Repeat("x", 1<<16) + "\r\n")
				for sent := 0; sent < 1<<30; sent += len(piece) {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
				t.Error("1 GiB was taken though it was refused")
			}()
			r, body := c.answer("POST")
			if r.StatusCode != 413 || body != "big" {
				t.Errorf("%s %q", r.Status, body)
			}
			<-stop
		})
	}
}

// wantGoneAfter drops what comes until the connection ends.
func (p *peer) wantGoneAfter() {
	p.t.Helper()
	if n, err := io.Copy(io.Discard, p.r); err == nil && n >= 1<<30 {
		p.fail("all of it came")
	}
}

// TestConcurrentRequestsShareUpstreams checks that no answer reaches the wrong client under concurrency.
func TestConcurrentRequestsShareUpstreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // a failure shows at the client
		fmt.Fprintf(rw, "%s%s", b, r.URL.Path)
	})
	url := "http://" + w.proxy(sketch{loops: 2, hosts: []string{upstream}})
	var all sync.WaitGroup
	for i := range 16 {
		c := w.client()
		all.Go(func() {
			for j := range 50 {
				want := strings.Repeat(fmt.Sprintf("<%d.%d>", i, j), 1+j*20)
				r, err := c.Post(fmt.Sprintf("%s/%d/%d", url, i, j), "text/plain", strings.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(r.Body)
				r.Body.Close()
				if want += fmt.Sprintf("/%d/%d", i, j); err != nil || string(b) != want {
					t.Errorf("%d.%d: %.80q (%v), want %.80q", i, j, b, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}
