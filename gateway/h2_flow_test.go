package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sluice/loop/looptest"
	"sluice/protocols"
)

// memory is what the loop's streams and connections hold: bodies that wait, and output.
func (r *rig) memory() (held, owed, buffered int) {
	r.l.Do(func() {
		w := r.g.workers[0]
		held = w.holds.held
		for s := w.sessions.first; s != nil; s = s.next {
			buffered += s.conn.Buffered()
		}
		owed = r.g.listeners[0].locals[0].env.Owed
	})
	return held, owed, buffered
}

// bigH1 answers with n bytes that show their places.
func bigH1(n int) func(p *looptest.Peer) {
	body := bodyOf("big", n)
	return answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, body))
}

// A client that reads slowly, with a small window: what waits is bounded, and all of it arrives in order.
func TestH2SlowClientBigAnswer(t *testing.T) {
	const size = 2 << 20
	want := bodyOf("big", size)
	for _, up := range []string{"Http1", "Http2"} {
		for _, window := range []int{1000, 16384, 65535, 1 << 20} {
			t.Run(fmt.Sprintf("%s %d", up, window), func(t *testing.T) {
				r := newRig(t, h2doc("Http2", up, toCluster, ""))
				if up == "Http1" {
					r.upstream(bigH1(size))
				} else {
					r.h2upstream(serving(func(s *h2stream) { s.answer("200", want) }))
				}
				c := r.h2(uint32(http2.SettingInitialWindowSize), uint32(window))
				c.keeps = true
				s := c.get()
				r.l.Run()
				rounds := 0
				for ; !s.ended && rounds < 10_000; rounds++ {
					held, owed, buffered := r.memory()
					if held > 128<<10 || owed > 128<<10 || buffered > 160<<10 {
						t.Fatalf("at %d bytes: %d held, %d owed, %d of output", len(s.body), held, owed, buffered)
					}
					n := s.held
					s.held, c.held = 0, 0
					c.credit(0, n)
					c.credit(s.id, n)
					if rounds%50 == 0 {
						r.l.Advance(time.Second)
					}
					r.l.Run()
				}
				if string(s.body) != want || !s.ended {
					t.Errorf("%d bytes after %d rounds, ended %v, or others than were sent", len(s.body), rounds, s.ended)
				}
				r.over(c.p)
			})
		}
	}
}

// A client whose TCP window is shut, over the same.
func TestH2ClientThatStopsReading(t *testing.T) {
	const size = 4 << 20
	want := bodyOf("big", size)
	for _, up := range []string{"Http1", "Http2"} {
		r := newRig(t, h2doc("Http2", up, toCluster, ""))
		if up == "Http1" {
			r.upstream(bigH1(size))
		} else {
			r.h2upstream(serving(func(s *h2stream) { s.answer("200", want) }))
		}
		c := r.h2(uint32(http2.SettingInitialWindowSize), 1<<30)
		c.credit(0, 1<<30)
		r.l.Run()
		c.p.Window(0)
		s := c.get()
		r.l.Run()
		held, owed, buffered := r.memory()
		if held > 128<<10 || owed > 128<<10 || buffered > 128<<10 {
			t.Errorf("%s: %d held, %d owed, %d of output", up, held, owed, buffered)
		}
		r.l.Advance(30 * time.Second)
		c.p.Window(-1)
		r.l.Run()
		if string(s.body) != want || !s.ended {
			t.Errorf("%s: %d bytes, ended %v", up, len(s.body), s.ended)
		}
		r.over(c.p)
	}
}

// Stalled streams stall no other on the same connections.
func TestH2StalledStreamsBesideOthers(t *testing.T) {
	const size = 1 << 20
	for _, up := range []string{"Http1", "Http2"} {
		r := newRig(t, h2doc("Http2", up, toCluster, ""))
		if up == "Http1" {
			r.upstream(bigH1(size))
		} else {
			r.h2upstream(serving(func(s *h2stream) { s.answer("200", bodyOf("big", size)) }))
		}
		c := r.h2(uint32(http2.SettingInitialWindowSize), 10)
		c.credit(0, 1<<30)
		c.keeps = true
		var stalled []*h2stream
		for range 4 {
			stalled = append(stalled, c.get())
		}
		r.l.Run()
		for range 3 {
			s := c.get()
			c.credit(s.id, 2*size)
			r.l.Run()
			if !s.ended || len(s.body) != size {
				t.Errorf("%s: beside stalled streams, one has %d bytes", up, len(s.body))
			}
		}
		for _, s := range stalled {
			if len(s.body) != 10 {
				t.Errorf("%s: a stalled stream got %d bytes", up, len(s.body))
			}
			c.credit(s.id, 2*size)
		}
		r.l.Run()
		for _, s := range stalled {
			if !s.ended || string(s.body) != bodyOf("big", size) {
				t.Errorf("%s: a stream whose window opened has %d bytes", up, len(s.body))
			}
		}
		r.over(c.p)
	}
}

// Uploads to upstreams that take little: the fast client is held back, stalled ones stall no other.
func TestH2SlowUpstreamFastClient(t *testing.T) {
	const size = 2 << 20
	body := bodyOf("up", size)
	t.Run("Http2", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		ups := r.h2upstream(func(c *h2peer) { c.keeps = true; c.onEnd = okH2 }, uint32(http2.SettingInitialWindowSize), 1000)
		c := r.h2()
		stalled, s := c.post(), c.post()
		r.l.Run()
		up := (*ups)[0]
		stalled.data(body, true)
		s.data(body, true)
		r.l.Run()
		held, owed, _ := r.memory()
		if held > 256<<10 || owed > 256<<10 {
			t.Errorf("%d held, %d owed", held, owed)
		}
		up.credit(0, 1<<30)
		us := up.stream(3)
		for i := 0; !us.ended && i < 10_000; i++ {
			n := us.held
			us.held = 0
			up.credit(us.id, n)
			if i%40 == 0 {
				up.credit(1, 10) // the other goes on, too, though slowly
				r.l.Advance(time.Second)
			}
			r.l.Run()
		}
		if string(us.body) != body {
			t.Errorf("the upstream has %d bytes", len(us.body))
		}
		s.has("ok END")
		r.over(c.p)
	})
	t.Run("Http1", func(t *testing.T) {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		var got strings.Builder
		ups := r.upstream(func(p *looptest.Peer) { p.Window(1); p.OnReceive(func(b []byte) { got.Write(b) }) })
		c := r.h2()
		s := c.post("content-length", fmt.Sprint(size))
		r.l.Run()
		s.data(body, true)
		r.l.Run()
		up := (*ups)[0]
		for i := 0; up.Total() < size && i < 10_000; i++ {
			up.Window(1 + i%50_000)
			if i%100 == 0 {
				held, owed, _ := r.memory()
				// The window has grown while the upstream took all that came: so much may be under way.
				if held > 160<<10 || owed > 512<<10 {
					t.Fatalf("%d held, %d owed", held, owed)
				}
				r.l.Advance(time.Second)
			}
			r.l.Run()
		}
		up.Window(-1)
		r.l.Run()
		if _, b, _ := strings.Cut(got.String(), endOfHead); b != body {
			t.Errorf("the upstream has %d bytes", len(b))
		}
		up.Send(ok)
		r.l.Run()
		s.has("ok END")
		r.over(c.p)
	})
	t.Run("from Http1", func(t *testing.T) {
		r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
		ups := r.h2upstream(func(c *h2peer) { c.keeps = true; c.onEnd = okH2 }, uint32(http2.SettingInitialWindowSize), 5000)
		c := r.connect()
		c.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, body))
		r.l.Run()
		up := (*ups)[0]
		if c.Unread() < size-512<<10 {
			t.Errorf("%d bytes were read from the client, the upstream has %d", size-c.Unread(), len(up.stream(1).body))
		}
		for i := 0; !up.stream(1).ended && i < 10_000; i++ {
			(&simClient{h2: up}).giveBack(up.held)
			r.l.Run()
		}
		if string(up.stream(1).body) != body {
			t.Errorf("the upstream has %d bytes", len(up.stream(1).body))
		}
		if got := c.Take(); !strings.HasSuffix(got, "ok") {
			t.Errorf("got %q", got)
		}
		r.over(c)
	})
}

// A slow HTTP/1 client of a big answer over HTTP/2.
func TestH2BigAnswerToSlowH1(t *testing.T) {
	const size = 4 << 20
	r := newRig(t, h2doc("Http1", "Http2", toCluster, ""))
	want := bodyOf("big", size)
	ups := r.h2upstream(serving(func(s *h2stream) { s.answer("200", want, "content-length", fmt.Sprint(size)) }))
	c := r.connect()
	other := r.connect()
	c.Window(0)
	c.Send(get)
	r.l.Run()
	if held, owed, buffered := r.memory(); held > 128<<10 || owed > 128<<10 || buffered > 192<<10 {
		t.Errorf("%d held, %d owed, %d of output", held, owed, buffered)
	}
	other.Send(get)
	r.l.Run()
	if _, b, _ := strings.Cut(other.Take(), endOfHead); b != want {
		t.Errorf("the other client, whose stream shares the connection, got %d bytes", len(b))
	}
	for i := 0; len(c.Bytes()) < size && i < 10_000; i++ {
		c.Window(10_000)
		r.l.Run()
	}
	c.Window(-1)
	r.l.Run()
	if _, b, _ := strings.Cut(c.Take(), endOfHead); b != want {
		t.Errorf("the slow client got %d bytes", len(b))
	}
	if len(*ups) != 1 {
		t.Errorf("%d connections", len(*ups))
	}
	r.over(c, other)
}

// CVE-2019-9511, data dribble: a window that opens byte by byte is no progress, however often.
func TestH2AttackCVE_2019_9511DataDribble(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 100 * time.Millisecond} {
		r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
		r.upstream(bigH1(1 << 20))
		innocent := r.h2()
		c := r.h2(uint32(http2.SettingInitialWindowSize), 1)
		c.keeps = true
		s := c.get()
		r.l.Run()
		took := time.Duration(0)
		for ; s.reset == "" && took < time.Hour; took += every {
			c.credit(s.id, 1)
			c.credit(0, 1)
			r.l.Advance(every)
		}
		if every == time.Second && took > 200*time.Second {
			t.Errorf("one byte each %s: still there after %s", every, took)
		}
		if every < time.Second && len(s.body) < 1000 && took > 61*time.Second {
			t.Errorf("one byte each %s: still there after %s with %d bytes", every, took, len(s.body))
		}
		ok := innocent.get()
		r.l.Run()
		if !ok.ended {
			t.Error("an innocent client is not served")
		}
		r.over(c.p, innocent.p)
	}
}

// An upstream that takes an upload byte by byte makes no progress either.
func TestH2UpstreamDribble(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	ups := r.h2upstream(func(c *h2peer) { c.keeps = true }, uint32(http2.SettingInitialWindowSize), 1)
	c := r.h2()
	s := c.post()
	r.l.Run()
	s.data(strings.Repeat("x", 10_000), false)
	r.l.Run()
	up := (*ups)[0]
	took := time.Duration(0)
	for ; !s.ended && s.reset == "" && took < time.Hour; took += time.Second {
		up.credit(1, 1)
		r.l.Advance(time.Second)
	}
	if took > 70*time.Second {
		t.Errorf("one byte a second: still there after %s", took)
	}
	r.over(c.p)
}

// Progress has its limits: bodies that stop, upstreams that stop taking, answers that stop.
func TestH2ProgressLimits(t *testing.T) {
	for _, x := range []struct {
		name   string
		up     func(c *h2peer)
		client func(r *rig, c *h2peer) *h2stream
		within time.Duration
		reason protocols.Reason
		want   string
	}{
		{"body_timeout", nil, func(r *rig, c *h2peer) *h2stream {
			s := c.post()
			s.data("some", false)
			return s
		}, 61 * time.Second, protocols.ReasonBodyTimeout, ":status: 408"},
		{"slow_reader", func(c *h2peer) { c.onEnd = func(s *h2stream) { s.answer("200", strings.Repeat("x", 100_000)) } }, func(r *rig, c *h2peer) *h2stream {
			c.keeps = true
			return c.get()
		}, 121 * time.Second, protocols.ReasonSlowReader, "RST CANCEL"},
		{"upstream takes no more", func(c *h2peer) { c.keeps = true }, func(r *rig, c *h2peer) *h2stream {
			s := c.post()
			s.data(strings.Repeat("x", 300_000), true)
			return s
		}, 121 * time.Second, protocols.ReasonStreamIdle, ":status: 504"},
		{"stream_idle", func(c *h2peer) {
			c.onEnd = func(s *h2stream) { c.headers(s.id, false, ":status", "200"); s.data("x", false) }
		}, func(r *rig, c *h2peer) *h2stream { return c.get() }, 301 * time.Second, protocols.ReasonStreamIdle, "RST CANCEL"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newRig(t, h2doc("Http2", "Http2", `"route":{"cluster_name":"c","timeout":"0s"}`, ""))
			r.h2upstream(x.up)
			c := r.h2()
			s := x.client(r, c)
			r.l.Run()
			if s.reset != "" {
				t.Fatalf("at once: %s", s)
			}
			r.l.Advance(x.within)
			s.has(x.want)
			if n := r.failed(x.reason); n != 1 {
				t.Errorf("%d requests failed for %s", n, x.reason)
			}
			if c.p.Closed() {
				t.Error("the connection was closed for one stream")
			}
			r.over(c.p)
		})
	}
}
