package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sluice/protocols"
)

// An h2attack is something that a client repeats until it is refused, which must be soon, cheaply, and without harm to
// others on the loop.
type h2attack struct {
	settings []uint32
	setup    func(r *rig, c *h2peer)
	step     func(c *h2peer, i int)
	most     int    // repetitions that it may get through
	goAway   string // the code
	written  int    // bytes that it may be told
	requests int    // that may reach the upstream
}

// requests counts what an upstream of the rig is asked; it answers at once.
func countingUpstream(r *rig, n *int) {
	r.h2upstream(func(c *h2peer) { c.onHead = func(*h2stream) { *n++ }; c.onEnd = okH2 })
}

func TestH2AttackFloods(t *testing.T) {
	request := []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"}
	for name, a := range map[string]h2attack{
		"CVE-2019-9512 ping": {most: 101, goAway: "ENHANCE_YOUR_CALM", written: 4000,
			step: func(c *h2peer, _ int) { c.frame(http2.FramePing, 0, 0, "12345678") }},
		"CVE-2019-9513 priority": {most: 101, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			step: func(c *h2peer, _ int) { c.frame(http2.FramePriority, 0, 3, "\x00\x00\x00\x01\x10") }},
		"CVE-2019-9514 malformed requests": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 10_000,
			step: func(c *h2peer, _ int) { c.get(":path", "no-slash") }},
		"CVE-2019-9515 settings": {most: 51, goAway: "ENHANCE_YOUR_CALM", written: 2000, step: func(c *h2peer, _ int) { c.sendSettings(4, 1000) }},
		"CVE-2019-9518 empty data": {most: 101, goAway: "ENHANCE_YOUR_CALM", written: 1000, requests: 1,
			setup: func(_ *rig, c *h2peer) { c.post() }, step: func(c *h2peer, _ int) { c.frame(http2.FrameData, 0, 1, "") }},
		"CVE-2019-9518 empty continuation": {most: 20, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			setup: func(_ *rig, c *h2peer) {
				c.frame(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, c.block(request...))
			},
			step: func(c *h2peer, _ int) { c.frame(http2.FrameContinuation, 0, 1, "") }},
		"CVE-2023-44487 rapid reset": {most: 1001, goAway: "ENHANCE_YOUR_CALM", written: 20_000, requests: 1001,
			step: func(c *h2peer, _ int) { c.get().rst(http2.ErrCodeCancel) }},
		"CVE-2024-27316 continuation": {most: 20, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			setup: func(_ *rig, c *h2peer) {
				c.frame(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, c.block(request...))
			},
			step: func(c *h2peer, i int) {
				c.frame(http2.FrameContinuation, 0, 1, c.block(fmt.Sprint("x", i), strings.Repeat("v", 100)))
			}},
		"GHSA-gghf-vfxp-799r large continuations": {most: 5, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			setup: func(_ *rig, c *h2peer) {
				c.frame(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, c.block(request...))
			},
			step: func(c *h2peer, _ int) { c.frame(http2.FrameContinuation, 0, 1, strings.Repeat("\x00\x01a\x01b", 3000)) }},
		"CVE-2016-8740 continuation on other streams": {most: 1, goAway: "PROTOCOL_ERROR", written: 1000,
			setup: func(_ *rig, c *h2peer) { c.frame(http2.FrameHeaders, 0, 1, c.block(request...)) },
			step:  func(c *h2peer, i int) { c.frame(http2.FrameHeaders, 0, uint32(3+2*i), "") }},
		"CVE-2025-8671 zero window updates": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 40_000, requests: 501,
			step: func(c *h2peer, _ int) { c.credit(c.post().id, 0) }},
		"CVE-2025-8671 window overflow": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 40_000, requests: 501,
			step: func(c *h2peer, _ int) { c.credit(c.post().id, 1<<31-1) }},
		"CVE-2025-8671 data behind the end": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 80_000, requests: 501,
			step: func(c *h2peer, _ int) { c.frame(http2.FrameData, 0, c.get().id, "x") }},
		"CVE-2025-8671 length that is a lie": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 40_000, requests: 501,
			step: func(c *h2peer, _ int) { c.frame(http2.FrameData, 1, c.post("content-length", "10").id, "x") }},
		"CVE-2016-6581 hpack bomb": {most: 1, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			step: func(c *h2peer, _ int) { c.bomb("a", 3900, 12_000) }},
		"CVE-2026-47774 cookie bomb": {most: 1, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			step: func(c *h2peer, _ int) { c.bomb("cookie", 3900, 12_000) }},
		"CVE-2026-73550 host bomb": {most: 1, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			step: func(c *h2peer, _ int) { c.bomb("host", 3900, 12_000) }},
		"CVE-2026-49975 many references": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 20_000, settings: []uint32{4, 0},
			step: func(c *h2peer, _ int) { c.bomb("cookie", 1, 300) }},
		"window updates": {most: 1200, goAway: "ENHANCE_YOUR_CALM", written: 1000, step: func(c *h2peer, _ int) { c.credit(0, 1) }},
		"too many streams": {most: 640, goAway: "ENHANCE_YOUR_CALM", written: 40_000, requests: 128,
			step: func(c *h2peer, _ int) { c.post() }},
		"CVE-2019-9516 empty names": {most: 501, goAway: "ENHANCE_YOUR_CALM", written: 10_000,
			step: func(c *h2peer, i int) {
				c.frame(http2.FrameHeaders, 5, uint32(2*i+1), c.block(request...)+"\x00\x00\x01x")
			}},
		"CVE-2019-9515 settings entries": {most: 1, goAway: "ENHANCE_YOUR_CALM", written: 1000,
			step: func(c *h2peer, _ int) { c.sendSettings(make([]uint32, 2*2000)...) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
			asked := 0
			countingUpstream(r, &asked)
			innocent := r.h2()
			before := innocent.get()
			r.l.Run()
			before.has("ok END")
			asked = 0
			c := r.h2(a.settings...)
			r.l.Run()
			if a.setup != nil {
				a.setup(r, c)
				r.l.Run()
			}
			total := c.p.Total()
			n := 0
			for ; c.goAways == 0 && !c.p.Closed() && n < 3000; n++ {
				a.step(c, n)
				r.l.Run()
				if held, owed, buffered := r.memory(); held > 64<<10 || owed > 64<<10 || buffered > 128<<10 {
					t.Fatalf("step %d: %d held, %d owed, %d of output", n, held, owed, buffered)
				}
			}
			if n > a.most || !strings.HasSuffix(c.goAway, " "+a.goAway) {
				t.Errorf("ended by %q after %d steps; want %s after %d at most", c.goAway, n, a.goAway, a.most)
			}
			if told := c.p.Total() - total; told > a.written {
				t.Errorf("%d bytes were written to it", told)
			}
			if asked > a.requests {
				t.Errorf("%d requests reached the upstream, want %d at most", asked, a.requests)
			}
			r.l.Advance(5 * time.Second)
			if !c.p.Closed() {
				t.Error("the connection is still open 5 s later")
			}
			after := innocent.get()
			r.l.Run()
			after.has(":status: 200", "ok END")
			r.over(c.p, innocent.p)
		})
	}
}

// bomb sends a request whose field is put into the table once and then named by one byte each.
func (c *h2peer) bomb(name string, size, times int) {
	var b strings.Builder
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true})
	}
	_ = e.WriteField(hpack.HeaderField{Name: name, Value: strings.Repeat("v", size)})
	id := c.next
	c.next += 2
	c.stream(id)
	c.frame(http2.FrameHeaders, http2.FlagHeadersEndStream|http2.FlagHeadersEndHeaders, id, b.String()+strings.Repeat("\xbe", times))
}

// Heads below the hard limit of decoding but over what we take are answered, and count.
func TestH2AttackBigHeads(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	asked := 0
	countingUpstream(r, &asked)
	c := r.h2()
	for name, fields := range map[string][]string{
		"CVE-2026-47774 cookies": strings.Split(strings.Repeat("cookie a ", 130)[:130*9-1], " "),
		"CVE-2026-73550 hosts":   strings.Split(strings.Repeat("host a ", 130)[:130*7-1], " "),
		"fields":                 strings.Split(strings.Repeat("x y ", 130)[:130*4-1], " "),
		"bytes":                  {"x", strings.Repeat("a", 35_000), "x2", strings.Repeat("a", 35_000)},
	} {
		s := c.request(true)
		_ = s
		var frames []byte
		id := c.next
		c.next += 2
		s = c.stream(id)
		block := c.block(append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"}, fields...)...)
		kind, flags := http2.FrameHeaders, http2.FlagHeadersEndStream
		for {
			k := min(len(block), 16384)
			if k == len(block) {
				flags |= http2.FlagHeadersEndHeaders
			}
			frames = appendH2(frames, kind, flags, id, block[:k])
			if block = block[k:]; block == "" {
				break
			}
			kind, flags = http2.FrameContinuation, 0
		}
		c.send(frames)
		r.l.Run()
		if !strings.HasPrefix(s.String(), ":status: 431\n") || !s.ended {
			t.Errorf("%s: %s", name, s)
		}
	}
	if asked != 4 {
		t.Errorf("%d requests reached the upstream, want the 4 small ones", asked)
	}
	r.over(c.p)
}

// CVE-2026-78659, trailer maps: names in Trailer, and trailers, are charged.
func TestH2AttackCVE_2026_78659Trailers(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	asked := 0
	countingUpstream(r, &asked)
	c := r.h2()
	s := c.post("trailer", strings.Repeat("a,", 4000))
	r.l.Run()
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprint("x", i), "y")
	}
	s.endWith(many...)
	r.l.Run()
	s.has("RST ENHANCE_YOUR_CALM")
	s = c.post()
	s.endWith("x", strings.Repeat("y", 9000))
	r.l.Run()
	s.has("RST ENHANCE_YOUR_CALM")
	ok := c.get()
	r.l.Run()
	ok.has("ok END")
	r.over(c.p)
}

// CVE-2019-9517, internal data buffering: windows wide open, and nobody reads the socket. Neither bodies nor heads nor
// answers to control frames pile up.
func TestH2AttackCVE_2019_9517Unread(t *testing.T) {
	unpacked := strings.Repeat("{", 15_000) // which Huffman's code makes no shorter, so that neither side spends its time on it
	for name, answer := range map[string]func(s *h2stream){
		"bodies": func(s *h2stream) { s.answer("200", strings.Repeat("x", 1<<20)) },
		"heads":  func(s *h2stream) { s.answer("200", "", "x", unpacked) },
		"interim": func(s *h2stream) {
			for range 30 {
				s.c.headers(s.id, false, ":status", "103", "x", unpacked)
			}
			s.answer("200", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
			r.h2upstream(serving(answer))
			innocent := r.h2()
			c := r.h2(4, 1<<30)
			c.credit(0, 1<<30)
			r.l.Run()
			c.p.Window(0)
			c.silent = true
			for i := range 300 { // many times what may be held
				c.get()
				c.frame(http2.FramePing, 0, 0, "12345678")
				if i%10 == 0 {
					r.l.Advance(time.Second)
				}
				if c.p.Closed() {
					break
				}
			}
			held, owed, buffered := r.memory()
			// The output stops growing at four times its mark; what had been asked for by then is still answered.
			if held > 4<<20 || owed > 4<<20 || buffered > 3<<20 {
				t.Errorf("%d held, %d owed, %d of output", held, owed, buffered)
			}
			s := innocent.get()
			r.l.Run()
			s.has(":status: 200", " END")
			r.l.Advance(400 * time.Second)
			if !c.p.Closed() {
				t.Error("still open 400 s later")
			}
			r.over(c.p, innocent.p)
		})
	}
}

// CVE-2026-49975: many streams, each with a zero window and an answer that waits: reaped when they do not move.
func TestH2AttackZeroWindows(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	r.upstream(bigH1(1 << 20))
	innocent := r.h2()
	c := r.h2(4, 0)
	c.keeps = true
	for range 128 {
		c.get()
	}
	r.l.Run()
	if held, owed, buffered := r.memory(); held > 128*70_000 || buffered > 128<<10 {
		t.Errorf("%d held, %d owed, %d of output", held, owed, buffered)
	}
	s := innocent.get()
	r.l.Run()
	s.has(" END")
	for range 13 { // pings, and requests that are refused, keep none of them
		r.l.Advance(10 * time.Second)
		c.frame(http2.FramePing, 0, 0, "12345678")
	}
	for id, s := range c.streams {
		if s.reset == "" {
			t.Errorf("stream %d waits for 130 s", id)
		}
	}
	if n := r.failed(protocols.ReasonSlowReader); n != 128 {
		t.Errorf("%d were slow readers", n)
	}
	held, owed, _ := r.memory()
	if held != 0 || owed != 0 {
		t.Errorf("%d held, %d owed", held, owed)
	}
	r.over(c.p, innocent.p)
}

// Uploads that their upstream does not take are bounded for a connection: the heaviest stream goes.
func TestH2AttackOwed(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, `,"http2":{"initial_stream_window":1048576}`))
	r.h2upstream(func(c *h2peer) { c.keeps = true }, 4, 0)
	innocent := r.h2()
	c := r.h2()
	r.l.Run()
	var all []*h2stream
	for range 20 {
		s := c.post()
		s.data(strings.Repeat("x", 1<<20), false)
		all = append(all, s)
		r.l.Run()
		if held, owed, _ := r.memory(); held > 5<<20 || owed > 5<<20 {
			t.Fatalf("%d held, %d owed", held, owed)
		}
	}
	n := 0
	for _, s := range all {
		if s.reset == "ENHANCE_YOUR_CALM" {
			n++
		}
	}
	if n < 15 || n == 20 {
		t.Errorf("%d of 20 streams were reset", n)
	}
	s := innocent.post()
	s.data("x", false)
	r.l.Run()
	if s.reset != "" {
		t.Error("an innocent stream was reset")
	}
	r.over(c.p, innocent.p)
}

// What a hostile upstream sends ends its connection, or the stream, and no client's.
func TestH2AttackFromUpstream(t *testing.T) {
	for name, attack := range map[string]func(s *h2stream){
		"CVE-2026-33814 MAX_FRAME_SIZE 0": func(s *h2stream) { s.c.sendSettings(5, 0) },
		"CVE-2019-9515 settings entries":  func(s *h2stream) { s.c.sendSettings(make([]uint32, 2*2000)...) },
		"settings flood": func(s *h2stream) {
			for range 100 {
				s.c.sendSettings()
			}
		},
		"CVE-2024-27316 continuation": func(s *h2stream) {
			s.c.frame(http2.FrameHeaders, 0, s.id, s.c.block(":status", "200"))
			for range 50 {
				s.c.frame(http2.FrameContinuation, 0, s.id, s.c.block("x", strings.Repeat("y", 100)))
			}
		},
		"CVE-2016-6581 hpack bomb": func(s *h2stream) {
			b := s.c.block(":status", "200", "x", strings.Repeat("y", 3900))
			s.c.frame(http2.FrameHeaders, 5, s.id, b+strings.Repeat("\xbe", 10_000))
		},
		"nginx 1.31.3 large head": func(s *h2stream) {
			var fields []string
			for i := range 300 {
				fields = append(fields, fmt.Sprint("x", i), "y")
			}
			s.answer("200", "", fields...)
		},
		"1xx flood": func(s *h2stream) {
			for range 100 {
				s.c.headers(s.id, false, ":status", "103", "x", "y")
			}
			okH2(s)
		},
		"CVE-2019-9512 ping flood": func(s *h2stream) {
			for range 200 {
				s.c.frame(http2.FramePing, 0, 0, "12345678")
			}
		},
		"window update flood": func(s *h2stream) {
			for range 2000 {
				s.c.credit(0, 1)
			}
		},
		"window overflow":  func(s *h2stream) { s.c.credit(0, 1<<31-1) },
		"push":             func(s *h2stream) { s.c.frame(http2.FramePushPromise, 4, s.id, word(2)+s.c.block(":method", "GET")) },
		"data first":       func(s *h2stream) { s.c.frame(http2.FrameData, 1, s.id, "x") },
		"an idle stream":   func(s *h2stream) { s.c.headers(s.id+100, true, ":status", "200") },
		"a stream of its":  func(s *h2stream) { s.c.headers(2, true, ":status", "200") },
		"101":              func(s *h2stream) { s.c.headers(s.id, true, ":status", "101") },
		"a line break":     func(s *h2stream) { s.answer("200", "", "x", "a\r\nset-cookie: b") },
		"connection field": func(s *h2stream) { s.answer("200", "", "transfer-encoding", "chunked") },
		"a huge frame":     func(s *h2stream) { s.c.frame(http2.FrameData, 0, s.id, strings.Repeat("x", 20_000)) },
	} {
		for _, down := range []string{"Http2", "Http1"} {
			t.Run(name+" "+down, func(t *testing.T) {
				r := newRig(t, h2doc(down, "Http2", toCluster, ""))
				hostile := true
				ups := r.h2upstream(serving(func(s *h2stream) {
					if hostile {
						hostile = false
						attack(s)
						return
					}
					okH2(s)
				}))
				if down == "Http2" {
					c := r.h2()
					s := c.get()
					r.l.Run()
					s.has(":status: 502", "upstream_")
					s = c.get()
					r.l.Run()
					s.has("ok END")
					r.over(c.p)
				} else {
					c := r.connect()
					c.Send(get)
					r.l.Run()
					got := c.Take()
					if !strings.HasPrefix(got, "HTTP/1.1 502 ") && !strings.Contains(got, "\r\n\r\nHTTP/1.1 502 ") {
						t.Errorf("got %q", got)
					}
					c.Send(get)
					r.l.Run()
					if got := c.Take(); !strings.HasSuffix(got, "ok") {
						t.Errorf("the next request got %q", got)
					}
					r.over(c)
				}
				for _, up := range *ups {
					if up.p.Total() > 20_000 {
						t.Errorf("%d bytes were written to it", up.p.Total())
					}
				}
			})
		}
	}
}

// flood sends n bytes whatever the windows say.
func (s *h2stream) flood(n int) {
	var b []byte
	for ; n > 0; n -= 16384 {
		b = appendH2(b, http2.FrameData, 0, s.id, strings.Repeat("x", 16384))
	}
	s.c.send(b)
}

// More than the window, while the client does not read: the stream ends, and what is held is bounded by the window.
func TestH2AttackTooMuchDataFromUpstream(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	r.h2upstream(serving(func(s *h2stream) {
		s.c.headers(s.id, false, ":status", "200")
		s.flood(3 << 20)
	}))
	c := r.h2(4, 1000)
	c.keeps = true
	s := c.get()
	r.l.Run()
	if len(s.body) != 1000 || s.reset != "INTERNAL_ERROR" {
		t.Errorf("%d bytes, reset %q", len(s.body), s.reset)
	}
	r.l.Do(r.noBytesHeld)
	r.over(c.p)
}
