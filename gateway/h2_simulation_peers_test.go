package gateway

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"sluice/loop"
	"sluice/loop/looptest"
)

func (s *simH2) place(at loop.Addr) {
	switch s.rng.IntN(8) {
	case 0:
		s.r.l.Refuse(at)
	case 1:
		s.r.l.Hang(at)
	default:
		s.r.l.Listen(at, func(p *looptest.Peer) {
			if s.up == "Http1" {
				s.serveH1(p)
			} else {
				s.serveH2(p)
			}
		})
	}
}

// serveH2 makes p an upstream that answers most requests as their paths say.
func (s *simH2) serveH2(p *looptest.Peer) {
	c := newH2peer(s.t, p, true)
	c.keeps = s.rng.IntN(4) == 0
	s.upH2 = append(s.upH2, c)
	early := s.rng.IntN(6) == 0
	answer := func(st *h2stream) {
		switch s.rng.IntN(14) {
		case 0:
			st.rst(http2.ErrCodeRefusedStream)
		case 1:
			st.rst(http2.ErrCodeInternal)
		case 2:
			c.headers(st.id, false, ":status", "200")
			st.data("x", false)
			st.rst(http2.ErrCodeInternal)
		case 3: // says nothing
		case 4:
			c.headers(st.id, false, ":status", "103")
			s.answerH2(st)
		default:
			s.answerH2(st)
		}
	}
	if early {
		c.onHead = answer
	} else {
		c.onEnd = answer
	}
	settings := []uint32{}
	if s.rng.IntN(2) == 0 {
		settings = append(settings, 3, uint32(1+s.rng.IntN(5)))
	}
	if s.rng.IntN(2) == 0 {
		settings = append(settings, 4, []uint32{0, 10, 1000, 1 << 20}[s.rng.IntN(4)])
	}
	c.sendSettings(settings...)
	if s.rng.IntN(2) == 0 {
		c.sendSettings(4, 65535)
	}
}

// asked is what the path of a request says.
func asked(path string) (tag string, up, down int) {
	parts := strings.Split(path, "/")
	up, _ = strconv.Atoi(parts[2])
	down, _ = strconv.Atoi(parts[3])
	return parts[1], up, down
}

func (s *simH2) answerH2(st *h2stream) {
	tag, up, down := asked(st.field(":path"))
	if st.ended && string(st.body) != bodyOf(tag, up) {
		s.t.Errorf("the upstream got %d bytes of the body of %s, which has %d, or others", len(st.body), tag, up)
	}
	fields := []string{":status", "200", "x-tag", tag}
	if s.rng.IntN(2) == 0 {
		fields = append(fields, "content-length", strconv.Itoa(down))
	}
	st.c.headers(st.id, false, fields...)
	body := bodyOf("a"+tag, down)
	if s.rng.IntN(3) == 0 {
		st.data(body, false)
		st.endWith("x-trail", "t")
	} else {
		st.data(body, true)
	}
}

// serveH1 is the same for HTTP/1.
func (s *simH2) serveH1(p *looptest.Peer) {
	s.upH1 = append(s.upH1, p)
	var in string
	p.OnReceive(func(b []byte) {
		in += string(b)
		head, rest, ok := strings.Cut(in, endOfHead)
		if !ok {
			return
		}
		path := strings.Split(head, " ")[1]
		tag, up, down := asked(path)
		want := bodyOf(tag, up)
		switch {
		case strings.Contains(head, "Transfer-Encoding: chunked"):
			if !strings.HasSuffix(rest, "0\r\n\r\n") {
				return
			}
			rest = dechunk(s.t, in)
		case len(rest) < up:
			return
		}
		in = ""
		if rest != want {
			s.t.Errorf("the upstream got %d bytes of the body of %s, which has %d, or others", len(rest), tag, up)
		}
		body := bodyOf("a"+tag, down)
		switch s.rng.IntN(12) {
		case 0:
			p.Reset()
		case 1:
			p.Send("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(down+1) + "\r\n\r\n" + body)
			p.Close()
		case 2: // says nothing
		case 3:
			p.Send("HTTP/1.1 200 OK\r\nx-tag: " + tag + "\r\nConnection: close\r\n\r\n" + body)
			p.Close()
		case 4, 5:
			p.Send("HTTP/1.1 200 OK\r\nx-tag: " + tag + "\r\nTransfer-Encoding: chunked\r\n\r\n")
			if down > 0 {
				p.Send(strconv.FormatInt(int64(down), 16) + "\r\n" + body + "\r\n")
			}
			p.Send("0\r\n\r\n")
		default:
			p.Send("HTTP/1.1 200 OK\r\nx-tag: " + tag + "\r\nContent-Length: " + strconv.Itoa(down) + "\r\n\r\n" + body)
		}
	})
}

func (s *simH2) upstreamActs() {
	var p *looptest.Peer
	switch {
	case len(s.upH1) > 0:
		p = s.upH1[s.rng.IntN(len(s.upH1))]
	case len(s.upH2) > 0:
		c := s.upH2[s.rng.IntN(len(s.upH2))]
		p = c.p
		if c.started {
			switch s.rng.IntN(8) {
			case 0:
				last := uint32(0)
				if n := len(c.order); n > 0 {
					last = c.order[s.rng.IntN(n)]
				}
				c.sendGoAway(last, http2.ErrCodeNo)
				return
			case 1:
				c.frame(http2.FramePing, 0, 0, "12345678")
				return
			case 2, 3, 4:
				if c.keeps && c.held > 0 {
					(&simClient{h2: c}).giveBack(c.held)
				}
				return
			}
		}
	default:
		return
	}
	switch s.rng.IntN(10) {
	case 0:
		p.Reset()
	case 1:
		p.Close()
	case 2:
		p.CloseWrite()
	case 3, 4:
		p.Window(0)
	default:
		p.Window(-1)
	}
}

// check looks at every request of a client: one outcome each, and no byte that is another's.
func (s *simH2) check(c *simClient) {
	if c.h1 != nil {
		s.checkH1(c)
		return
	}
	open := !c.h2.p.Closed() && !c.h2.p.EOF() && !c.dead
	for _, a := range c.asks {
		st := a.s
		if tag := st.field("x-tag"); tag != "" && tag != a.tag {
			s.t.Errorf("request %s got the answer to %s", a.tag, tag)
		}
		want := bodyOf("a"+a.tag, a.down)
		ok := st.field("x-tag") == a.tag && st.field(":status") == "200"
		if ok && st.ended {
			s.whole++
		}
		switch {
		case ok && !strings.HasPrefix(want, string(st.body)):
			s.t.Errorf("request %s got bytes that are not its own", a.tag)
		case ok && st.ended && string(st.body) != want:
			s.t.Errorf("request %s got %d bytes of %d as a whole", a.tag, len(st.body), len(want))
		case st.ended || st.reset != "" || a.abandoned:
		case open:
			s.t.Errorf("request %s has no outcome: %d heads, %d bytes of %d, sent all: %v, window %d", a.tag, len(st.heads), len(st.body), len(want), st.endSent, st.window)
		}
	}
}

func (s *simH2) checkH1(c *simClient) {
	got := c.h1.Received()
	for _, a := range c.asks {
		head, rest, ok := strings.Cut(got, endOfHead)
		if !ok {
			if !c.h1.Closed() && !c.dead {
				s.t.Errorf("request %s has no answer: %q", a.tag, got)
			}
			return
		}
		if strings.HasPrefix(head, "HTTP/1.1 103") || strings.HasPrefix(head, "HTTP/1.1 100") {
			head, rest, ok = strings.Cut(rest, endOfHead)
			if !ok {
				return
			}
		}
		body, rest, whole := bodyH1(s.t, head, rest)
		want := bodyOf("a"+a.tag, a.down)
		if strings.Contains(head, "x-tag: ") {
			if !strings.Contains(head+"\r\n", "x-tag: "+a.tag+"\r\n") {
				s.t.Errorf("request %s got another's answer: %q", a.tag, head)
				return
			}
			if !strings.HasPrefix(want, body) || whole && body != want {
				s.t.Errorf("request %s got %d bytes of %d, or others", a.tag, len(body), len(want))
			}
		}
		if whole && strings.Contains(head, "x-tag") {
			s.whole++
		}
		if !whole {
			if !c.h1.Closed() && !c.dead {
				s.t.Errorf("request %s has half an answer", a.tag)
			}
			return
		}
		got = rest
	}
}

// bodyH1 cuts the body that head announces off s.
func bodyH1(t *testing.T, head, s string) (body, rest string, whole bool) {
	if _, v, ok := strings.Cut(strings.ToLower(head), "content-length: "); ok {
		v, _, _ = strings.Cut(v, "\r\n")
		n, _ := strconv.Atoi(v)
		if len(s) < n {
			return s, "", false
		}
		return s[:n], s[n:], true
	}
	var b strings.Builder
	for {
		size, after, ok := strings.Cut(s, "\r\n")
		n, err := strconv.ParseInt(size, 16, 32)
		if !ok || err != nil {
			return b.String(), "", false
		}
		if n == 0 {
			_, after, _ = strings.Cut("\r\n"+after, endOfHead)
			return b.String(), after, true
		}
		if len(after) < int(n)+2 {
			b.WriteString(after[:min(len(after), int(n))])
			return b.String(), "", false
		}
		b.WriteString(after[:n])
		s = after[n+2:]
	}
}
