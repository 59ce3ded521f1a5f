package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// What the upstream says it has not processed is sent again, with the body that went before.
func TestH2UnprocessedIsSentAgain(t *testing.T) {
	for _, x := range []struct {
		name   string
		refuse func(s *h2stream)
		conns  int
	}{
		{"REFUSED_STREAM", func(s *h2stream) { s.rst(http2.ErrCodeRefusedStream) }, 1},
		{"GOAWAY", func(s *h2stream) { s.c.sendGoAway(0, http2.ErrCodeNo) }, 2},
		{"GOAWAY and close", func(s *h2stream) { s.c.sendGoAway(0, http2.ErrCodeNo); s.c.p.Close() }, 2},
	} {
		for _, down := range []string{"Http1", "Http2"} {
			t.Run(x.name+" "+down, func(t *testing.T) {
				r := newRig(t, h2doc(down, "Http2", toCluster, ""))
				n := 0
				ups := r.h2upstream(serving(func(s *h2stream) {
					if n++; n == 1 {
						x.refuse(s)
						return
					}
					s.answer("200", fmt.Sprintf("got %s", s.body))
				}))
				if down == "Http2" {
					c := r.h2()
					s := c.post()
					s.data("the ", false)
					r.l.Run()
					s.data("body", true)
					r.l.Run()
					s.has(":status: 200", "got the body END")
					r.over(c.p)
				} else {
					c := r.connect()
					c.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nthe ")
					r.l.Run()
					c.Send("body")
					r.l.Run()
					if got := c.Take(); !strings.Contains(got, "got the body") {
						t.Errorf("got %q", got)
					}
					r.over(c)
				}
				if len(*ups) != x.conns {
					t.Errorf("%d connections, want %d", len(*ups), x.conns)
				}
			})
		}
	}
}

// An upstream that refuses for ever is asked a few times, and a body too long to be kept is not sent twice.
func TestH2RefusedForEver(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
	n := 0
	r.h2upstream(func(c *h2peer) { c.onHead = func(s *h2stream) { n++; s.rst(http2.ErrCodeRefusedStream) } })
	c := r.h2()
	s := c.get()
	r.l.Run()
	s.has(":status: 502", "upstream_reset: ")
	if n != maxRefused+1 {
		t.Errorf("asked %d times", n)
	}
	n = 0
	r.h2upstream(func(c *h2peer) {
		c.onData = func(s *h2stream) {
			if len(s.body) > maxRefusedReplay && s.reset == "" && !s.endSent {
				n++
				s.rst(http2.ErrCodeRefusedStream)
			}
		}
	})
	r.over(c.p)
	c = r.h2()
	s = c.post()
	s.data(strings.Repeat("x", maxRefusedReplay+1), false)
	r.l.Run()
	s.has(":status: 502", "upstream_reset: ")
	if n != 1 {
		t.Errorf("the long body was sent %d times", n)
	}
	r.over(c.p)
}

// A lost answer is no loss to be repeated without a policy; with one, up to its number.
func TestH2RetryPolicy(t *testing.T) {
	for _, x := range []struct {
		policy string
		want   int
	}{{"", 1}, {`,"retry_policy":{"retry_on":true,"num_retries":2}`, 3}} {
		r := newRig(t, h2doc("Http2", "Http2", `"route":{"cluster_name":"c"`+x.policy+`}`, ""))
		n := 0
		r.h2upstream(serving(func(s *h2stream) {
			n++
			if string(s.body) != "body" {
				t.Errorf("try %d has the body %q", n, s.body)
			}
			if n%2 == 0 {
				s.answer("503", "busy")
			} else {
				s.rst(http2.ErrCodeInternal)
			}
		}))
		c := r.h2()
		s := c.post()
		s.data("body", true)
		r.l.Advance(5 * time.Second)
		s.has(":status: 502", "upstream_reset: ")
		if n != x.want {
			t.Errorf("%s: %d tries, want %d", x.policy, n, x.want)
		}
		r.over(c.p)
	}
}

// A connection that ends may have gone stale, and a GET is sent again; one that resets a stream has not.
func TestH2ResetIsNotStale(t *testing.T) {
	for _, x := range []struct {
		name string
		lose func(s *h2stream)
		want int
	}{
		{"reset", func(s *h2stream) { s.rst(http2.ErrCodeInternal) }, 2},
		{"close", func(s *h2stream) { s.c.p.Close() }, 3},
	} {
		r := newRig(t, h2doc("Http2", "Http2", toCluster, ""))
		n := 0
		r.h2upstream(serving(func(s *h2stream) {
			if n++; n == 2 {
				x.lose(s)
			} else {
				okH2(s)
			}
		}))
		c := r.h2()
		c.get()
		r.l.Run()
		c.get()
		r.l.Run()
		if n != x.want {
			t.Errorf("%s: %d requests, want %d", x.name, n, x.want)
		}
		r.over(c.p)
	}
}
