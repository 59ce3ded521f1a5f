package gateway

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sluice/loop/looptest"
)

// serving answers each request when it is complete.
func serving(answer func(s *h2stream)) func(c *h2peer) {
	return func(c *h2peer) { c.onEnd = answer }
}

func okH2(s *h2stream) { s.answer("200", "ok", "content-length", "2") }

func TestH2ToH1(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	ups := r.upstream(answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Mixed: Case\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\nok"))
	c := r.h2()
	s := c.get("cookie", "a=1", "cookie", "b=2", "te", "trailers", "x-name", "v", "user-agent", "u")
	r.l.Run()
	s.is(":status: 200\ncontent-length: 2\nx-mixed: Case\n\nok END")
	up := (*ups)[0]
	got := up.Take()
	for _, want := range []string{"GET /x HTTP/1.1\r\n", "Host: a\r\n", "cookie: a=1; b=2\r\n", "x-name: v\r\n", "user-agent: u\r\n"} {
		if !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
			t.Errorf("the upstream got %q, which lacks %q", got, want)
		}
	}
	if strings.Count(strings.ToLower(got), "cookie") != 1 || strings.Contains(got, ":authority") || strings.Contains(got, "http2-settings") {
		t.Errorf("the upstream got %q", got)
	}
	r.over(c.p)
}

func TestH2FromH1(t *testing.T) {
	r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
	ups := r.h2upstream(serving(func(s *h2stream) {
		s.answer("200", "ok", "content-length", "2", "x-up", "1", "set-cookie", "a=1", "set-cookie", "b=2")
	}))
	c := r.connect()
	c.Send("POST /p?q HTTP/1.1\r\nHost: h:80\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\nCookie: a=1; b=2\r\n" +
		"X-Mixed: Case\r\nTransfer-Encoding: chunked\r\nProxy-Connection: x\r\n\r\n5\r\nhello\r\n0\r\nX-Trail: t\r\n\r\n")
	r.l.Run()
	s := (*ups)[0].stream(1)
	s.has(":method: POST\n", ":scheme: http\n", ":authority: h:80\n", ":path: /p?q\n", "x-mixed: Case\n", "hello", "x-trail: t", " END")
	for _, not := range []string{"x-hop", "keep-alive", "transfer-encoding", "proxy-connection", "gzip", "host:"} {
		if strings.Contains(s.String(), not) {
			t.Errorf("%q was forwarded: %s", not, s)
		}
	}
	got := c.Take()
	if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\nok") || strings.Count(got, "Set-Cookie: ") != 2 {
		t.Errorf("the client got %q", got)
	}
	c.Send(get)
	r.l.Run()
	if got := c.Take(); !strings.HasSuffix(got, "ok") {
		t.Errorf("the second answer: %q", got)
	}
	if len(*ups) != 1 {
		t.Errorf("%d connections", len(*ups))
	}
	r.over(c)
}

// What the gateway adds by default, over each pair of protocols.
func TestH2ForwardedFields(t *testing.T) {
	defaults := func(down, up string) string {
		s := h2doc(down, up, toCluster, "")
		return strings.Replace(s, `"forwarded":{"via":false,"x_forwarded_for":false,"x_forwarded_proto":false,"x_forwarded_host":false,"x_request_id":false}`, `"forwarded":{}`, 1)
	}
	want := func(t *testing.T, got, via string) {
		t.Helper()
		for _, w := range []string{"via: " + via + " sluice", "x-forwarded-for: 192.0.2.1", "x-forwarded-proto: http", "x-forwarded-host: a", "x-request-id: "} {
			if !strings.Contains(strings.ToLower(got), w) {
				t.Errorf("the message lacks %q:\n%s", w, got)
			}
		}
		if strings.Contains(got, "6.6.6.6") {
			t.Errorf("what the client says of itself was kept:\n%s", got)
		}
	}
	t.Run("2 to 1", func(t *testing.T) {
		r := newRig(t, defaults("Http2", "Http1"))
		ups := r.upstream(answering(ok))
		c := r.h2()
		s := c.get("x-forwarded-for", "6.6.6.6", "forwarded", "for=6.6.6.6")
		r.l.Run()
		want(t, (*ups)[0].Take(), "2.0")
		s.has("via: 1.1 sluice")
		r.over(c.p)
	})
	t.Run("1 to 2", func(t *testing.T) {
		r := newRig(t, defaults("Http1", "Http2"))
		ups := r.h2upstream(serving(okH2))
		c := r.connect()
		c.Send("GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
		r.l.Run()
		want(t, (*ups)[0].stream(1).String(), "1.1")
		if got := c.Take(); !strings.Contains(strings.ToLower(got), "via: 2.0 sluice") {
			t.Errorf("got %q", got)
		}
		r.over(c)
	})
	t.Run("2 to 2", func(t *testing.T) {
		r := newRig(t, defaults("Http2", "Http2"))
		ups := r.h2upstream(serving(okH2))
		c := r.h2()
		s := c.get("x-forwarded-for", "6.6.6.6")
		r.l.Run()
		want(t, (*ups)[0].stream(1).String(), "2.0")
		s.has("via: 2.0 sluice", "ok END")
		r.over(c.p)
	})
}

func TestH2ToH2(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	ups := r.h2upstream(serving(func(s *h2stream) {
		s.c.headers(s.id, false, ":status", "103", "link", "x")
		s.c.headers(s.id, false, ":status", "200", "content-type", "application/grpc")
		s.data("answer", false)
		s.endWith("grpc-status", "0", "grpc-message", "fine")
	}))
	c := r.h2()
	s := c.post("content-type", "application/grpc", "te", "trailers")
	s.data("question", false)
	s.endWith("x-trail", "t")
	r.l.Run()
	s.is(":status: 103\nlink: x\n\n:status: 200\ncontent-type: application/grpc\n\nanswer\ngrpc-status: 0\ngrpc-message: fine\n END")
	up := (*ups)[0].stream(1)
	up.is(":method: POST\n:scheme: http\n:authority: a\n:path: /x\ncontent-type: application/grpc\nte: trailers\n\nquestion\nx-trail: t\n END")
	r.over(c.p)
}

func TestH2TrailersFromH1(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	answer := ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trail: t\r\n\r\n")
	ups := r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func(b []byte) {
			if strings.HasPrefix(string(b), "GET") || strings.HasSuffix(string(b), "x-trail: t\r\n\r\n") {
				p.Send(answer)
			}
		})
	})
	c := r.h2()
	s := c.get()
	r.l.Run()
	s.is(":status: 103\nlink: x\n\n:status: 200\n\nhello\nx-trail: t\n END")
	s = c.post()
	r.l.Run()
	s.data("body", false)
	s.endWith("x-trail", "t")
	r.l.Run()
	s.has("hello\nx-trail: t\n END")
	if got := (*ups)[0].Take(); !strings.HasSuffix(got, "4\r\nbody\r\n0\r\nx-trail: t\r\n\r\n") {
		t.Errorf("the upstream got %q", got)
	}
	r.over(c.p)
}

// Answers without a body, and with a length that is not their own.
func TestH2BodilessAnswers(t *testing.T) {
	for _, x := range []struct{ name, method, answer, want string }{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", ":status: 200\ncontent-length: 1000\n\n END"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n", ":status: 304\ncontent-length: 1000\netag: x\n\n END"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", ":status: 204\n\n END"},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ":status: 200\ncontent-length: 0\n\n END"},
		{"HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ":status: 200\n\n END"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
			ups := r.upstream(answering(x.answer))
			c := r.h2()
			s := c.get(":method", x.method)
			r.l.Run()
			s.is(x.want)
			s = c.get(":method", x.method)
			r.l.Run()
			s.is(x.want)
			if len(*ups) != 1 {
				t.Errorf("%d connections: the first was not used again", len(*ups))
			}
			r.over(c.p)
		})
	}
	for _, x := range []struct{ name, method, status, want string }{
		{"HEAD", "HEAD", "200", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"},
		{"304", "GET", "304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n"},
	} {
		t.Run("from h2 "+x.name, func(t *testing.T) {
			r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
			r.h2upstream(serving(func(s *h2stream) { s.answer(x.status, "", "content-length", "7") }))
			c := r.connect()
			for range 2 {
				c.Send(x.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
				r.l.Run()
				if got := c.Take(); !strings.HasPrefix(got, x.want) || !strings.HasSuffix(got, endOfHead) {
					t.Errorf("got %q", got)
				}
			}
			r.over(c)
		})
	}
}

// An answer of an unknown length to HTTP/1.
func TestH2AnswersOfUnknownLength(t *testing.T) {
	r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
	r.h2upstream(serving(func(s *h2stream) {
		s.c.headers(s.id, false, ":status", "200")
		s.data("hello", false)
		s.endWith("x-trail", "t")
	}))
	c := r.connect()
	c.Send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
	r.l.Run()
	got := c.Take()
	if !strings.Contains(strings.ToLower(got), "transfer-encoding: chunked\r\n") || !strings.HasSuffix(got, "\r\n\r\n5\r\nhello\r\n0\r\nx-trail: t\r\n\r\n") {
		t.Errorf("got %q", got)
	}
	c2 := r.connect()
	c2.Send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	r.l.Run()
	if got := c2.Take(); !strings.HasSuffix(got, "\r\n\r\nhello") || !c2.EOF() {
		t.Errorf("HTTP/1.0 got %q, EOF %v", got, c2.EOF())
	}
	r.over(c, c2)
}

// An answer before the request is complete: the client has it whole, the rest of the request is dropped, upstreams lose
// their stream, and others go on.
func TestH2EarlyAnswer(t *testing.T) {
	t.Run("from h1", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		ups := r.upstream(answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
		c := r.h2()
		s := c.post("content-length", "1000")
		s.data("part", false)
		r.l.Run()
		s.is(":status: 403\ncontent-length: 2\n\nno END RST NO_ERROR")
		if !(*ups)[0].Closed() {
			t.Error("the upstream's connection, in the middle of a request, is still open")
		}
		c.frame(http2.FrameData, 0, s.id, "late") // on its way
		s2 := c.get()
		r.l.Run()
		s2.has("END")
		r.over(c.p)
	})
	t.Run("from h2", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		ups := r.h2upstream(func(c *h2peer) { c.onHead = func(s *h2stream) { s.answer("403", "no") } })
		c := r.h2()
		s := c.post()
		r.l.Run()
		s.is(":status: 403\n\nno END RST NO_ERROR")
		up := (*ups)[0]
		if got := up.stream(1).reset; got != "CANCEL" && got != "NO_ERROR" {
			t.Errorf("the upstream's stream was not reset: %q", up.stream(1))
		}
		s2 := c.get()
		r.l.Run()
		s2.has("no END")
		if len(*ups) != 1 {
			t.Errorf("%d connections", len(*ups))
		}
		r.over(c.p)
	})
	t.Run("from h2 to h1", func(t *testing.T) {
		r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
		ups := r.h2upstream(func(c *h2peer) { c.onHead = func(s *h2stream) { s.answer("403", "no", "content-length", "2") } })
		c := r.connect()
		c.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
		r.l.Run()
		if got := c.Take(); !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.HasSuffix(got, "no") {
			t.Errorf("got %q", got)
		}
		if (*ups)[0].stream(1).reset == "" {
			t.Error("the upstream's stream was not reset")
		}
		c.Send("10more" + get)
		r.l.Run()
		if got := c.Take(); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
			t.Errorf("the next request got %q", got)
		}
		r.over(c)
	})
}

// A client's reset reaches the upstream.
func TestH2ClientReset(t *testing.T) {
	t.Run("h2", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		ups := r.h2upstream(nil)
		c := r.h2()
		s, other := c.get(), c.get()
		r.l.Run()
		s.rst(http2.ErrCodeCancel)
		r.l.Run()
		up := (*ups)[0]
		if up.stream(1).reset != "CANCEL" || up.stream(3).reset != "" {
			t.Errorf("upstream streams: %q, %q", up.stream(1).reset, up.stream(3).reset)
		}
		okH2(up.stream(3))
		r.l.Run()
		other.has("ok END")
		r.over(c.p)
	})
	t.Run("h1", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		ups := r.upstream(nil)
		c := r.h2()
		s, other := c.get(), c.get()
		r.l.Run()
		s.rst(http2.ErrCodeCancel)
		r.l.Run()
		if !(*ups)[0].Closed() || (*ups)[1].Closed() {
			t.Errorf("closed: %v, %v", (*ups)[0].Closed(), (*ups)[1].Closed())
		}
		(*ups)[1].Send(ok)
		r.l.Run()
		other.has("ok END")
		r.over(c.p)
	})
	t.Run("h1 down", func(t *testing.T) {
		r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
		ups := r.h2upstream(nil)
		c := r.connect()
		c.Send(get)
		r.l.Run()
		c.Reset()
		r.l.Run()
		if (*ups)[0].stream(1).reset != "CANCEL" || (*ups)[0].p.Closed() {
			t.Errorf("upstream stream: %q, closed %v", (*ups)[0].stream(1).reset, (*ups)[0].p.Closed())
		}
		r.over(c)
	})
	t.Run("while it waits", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		r.l.Hang(r.up)
		c := r.h2()
		s := c.post()
		s.data("some", false)
		r.l.Run()
		s.rst(http2.ErrCodeCancel)
		r.l.Run()
		r.l.Do(r.noBytesHeld)
		r.over(c.p)
	})
}

// An upstream that resets: 502 before its head, RST behind it, with the reason.
func TestH2UpstreamReset(t *testing.T) {
	for _, x := range []struct {
		name string
		up   string
		do   func(r *rig, c *h2peer)
		want []string
	}{
		{"h2 before", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) { s.rst(http2.ErrCodeInternal) }))
		}, []string{":status: 502", "upstream_reset: ", " END"}},
		{"h2 within", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) {
				s.c.headers(s.id, false, ":status", "200")
				s.data("half", false)
				s.rst(http2.ErrCodeInternal)
			}))
		}, []string{":status: 200", "half RST INTERNAL_ERROR"}},
		{"h2 connection before", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) { s.c.p.Reset() }))
		}, []string{":status: 502", "upstream_reset: ", " END"}},
		{"h2 connection within", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) { s.c.headers(s.id, false, ":status", "200"); s.c.p.Close() }))
		}, []string{":status: 200", " RST INTERNAL_ERROR"}},
		{"h2 protocol error", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) { s.c.frame(http2.FrameHeaders, 5, s.id, "\xff\xff\xff\xff\xff") }))
		}, []string{":status: 502", "upstream_protocol_error: ", " END"}},
		{"h2 malformed head", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) { s.c.headers(s.id, true, ":status", "200", "Upper", "x") }))
		}, []string{":status: 502", "upstream_protocol_error: ", " END"}},
		{"h2 short body", "Http2", func(r *rig, c *h2peer) {
			r.h2upstream(serving(func(s *h2stream) { s.answer("200", "ok", "content-length", "3") }))
		}, []string{":status: 200", " RST INTERNAL_ERROR"}},
		{"h1 before", "Http1", func(r *rig, c *h2peer) {
			r.upstream(func(p *looptest.Peer) { p.OnReceive(func([]byte) { p.Reset() }) })
		}, []string{":status: 502", "upstream_reset: ", " END"}},
		{"h1 within", "Http1", func(r *rig, c *h2peer) {
			r.upstream(func(p *looptest.Peer) {
				p.OnReceive(func([]byte) { p.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"); p.Close() })
			})
		}, []string{":status: 200", "half RST INTERNAL_ERROR"}},
		{"not h2", "Http2", func(r *rig, c *h2peer) {
			r.upstream(answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
		}, []string{":status: 502", "upstream_protocol_error: ", " END"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newRig(t, h2doc("Http2", x.up, toCluster, ""))
			c := r.h2()
			x.do(r, c)
			s := c.get()
			r.l.Run()
			s.has(x.want...)
			if c.p.Closed() || c.goAways > 0 {
				t.Error("the client's connection suffers for the upstream's fault")
			}
			r.over(c.p)
		})
	}
}

// What waits for a connection is held, within the stream's window, and goes out in order.
func TestH2HoldsWhileConnecting(t *testing.T) {
	for _, up := range []string{"Http1", "Http2"} {
		r := newRig(t, h2doc("Http2", up, toCluster, ""))
		r.l.Hang(r.up)
		c := r.h2()
		s := c.post()
		r.l.Run()
		body := strings.Repeat("0123456789", 20_000)
		s.data(body, true)
		for range 20 {
			r.l.Run()
		}
		held := 0
		r.l.Do(func() { held = r.g.workers[0].holds.held })
		if held != 65536 {
			t.Errorf("%s: %d bytes are held, want the window", up, held)
		}
		var got func() string
		if up == "Http2" {
			ups := r.h2upstream(serving(okH2))
			got = func() string { return string((*ups)[0].stream(1).body) }
		} else {
			ups := r.upstream(func(p *looptest.Peer) {
				p.OnReceive(func([]byte) {
					if strings.HasSuffix(p.Received(), "\r\n0\r\n\r\n") {
						p.Send(ok)
					}
				})
			})
			got = func() string { return dechunk(t, (*ups)[0].Received()) }
		}
		// The first connect fails; the request goes to the next.
		r.l.Advance(10 * time.Second)
		s.has(":status: 504")
		s = c.post()
		s.data(body, true)
		r.l.Run()
		s.has("ok END")
		if got() != body {
			t.Errorf("%s: the upstream has %d bytes, want %d", up, len(got()), len(body))
		}
		r.over(c.p)
	}
}

// dechunk returns the body of a chunked message.
func dechunk(t *testing.T, s string) string {
	t.Helper()
	_, s, _ = strings.Cut(s, endOfHead)
	var b strings.Builder
	for {
		size, rest, ok := strings.Cut(s, "\r\n")
		n := 0
		for _, c := range size {
			n = n*16 + strings.IndexRune("0123456789abcdef", c)
		}
		if !ok || n < 0 || len(rest) < n {
			t.Fatalf("a bad chunk %q", size)
		}
		if n == 0 {
			return b.String()
		}
		b.WriteString(rest[:n])
		s = rest[n+2:]
	}
}
