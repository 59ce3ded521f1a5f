package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestHTTPBytes plays exchanges whose every byte is known, on both sides of the gateway.
func TestHTTPBytes(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	tests := []struct {
		name               string
		request, forwarded string // what the client sends, and what the server (at SERVER) receives; "" means the same
		answer, returned   string // what the server sends, and what the client receives; "" means the same
		cut                bool   // the server closes behind its answer
		last               bool   // the client's connection is closed behind the answer
	}{
		{name: "plain", request: "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nX-oDD: 1\r\n\r\n", answer: ok},
		{name: "post", request: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", answer: ok},
		{name: "no reason phrase", request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", answer: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
			returned: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{name: "head", request: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
		{name: "head of a chunked answer", request: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", returned: "HTTP/1.1 200 OK\r\n\r\n"},
		{name: "204", request: "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", answer: "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"},
		{name: "304", request: "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n",
			answer: "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1000\r\n\r\n"},
		{name: "early hints", request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer: "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b.js>\r\n\r\n" + ok},
		{name: "trailers both ways",
			request: "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
			forwarded: "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nConnection: te\r\n\r\n" +
				"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
			answer: "HTTP/1.1 200 OK\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndefg\r\n0\r\nX-End: 2\r\n\r\n"},
		{name: "chunk extensions go no further",
			request:   "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
			forwarded: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", answer: ok},
		{name: "hop by hop",
			request:   "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nX-Open: 2\r\n\r\n",
			forwarded: "GET / HTTP/1.1\r\nHost: a\r\nX-Open: 2\r\n\r\n",
			answer:    "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
			returned:  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{name: "absolute form", request: "GET http://a.example/p?q HTTP/1.1\r\nHost: a.example\r\n\r\n",
			forwarded: "GET /p?q HTTP/1.1\r\nHost: a.example\r\n\r\n", answer: ok},
		{name: "options asterisk", request: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", answer: ok},
		{name: "close-delimited", request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", cut: true,
			answer: "HTTP/1.1 200 OK\r\n\r\nto the end", returned: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nto the end\r\n0\r\n\r\n"},
		{name: "http/1.0 server", request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", cut: true,
			answer: "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", returned: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"},
		{name: "client closes", request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			forwarded: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer:    ok, returned: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", last: true},
		{name: "server closes", request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", cut: true,
			answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", returned: ok},
		{name: "http/1.0 client", request: "GET / HTTP/1.0\r\nHost: a\r\n\r\n", forwarded: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer: ok, returned: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", last: true},
		{name: "http/1.0 client without host", request: "GET / HTTP/1.0\r\n\r\n", forwarded: "GET / HTTP/1.1\r\nHost: SERVER\r\n\r\n",
			answer: ok, returned: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", last: true},
		{name: "http/1.0 client that keeps alive", request: "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
			forwarded: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer:    ok, returned: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"},
		{name: "http/1.0 client, chunked answer", request: "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
			forwarded: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer:    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n",
			returned:  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcdef", last: true},
		{name: "http/1.0 client sees no interim answer", request: "GET / HTTP/1.0\r\nHost: a\r\n\r\n", forwarded: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			answer:   "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok,
			returned: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", last: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			same := func(text, as string) string {
				if text == "" {
					return as
				}
				return text
			}
			const again, fine = "GET /again HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
			upstream := w.server(func(n int, p *peer) {
				if n == 0 {
					p.want(strings.ReplaceAll(same(tt.forwarded, tt.request), "SERVER", p.LocalAddr().String()))
					p.send(tt.answer)
					if tt.cut {
						return
					}
				}
				if _, ok := p.request(); ok {
					p.send(fine)
				}
			})
			addr := w.proxy(sketch{hosts: []string{upstream}})
			c := w.dial(addr)
			c.send(tt.request)
			c.want(same(tt.returned, tt.answer))
			if tt.last {
				c.wantEnd()
				c = w.dial(addr)
			}
			c.send(again)
			c.want(fine)
		})
	}
}

// TestEventStream sends an event only when the client has read the one before.
func TestEventStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := make(chan struct{})
	const events = 20
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for i := range events {
			fmt.Fprintf(rw, "data: %d\n\n", i)
			rw.(http.Flusher).Flush()
			select {
			case <-seen:
			case <-r.Context().Done():
				t.Error("the client went before it saw everything")
				return
			}
		}
	})
	r, err := w.client().Get("http://" + w.proxy(sketch{hosts: []string{upstream}}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for i := range events {
		want := fmt.Sprintf("data: %d\n\n", i)
		b := make([]byte, len(want))
		if _, err := io.ReadFull(r.Body, b); err != nil || string(b) != want {
			t.Fatalf("event %d is %q (%v)", i, b, err)
		}
		seen <- struct{}{}
	}
	if b, err := io.ReadAll(r.Body); err != nil || len(b) > 0 {
		t.Errorf("%q (%v) behind the last event", b, err)
	}
}

// TestUploadOfUnknownLength sends a piece only when the server has read the one before.
func TestUploadOfUnknownLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read := make(chan struct{})
	const pieces = 20
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		if r.ContentLength != -1 {
			t.Errorf("the length is %d, want unknown", r.ContentLength)
		}
		for i := range pieces {
			want := fmt.Sprintf("piece %d;", i)
			b := make([]byte, len(want))
			if _, err := io.ReadFull(r.Body, b); err != nil || string(b) != want {
				t.Errorf("piece %d is %q (%v)", i, b, err)
				panic(http.ErrAbortHandler)
			}
			read <- struct{}{}
		}
		rest, err := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "%d more, %v", len(rest), err)
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
	c.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	for i := range pieces {
		piece := fmt.Sprintf("piece %d;", i)
		c.send(strconv.FormatInt(int64(len(piece)), 16) + "\r\n" + piece + "\r\n")
		<-read
	}
	c.send("0\r\n\r\n")
	if r, body := c.answer("PUT"); r.StatusCode != 200 || body != "0 more, <nil>" {
		t.Errorf("%s %q", r.Status, body)
	}
}

const expecting = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

// TestContinue passes 100-continue on, both ways.
func TestContinue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) {
		for range 2 {
			p.want(expecting)
			p.send("HTTP/1.1 100 Continue\r\n\r\n")
			p.want("hello")
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
	c.send(expecting)
	c.want("HTTP/1.1 100 Continue\r\n\r\n")
	c.send("hello")
	c.want("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	c.send(expecting + "hello") // this one does not wait
	if r, _ := c.answer("POST"); r.StatusCode == 100 {
		r, _ = c.answer("POST")
		if r.StatusCode != 200 {
			t.Errorf("%s behind the 100", r.Status)
		}
	} else if r.StatusCode != 200 {
		t.Error(r.Status)
	}
}

// TestContinueRefused: the body that was not asked for does not come, so the client's connection can't go on.
func TestContinueRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"417 Expectation Failed", "413 Content Too Large"} {
		t.Run(status[:3], func(t *testing.T) {
			w := newWorld(t)
			upstream := w.server(func(_ int, p *peer) {
				p.want(expecting)
				p.send("HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n\r\nno")
				p.wantGone() // the request was never completed: nobody else gets this connection
			})
			c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
			c.send(expecting)
			c.want("HTTP/1.1 " + status + "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			c.wantEnd()
		})
	}
}

// TestPipelining answers in order, whatever comes at once.
func TestPipelining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "%s %s %s %v", r.Method, r.URL.Path, b, err)
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}}))
	const n = 300
	var all strings.Builder
	for i := range n {
		switch i % 3 {
		case 0:
			fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		case 1:
			fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", i)
		case 2:
			fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", i)
		}
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c.TCPConn, all.String())
		sent <- err
	}()
	for i := range n {
		want := fmt.Sprintf("POST /%d body <nil>", i)
		if i%3 == 0 {
			want = fmt.Sprintf("GET /%d  <nil>", i)
		}
		if r, body := c.answer("GET"); r.StatusCode != 200 || body != want {
			t.Fatalf("answer %d: %s %q, want %q", i, r.Status, body, want)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestUpstreamConnectionsAreKept: neither a client that closes nor one that goes on costs the upstream a connection.
func TestUpstreamConnectionsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(n int, p *peer) {
		for {
			if _, ok := p.request(); !ok {
				return
			}
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n))
		}
	})
	addr := w.proxy(sketch{hosts: []string{upstream}, cluster: `"idle_timeout":"1h"`})
	for range 3 {
		c := w.dial(addr)
		for range 3 {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			c.want("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0")
		}
		c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		c.want("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n0")
		c.wantEnd()
	}
}

// TestHalfClosedClient: a client that has said everything still gets its answer.
func TestHalfClosedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proceed := make(chan struct{})
	upstream := w.server(func(_ int, p *peer) {
		for {
			head, ok := p.request()
			if !ok {
				return
			}
			if strings.HasPrefix(head, "GET /slow") {
				<-proceed
			}
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	addr := w.proxy(sketch{hosts: []string{upstream}})
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	} {
		c := w.dial(addr)
		c.send(request)
		c.shut()
		if r, body := c.answer("GET"); r.StatusCode != 200 || body != "ok" {
			t.Errorf("%q: %s %q", request, r.Status, body)
		}
		c.wantEnd()
	}
	c := w.dial(addr)
	c.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.shut()
	close(proceed)
	for range 2 { // what was pipelined in front of the FIN counts too
		if r, body := c.answer("GET"); r.StatusCode != 200 || body != "ok" {
			t.Errorf("%s %q", r.Status, body)
		}
	}
	c.wantEnd()
}
