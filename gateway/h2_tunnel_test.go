package gateway

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"sluice/loop/looptest"
)

func (c *h2peer) webSocket(fields ...string) *h2stream {
	return c.request(false, append([]string{":method", "CONNECT", ":protocol", "websocket", "sec-websocket-version", "13"}, fields...)...)
}

// wsServer is an HTTP/1 server of WebSockets: it answers the handshake and echoes what follows.
func wsServer(p *looptest.Peer) {
	open := false
	p.OnReceive(func(b []byte) {
		if !open {
			_, key, _ := strings.Cut(string(b), "Sec-WebSocket-Key: ")
			key, _, _ = strings.Cut(key, "\r\n")
			open = true
			p.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + acceptOf([]byte(key)) + "\r\n\r\n")
			_, b2, _ := strings.Cut(string(b), endOfHead)
			b = []byte(b2)
		}
		p.SendBytes(b)
	})
	p.OnEOF(func() { p.Close() })
}

func TestH2WebSocketToH1(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	ups := r.upstream(wsServer)
	c := r.h2()
	s := c.webSocket()
	r.l.Run()
	s.is(":status: 200\n\n")
	up := (*ups)[0]
	got := up.Take()
	for _, want := range []string{"GET /x HTTP/1.1\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\n", "Sec-WebSocket-Key: ", "sec-websocket-version: 13\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the upstream got %q, which lacks %q", got, want)
		}
	}
	s.data("hello", false)
	r.l.Run()
	s.data(" again", true)
	r.l.Run()
	s.is(":status: 200\n\nhello again END")
	if !up.EOF() {
		t.Error("the tunnel's end did not reach the upstream")
	}
	r.over(c.p)
}

// What is sent in front of the answer waits for it, and is lost when it refuses: it is never a second request.
func TestH2WebSocketEarlyData(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	ups := r.upstream(nil)
	c := r.h2()
	s := c.webSocket()
	s.data("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", false)
	r.l.Run()
	s.data("more", false)
	r.l.Run()
	up := (*ups)[0]
	if got := up.Received(); !strings.HasSuffix(got, endOfHead) || strings.Count(got, endOfHead) != 1 {
		t.Errorf("the upstream got, in front of its answer, %q", got)
	}
	up.Take()
	up.Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	r.l.Run()
	s.has(":status: 403", "no END")
	if up.Received() != "" {
		t.Errorf("the upstream got %q", up.Received())
	}
	s2 := c.get()
	r.l.Run()
	for _, p := range *ups {
		if strings.Contains(p.Received(), "smuggled") {
			t.Errorf("the upstream got %q", p.Received())
		}
		p.Send(ok)
	}
	r.l.Run()
	s2.has("ok END")
	r.over(c.p)
}

func TestH2WebSocketFromH1(t *testing.T) {
	r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
	const handshake = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	ups := r.h2upstream(func(c *h2peer) {
		c.onHead = func(s *h2stream) { c.headers(s.id, false, ":status", "200") }
		c.onData = func(s *h2stream) { b := string(s.body); s.body = nil; s.data(b, false) }
		c.onEnd = func(s *h2stream) { s.data("", true) }
	}, 8, 1)
	warm := r.connect()
	warm.Send(get)
	r.l.Run()
	warm.Reset()
	r.l.Run()
	c := r.connect()
	c.Send(handshake + "early")
	r.l.Run()
	got := c.Take()
	if !strings.HasPrefix(got, "HTTP/1.1 101 Switching Protocols\r\n") || !strings.Contains(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") || !strings.HasSuffix(got, endOfHead+"early") {
		t.Errorf("got %q", got)
	}
	up := (*ups)[0]
	s := up.stream(up.order[len(up.order)-1])
	s.has(":method: CONNECT\n", ":protocol: websocket\n", ":path: /chat\n", ":scheme: http\n")
	if strings.Contains(strings.ToLower(s.String()), "sec-websocket-key") {
		t.Errorf("the key was sent: %s", s)
	}
	c.Send("hello")
	c.CloseWrite()
	r.l.Run()
	if got := c.Take(); got != "hello" || !c.EOF() {
		t.Errorf("got %q, EOF %v", got, c.EOF())
	}
	r.over(c)
}

// An upstream that takes no extended CONNECT.
func TestH2WebSocketToWhoTakesNone(t *testing.T) {
	for _, down := range []string{"Http1", "Http2"} {
		r := newRig(t, h2doc(down, "Http2", toCluster, ""))
		ups := r.h2upstream(serving(okH2))
		if down == "Http2" {
			c := r.h2()
			c.get()
			r.l.Run()
			s := c.webSocket()
			r.l.Run()
			s.has(":status: 501")
			r.over(c.p)
		} else {
			c := r.connect()
			c.Send(get)
			r.l.Run()
			c.Take()
			c.Send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
			r.l.Run()
			if got := c.Take(); !strings.HasPrefix(got, "HTTP/1.1 501 ") {
				t.Errorf("got %q", got)
			}
			r.over(c)
		}
		if n := len((*ups)[0].order); n != 1 {
			t.Errorf("%s: the upstream saw %d requests", down, n)
		}
	}
}

// Either side of a tunnel may end first, and the other go on.
func TestH2TunnelsEndSideBySide(t *testing.T) {
	t.Run("upstream h1 first", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		ups := r.upstream(func(p *looptest.Peer) {
			p.OnReceive(func(b []byte) {
				if strings.HasPrefix(string(b), "CONNECT") {
					p.Send("HTTP/1.1 200 OK\r\n\r\nbye")
					p.CloseWrite()
				}
			})
		})
		c := r.h2()
		s := c.headers(1, false, ":method", "CONNECT", ":authority", "a:443")
		c.next = 3
		r.l.Run()
		s.is(":status: 200\n\nbye END")
		(*ups)[0].Take()
		s.data("the client goes on", true)
		r.l.Run()
		if got := (*ups)[0].Take(); got != "the client goes on" || !(*ups)[0].EOF() {
			t.Errorf("the upstream got %q, FIN %v", got, (*ups)[0].EOF())
		}
		active := 0
		r.l.Do(func() { active = r.g.workers[0].active })
		if active != 0 {
			t.Errorf("%d streams are left behind the end of both directions", active)
		}
		r.over(c.p)
	})
	t.Run("upstream h2 first", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		ups := r.h2upstream(func(c *h2peer) {
			c.onHead = func(s *h2stream) { c.headers(s.id, false, ":status", "200"); s.data("bye", true) }
		}, 8, 1)
		c := r.h2()
		s := c.headers(1, false, ":method", "CONNECT", ":authority", "a:443")
		r.l.Run()
		s.is(":status: 200\n\nbye END")
		s.data("the client goes on", true)
		r.l.Run()
		(*ups)[0].stream(1).has("the client goes on END")
		active := 0
		r.l.Do(func() { active = r.g.workers[0].active })
		if active != 0 {
			t.Errorf("%d streams are left", active)
		}
		r.over(c.p)
	})
	t.Run("client first", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		ups := r.h2upstream(func(c *h2peer) {
			c.onHead = func(s *h2stream) { c.headers(s.id, false, ":status", "200") }
		}, 8, 1)
		c := r.h2()
		s := c.headers(1, false, ":method", "CONNECT", ":authority", "a:443")
		r.l.Run()
		s.data("bye", true)
		r.l.Run()
		up := (*ups)[0].stream(1)
		up.has("bye END")
		up.data("the upstream goes on", true)
		r.l.Run()
		s.is(":status: 200\n\nthe upstream goes on END")
		r.over(c.p)
	})
	t.Run("client reset", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		ups := r.upstream(wsServer)
		c := r.h2()
		s := c.webSocket()
		r.l.Run()
		s.rst(http2.ErrCodeCancel)
		r.l.Run()
		if !(*ups)[0].Closed() {
			t.Error("the upstream's side of a tunnel whose client has gone is open")
		}
		r.over(c.p)
	})
}

// A CONNECT that is over before its upstream is there.
func TestH2TunnelThatEndsBeforeItBegins(t *testing.T) {
	for _, up := range []string{"Http1", "Http2"} {
		r := newRig(t, h2doc("Http2", up, toCluster, ""))
		var seen func() string
		if up == "Http1" {
			ups := r.upstream(answering(ok))
			seen = func() string { return (*ups)[0].Received() }
		} else {
			ups := r.h2upstream(serving(okH2), 8, 1)
			warm := r.h2()
			warm.get()
			r.l.Run()
			warm.p.Reset()
			r.l.Run()
			seen = func() string { return (*ups)[0].stream(3).String() }
		}
		c := r.h2()
		s := c.webSocket()
		s.data("", true)
		r.l.Run()
		if up == "Http2" {
			if got := seen(); !strings.Contains(got, ":protocol: websocket") || !strings.HasSuffix(got, " END") {
				t.Errorf("a request for a tunnel became another request: %s", got)
			}
		} else if got := seen(); !strings.Contains(got, "Upgrade: websocket") {
			t.Errorf("a request for a tunnel became another request: %s", got)
		}
		s.has("ok END")
		r.over(c.p)
	}
}

// The same with an upstream that grants it: it hears the end.
func TestH2TunnelOfOneDirection(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	ups := r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func([]byte) { p.Send("HTTP/1.1 200 OK\r\n\r\nall that there is") })
		p.OnEOF(func() { p.Close() })
	})
	c := r.h2()
	s := c.headers(1, false, ":method", "CONNECT", ":authority", "a:443")
	s.data("", true)
	r.l.Run()
	s.is(":status: 200\n\nall that there is END")
	if !(*ups)[0].EOF() {
		t.Error("the upstream has not heard that the client has ended")
	}
	r.over(c.p)
}
