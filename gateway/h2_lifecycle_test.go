package gateway

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sluice/loop/looptest"
)

func TestH2Timeouts(t *testing.T) {
	t.Run("try", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", `"route":{"cluster_name":"c","timeout":"5s","retry_policy":{"retry_on":true,"retry_timeout":"1s","num_retries":1}}`, ""))
		n := 0
		ups := r.h2upstream(func(c *h2peer) {
			c.onEnd = func(s *h2stream) {
				if n++; n == 2 {
					s.answer("200", "second")
				}
			}
		})
		c := r.h2()
		s := c.get()
		r.l.Advance(3 * time.Second)
		s.has("second END")
		if (*ups)[0].stream(1).reset != "CANCEL" {
			t.Error("the first try goes on")
		}
		r.over(c.p)
	})
	t.Run("route", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", `"route":{"cluster_name":"c","timeout":"5s"}`, ""))
		ups := r.h2upstream(nil)
		c := r.h2()
		s := c.get()
		r.l.Advance(6 * time.Second)
		s.has(":status: 504", "request_timeout: ", "END")
		if (*ups)[0].stream(1).reset != "CANCEL" {
			t.Error("the upstream goes on")
		}
		r.over(c.p)
	})
	t.Run("gRPC's own", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", `"route":{"cluster_name":"c","timeout":"5s"}`, ""))
		r.h2upstream(nil)
		c := r.h2()
		s := c.post("content-type", "application/grpc", "grpc-timeout", "250m", "te", "trailers")
		s.data("\x00\x00\x00\x00\x00", true)
		r.l.Advance(time.Second)
		s.has(":status: 200", "content-type: application/grpc", "grpc-status: 4", "grpc-message: request_timeout: ", "END")
		if s.trailers != "" || len(s.body) > 0 {
			t.Errorf("more than trailers: %s", s)
		}
		r.over(c.p)
	})
	// An upstream keeps the same time limit, and its timer may be the first.
	t.Run("gRPC's own, kept by the upstream", func(t *testing.T) {
		for left, code := range map[time.Duration]string{2 * time.Millisecond: "4", 50 * time.Millisecond: "14"} {
			r := newRig(t, h2doc("Http2", "Http2", `"route":{"cluster_name":"c","timeout":"5s"}`, ""))
			ups := r.h2upstream(nil)
			c := r.h2()
			s := c.post("content-type", "application/grpc", "grpc-timeout", "250m", "te", "trailers")
			s.data("\x00\x00\x00\x00\x00", true)
			r.l.Advance(250*time.Millisecond - left)
			(*ups)[0].stream(1).rst(http2.ErrCodeCancel)
			r.l.Run()
			s.has(":status: 200", "grpc-status: "+code+"\n", "END")
			r.over(c.p)
		}
	})
	t.Run("gRPC's own within the answer", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		r.h2upstream(serving(func(s *h2stream) { s.c.headers(s.id, false, ":status", "200"); s.data("part", false) }))
		c := r.h2()
		s := c.post("content-type", "application/grpc", "grpc-timeout", "1S")
		s.data("q", true)
		r.l.Advance(2 * time.Second)
		s.has("part RST ")
		r.over(c.p)
	})
}

func TestH2GRPCLocalAnswers(t *testing.T) {
	for _, x := range []struct {
		name, route string
		set         func(r *rig)
		code        string
	}{
		{"no connection", toCluster, func(r *rig) { r.l.Refuse(r.up) }, "14"},
		{"reset", toCluster, func(r *rig) {
			r.h2upstream(func(c *h2peer) { c.onHead = func(s *h2stream) { s.rst(http2.ErrCodeInternal) } })
		}, "14"},
		{"no cluster", `"direct_response":{"status":404}`, nil, ""},
	} {
		r := newRig(t, h2doc("Http2", "Http2", x.route, ""))
		if x.set != nil {
			x.set(r)
		}
		c := r.h2()
		s := c.post("content-type", "application/grpc+proto")
		s.data("q", true)
		r.l.Run()
		if x.code != "" {
			s.has(":status: 200\n", "grpc-status: "+x.code+"\n", "END")
		} else {
			s.has(":status: 404")
		}
		r.over(c.p)
	}
}

func TestH2BodyLimit(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, `,"limits":{"body":1000}`))
	ups := r.h2upstream(nil)
	c := r.h2()
	s := c.post("content-length", "1001")
	r.l.Run()
	s.has(":status: 413", "body_too_large: ", "END RST NO_ERROR")
	if len(*ups) != 0 {
		t.Error("the upstream was asked")
	}
	s = c.post()
	r.l.Run()
	s.data(strings.Repeat("x", 1001), false)
	r.l.Run()
	s.has(":status: 413", "END RST NO_ERROR")
	if (*ups)[0].stream(1).reset != "CANCEL" {
		t.Error("the upstream's stream goes on")
	}
	r.over(c.p)
}

func TestH2Detection(t *testing.T) {
	r := newRig(t, h2doc("Auto", "Http1", toCluster, ""))
	r.upstream(answering(ok))
	c1 := r.connect()
	c1.Send(get)
	r.l.Run()
	r.want(c1, ok)
	c2 := r.h2()
	s := c2.get()
	r.l.Run()
	s.has("ok END")

	// A preface that comes byte by byte.
	c3 := newH2peer(t, r.connect(), false)
	for i := range len(h2preface) - 1 {
		c3.send([]byte(h2preface[i : i+1]))
		r.l.Run()
	}
	c3.send([]byte(h2preface[len(h2preface)-1:]))
	c3.sendSettings()
	s = c3.get()
	r.l.Run()
	s.has("ok END")

	for name, bytes := range map[string]string{"garbage": "\x16\x03\x01\x00\xa5", "partial": "PRI * HT", "silence": "", "almost": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"} {
		c := r.connect()
		r.l.Run()
		c.Send(bytes)
		r.l.Run()
		if name != "garbage" && c.Closed() {
			t.Errorf("%s: closed at once", name)
		}
		r.l.Advance(5*time.Second + 10*time.Millisecond)
		if !c.Closed() {
			t.Errorf("%s: open after 5 s", name)
		}
	}
	// A preface followed by what is none of HTTP/2.
	c := r.connect()
	c.Send(h2preface + get + get)
	r.l.Run()
	if !c.EOF() {
		t.Error("a connection that speaks HTTP/1 behind HTTP/2's preface is still open")
	}
	r.over(c1, c2.p, c3.p, c)
}

func TestH2MaxConnectionAge(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, `,"http2":{"max_connection_age":"100s"}`))
	ups := r.h2upstream(nil)
	c := r.h2()
	s := c.get()
	r.l.Advance(80 * time.Second)
	if c.goAways != 0 {
		t.Error("GOAWAY before its time")
	}
	s2 := c.get() // the route's timeout is 60 s
	r.l.Advance(31 * time.Second)
	if c.goAways == 0 {
		t.Error("no GOAWAY")
	}
	up := (*ups)[0]
	okH2(up.stream(up.order[len(up.order)-1]))
	r.l.Advance(2 * time.Second)
	s.has(":status: 504")
	s2.has("ok END")
	r.l.Advance(3 * time.Second)
	if !c.p.EOF() {
		t.Errorf("the connection is open behind its last stream; %s", c.goAway)
	}
	r.over(c.p)
}

func TestH2Idle(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	r.h2upstream(serving(okH2))
	c := r.h2()
	s := c.get()
	r.l.Run()
	s.has("END")
	r.l.Advance(74 * time.Second)
	if c.goAways != 0 {
		t.Error("GOAWAY before 75 s")
	}
	r.l.Advance(4 * time.Second)
	if c.goAways == 0 || !strings.HasSuffix(c.goAway, "NO_ERROR") || !c.p.EOF() {
		t.Errorf("%d GOAWAY %s, EOF %v", c.goAways, c.goAway, c.p.EOF())
	}
	r.over(c.p)
}

// A head that trickles in has the time of a head, whatever it does.
func TestH2HeadTrickle(t *testing.T) {
	for _, up := range []string{"alone", "with pings"} {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		c := r.h2()
		r.l.Run()
		block := c.block(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "x", strings.Repeat("y", 4000))
		b := appendH2(nil, http2.FrameHeaders, 5, 1, block)
		for i := 0; i < 100 && !c.p.Closed(); i++ {
			c.send(b[i : i+1])
			r.l.Run()
			r.l.Advance(20 * time.Second)
		}
		if !c.p.Closed() {
			t.Errorf("%s: a head has been arriving for 2000 s (limit: 30 s)", up)
		}
		r.over(c.p)
	}
}

// A drain: streams in progress end well, new ones are not taken, and every connection ends.
func TestH2Drain(t *testing.T) {
	r := newRig(t, h2doc("Auto", "Http2", toCluster, ""))
	ups := r.h2upstream(nil)
	busy, idle, hello := r.h2(), r.h2(), newH2peer(t, r.connect(), false)
	mute := newH2peer(t, r.connect(), false) // answers no PING
	mute.silent = true
	mute.send([]byte(h2preface))
	mute.sendSettings()
	s := busy.get()
	silent := r.connect()
	r.l.Run()
	hello.send([]byte(h2preface[:10]))
	r.l.Run()
	done := make(chan error, 1)
	go func() { done <- r.g.Drain(time.Hour) }()
	for busy.goAways == 0 {
		r.l.Run()
		time.Sleep(time.Millisecond)
	}
	hello.send([]byte(h2preface[10:])) // a client that connected just before
	hello.sendSettings()
	r.l.Run()
	r.l.Advance(1500 * time.Millisecond)
	if !idle.p.EOF() || busy.p.Closed() {
		t.Errorf("after 1.5 s: idle closed %v, busy %v", idle.p.EOF(), busy.p.Closed())
	}
	r.l.Advance(4 * time.Second)
	for name, p := range map[string]*looptest.Peer{"silent": silent, "hello": hello.p, "mute": mute.p} {
		if !p.Closed() {
			t.Errorf("%s: open 5.5 s after the drain began; FIN %v", name, p.EOF())
		}
	}
	okH2((*ups)[0].stream(1))
	r.l.Advance(4 * time.Second)
	s.has("ok END")
	if !busy.p.EOF() {
		t.Error("the busy connection is open behind its last stream")
	}
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
			r.l.Run()
			time.Sleep(time.Millisecond)
		}
	}
}

// A connection that has not said a word does not hold up a drain.
func TestH2DrainOfSilence(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	c := newH2peer(t, r.connect(), false)
	r.l.Run()
	r.l.Do(func() { r.g.workers[0].sessions.first.kind.drain(r.l.Now()) })
	r.l.Advance(3 * time.Second)
	if !c.p.Closed() {
		t.Error("open after 3 s")
	}
	r.over(c.p)
}

// A client that sends many requests and a FIN at once gets all its answers.
func TestH2HalfClosedClient(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, `,"http2":{"max_concurrent_streams":300}`))
	r.h2upstream(serving(okH2))
	c := r.h2()
	c.keeps = true
	var all []*h2stream
	for range 200 {
		all = append(all, c.get())
	}
	cut := c.post()
	c.p.CloseWrite()
	r.l.Run()
	n := 0
	for _, s := range all {
		if s.ended {
			n++
		}
	}
	if n != len(all) {
		t.Errorf("%d answers to %d requests in front of a FIN", n, len(all))
	}
	_ = cut
	r.l.Advance(time.Second)
	if !c.p.Closed() {
		t.Error("the connection is open behind the last answer")
	}
	r.over(c.p)
}

// The timer of a connection ends several streams; ending one may end its neighbour.
func TestH2StreamsEndedByOneAnother(t *testing.T) {
	doc := h2doc("Http2", "Http2", toCluster, `,"timeouts":{"stream_idle":"5s"}`)
	doc = strings.Replace(doc, `"protocol":"Http2",`, `"protocol":"Http2","max_concurrent_streams":1,"circuit_breakers":[{"priority":"DEFAULT","max_connections":1}],`, 1)
	r := newRig(t, doc)
	r.h2upstream(nil) // it takes no extended CONNECT
	c := r.h2()
	first := c.get()
	r.l.Run()
	r.l.Advance(time.Second)
	var ws []*h2stream
	for range 3 {
		ws = append(ws, c.request(false, ":method", "CONNECT", ":protocol", "websocket"))
	}
	r.l.Run()
	r.l.Advance(10 * time.Second)
	first.has(":status: 504", "stream_idle: ")
	for _, s := range ws {
		s.has(":status: 5")
	}
	r.over(c.p)
}

// A client that asks for an answer and does not read is let go, though it says that it is there.
func TestH2SlowReaderThatPings(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	r.upstream(answering("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("x", 10_000_000)))
	c := r.h2(uint32(http2.SettingInitialWindowSize), 1<<30)
	c.credit(0, 1<<30)
	r.l.Run()
	c.silent = true
	c.p.Window(0)
	c.get()
	r.l.Run()
	for range 20 {
		r.l.Advance(30 * time.Second)
		c.frame(http2.FramePing, 0, 0, "12345678")
		r.l.Run()
	}
	active := 0
	r.l.Do(func() { active = r.g.workers[0].active })
	if active != 0 {
		t.Errorf("%d streams of a client that has read nothing for 600 s", active)
	}
	r.over(c.p)
}

// A stalled stream is ended by its own lack of progress, though others on both connections move.
func TestH2SlowReaderBesideOthers(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	r.h2upstream(serving(func(s *h2stream) { s.answer("200", strings.Repeat("x", 200_000)) }))
	c := r.h2(uint32(http2.SettingInitialWindowSize), 1000)
	c.credit(0, 1<<30)
	c.keeps = true
	slow := c.get()
	r.l.Run()
	for range 40 {
		r.l.Advance(5 * time.Second)
		s := c.get()
		c.credit(s.id, 1<<20)
		r.l.Run()
		if !s.ended {
			t.Fatal("a stream that is read does not end")
		}
	}
	if slow.reset == "" {
		t.Error("the slow stream is still there after 200 s")
	}
	r.over(c.p)
}
