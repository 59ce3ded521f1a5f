package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/upstream"
)

// TestH2NothingIsLeftBehind runs some hundred seeds for each pair of protocols that has HTTP/2 in it; more of them were run
// when it was written.
func TestH2NothingIsLeftBehind(t *testing.T) {
	exchanges, whole := 0, 0
	for _, pair := range [][2]string{{"Http2", "Http2"}, {"Http2", "Http1"}, {"Http1", "Http2"}} {
		for seed := range uint64(40) {
			// A test of its own, so that what belongs to it can be collected.
			t.Run(fmt.Sprintf("%s to %s %d", pair[0], pair[1], seed), func(t *testing.T) {
				s := simulateH2(t, pair[0], pair[1], seed)
				exchanges, whole = exchanges+s.exchanges, whole+s.whole
			})
			if t.Failed() {
				return
			}
		}
	}
	if exchanges < 3000 || whole < exchanges/10 {
		t.Errorf("%d exchanges, %d of them well: the simulation is too rough to tell anything", exchanges, whole)
	}
	t.Logf("%d exchanges, %d answered well", exchanges, whole)
}

// bodyOf is a body that shows where each of its bytes belongs.
func bodyOf(tag string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s.%d;", tag, i)
	}
	return b.String()[:n]
}

// simH2 is one run of the simulation.
type simH2 struct {
	t         *testing.T
	r         *rig
	rng       *rand.Rand
	up        string
	clients   []*simClient
	upH2      []*h2peer
	upH1      []*looptest.Peer
	opened    int // upstreams whose windows were opened at the end
	exchanges int
	whole     int // that were answered as they should be
}

// simClient is a client of either protocol, and what it has asked.
type simClient struct {
	h2   *h2peer
	h1   *looptest.Peer
	asks []*simAsk
	dead bool
}

// simAsk is a request: the upstream answers what its path says.
type simAsk struct {
	s         *h2stream
	tag       string
	up, down  int
	abandoned bool
}

func (a *simAsk) path() string { return fmt.Sprintf("/%s/%d/%d", a.tag, a.up, a.down) }

func simulateH2(t *testing.T, down, up string, seed uint64) *simH2 {
	rng := rand.New(rand.NewPCG(seed, 7))
	route := []string{toCluster, `"route":{"cluster_name":"c","timeout":"20s","retry_policy":{"retry_on":true,"retry_timeout":"5s","num_retries":3}}`}[rng.IntN(2)]
	doc := h2doc(down, up, route, "")
	doc = strings.Replace(doc, `"hosts":[{"address":"10.0.0.1:80"}]`, `"hosts":[{"address":"10.0.0.1:80"},{"address":"10.0.0.2:80"}]`, 1)
	more := []string{"", `"circuit_breakers":[{"priority":"DEFAULT","max_connections":1,"max_requests":20,"max_retries":2}],`, `"max_concurrent_streams":2,`}[rng.IntN(3)]
	doc = strings.Replace(doc, `"lb_type":"LB_ROUNDROBIN",`, `"lb_type":"LB_ROUNDROBIN",`+more, 1)
	r := newRig(t, doc)
	s := &simH2{t: t, r: r, rng: rng, up: up}
	r.l.Do(func() {
		r.g.workers[0].rng.Seed(seed, 11)
		r.g.clusters.Cluster("c").On(r.l).Seed(seed)
	})
	if rng.IntN(3) == 0 {
		r.l.Inject(seed, looptest.Faults{ShortRead: 0.2, ShortWrite: 0.2, Again: 0.05, Reset: 0.002, Cut: 0.001})
	}
	a, b := r.up, loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.2:80")}
	s.place(a)
	s.place(b)
	full := r.g.cfg.Clusters[0]
	for range 120 {
		switch rng.IntN(16) {
		case 0, 1:
			s.connect(down)
		case 2, 3, 4, 5, 6:
			s.ask()
		case 7, 8:
			s.clientActs()
		case 9, 10, 11:
			s.upstreamActs()
		case 12:
			s.place([]loop.Addr{a, b}[rng.IntN(2)])
		case 13:
			cfg := full
			switch rng.IntN(3) {
			case 0:
				cfg.Hosts = full.Hosts[:1]
			case 1:
				cfg.Hosts = full.Hosts[1:]
			}
			r.g.clusters.Update([]upstream.ClusterConfig{cfg})
		case 14:
			r.l.Step()
			continue
		case 15:
			r.l.Advance(time.Duration(rng.IntN(4000)) * time.Millisecond)
		}
		if rng.IntN(3) > 0 {
			r.l.Run()
		}
	}
	s.end()
	return s
}

func (s *simH2) connect(down string) {
	c := &simClient{}
	if down == "Http1" {
		c.h1 = s.r.connect()
	} else {
		window := []uint32{65535, 100, 3000, 1 << 20}[s.rng.IntN(4)]
		c.h2 = s.r.h2(4, window)
		c.h2.keeps = s.rng.IntN(3) == 0
	}
	s.clients = append(s.clients, c)
}

// size is that of a body: often none, sometimes far over every window.
func (s *simH2) size() int {
	return []int{0, 0, 1, 10, 1000, 20_000, 70_000, 300_000}[s.rng.IntN(8)]
}

func (s *simH2) ask() {
	if len(s.clients) == 0 {
		return
	}
	c := s.clients[s.rng.IntN(len(s.clients))]
	a := &simAsk{tag: strconv.Itoa(s.exchanges), up: s.size(), down: s.size()}
	s.exchanges++
	if c.h1 != nil {
		s.askH1(c, a)
		return
	}
	if c.dead {
		return
	}
	c.asks = append(c.asks, a)
	method := []string{"GET", "POST"}[min(a.up, 1)]
	fields := []string{":method", method, ":path", a.path()}
	if s.rng.IntN(2) == 0 && a.up > 0 {
		fields = append(fields, "content-length", strconv.Itoa(a.up))
	}
	a.s = c.h2.request(a.up == 0, fields...)
	if a.up == 0 {
		return
	}
	body := bodyOf(a.tag, a.up)
	cut := s.rng.IntN(len(body) + 1)
	a.s.data(body[:cut], false)
	if s.rng.IntN(2) == 0 {
		s.r.l.Run()
	}
	if s.rng.IntN(10) == 0 {
		return // never ends
	}
	a.s.data(body[cut:], true)
}

// askH1 sends one request behind the others; answers are compared in the order in which they come.
func (s *simH2) askH1(c *simClient, a *simAsk) {
	if c.h1.Closed() {
		return
	}
	c.asks = append(c.asks, a)
	body := bodyOf(a.tag, a.up)
	if s.rng.IntN(2) == 0 {
		c.h1.Send("POST " + a.path() + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + strconv.Itoa(a.up) + "\r\n\r\n" + body)
		return
	}
	c.h1.Send("POST " + a.path() + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	if a.up > 0 {
		c.h1.Send(strconv.FormatInt(int64(a.up), 16) + "\r\n" + body + "\r\n")
	}
	c.h1.Send("0\r\n\r\n")
}

func (s *simH2) clientActs() {
	if len(s.clients) == 0 {
		return
	}
	c := s.clients[s.rng.IntN(len(s.clients))]
	p := c.h1
	if p == nil {
		p = c.h2.p
	}
	switch s.rng.IntN(12) {
	case 0:
		p.Reset()
		c.dead = true
	case 1:
		p.Close()
		c.dead = true
	case 2:
		if c.h1 == nil {
			p.CloseWrite()
			c.dead = true
		}
	case 3:
		p.Window(0)
	case 4:
		p.Window(-1)
	case 5:
		p.Window(1 + s.rng.IntN(5000))
	default:
		if c.h2 != nil && len(c.asks) > 0 && !c.dead {
			a := c.asks[s.rng.IntN(len(c.asks))]
			switch {
			case s.rng.IntN(3) == 0 && a.s.reset == "" && !(a.s.ended && a.s.endSent):
				a.abandoned = true
				a.s.rst(http2.ErrCodeCancel)
			case c.h2.keeps:
				c.giveBack(s.rng.IntN(c.h2.held + 1))
			}
		}
	}
}

// giveBack opens windows by n of what has come.
func (c *simClient) giveBack(n int) {
	p := c.h2
	n = min(n, p.held)
	if n <= 0 {
		return
	}
	p.held -= n
	p.credit(0, n)
	for _, id := range p.order {
		if st := p.streams[id]; st.held > 0 {
			k := min(st.held, n)
			st.held -= k
			if !st.ended && st.reset == "" && !p.streamOver(st) {
				p.credit(id, k)
			}
		}
	}
}

func (c *h2peer) streamOver(s *h2stream) bool { return s.endSent && s.reset == "" && s.ended }

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

// end lets everything that can end do so, checks what the clients got, and that nothing is left.
func (s *simH2) end() {
	r := s.r
	r.l.Inject(0, looptest.Faults{})
	for _, c := range s.upH2 {
		c.p.Window(-1)
	}
	for _, p := range s.upH1 {
		p.Window(-1)
	}
	// Held windows open bit by bit. A dribble gets nowhere in the time that there is: it is cut off.
	for range 5000 {
		if s.giveAllBack() == 0 {
			break
		}
	}
	s.nobodyIsStuck()
	// Whoever still waits waits for a silent upstream, or its own end: that has a limit.
	r.l.Advance(400 * time.Second)
	for _, c := range s.clients {
		s.check(c)
	}
	for _, c := range s.clients {
		if c.h2 != nil {
			c.h2.p.Reset()
		} else {
			c.h1.Reset()
		}
	}
	r.l.Run()
	r.l.Advance(8000 * time.Second)
	r.nothingLeft()
	gauges(s.t, r)
	for _, c := range s.upH2 {
		if !c.p.Closed() {
			s.t.Error("an upstream connection is still open")
		}
	}
}

// eachH2 calls f for every HTTP/2 peer.
func (s *simH2) eachH2(f func(c *h2peer)) {
	for _, c := range slices.Clone(s.upH2) {
		f(c)
	}
	for _, c := range s.clients {
		if c.h2 != nil {
			f(c.h2)
		}
	}
}

// giveAllBack opens all windows by what has come, and returns how many bytes have come since.
func (s *simH2) giveAllBack() (held int) {
	for ; s.opened < len(s.upH2); s.opened++ {
		s.upH2[s.opened].sendSettings(4, 1<<20)
		held++ // look again
	}
	for _, c := range s.clients {
		if c.h1 != nil {
			c.h1.Window(-1)
		}
	}
	s.eachH2(func(c *h2peer) {
		c.p.Window(-1)
		(&simClient{h2: c}).giveBack(c.held)
	})
	s.r.l.Run()
	s.eachH2(func(c *h2peer) {
		if !c.p.Closed() {
			held += c.held
		}
	})
	return held + len(s.upH2) - s.opened
}

// nobodyIsStuck asserts that no stream waits for a window or an output: all of them are open.
func (s *simH2) nobodyIsStuck() {
	stuck := func(st *stream) {
		if st.answer.state == directionFull || !st.answer.hold.empty() {
			s.t.Errorf("stream %d: its answer waits, state %d, %d bytes held, %d owed", st.id, st.answer.state, st.answer.hold.waiting(), st.answer.owed)
		}
		if st.state == upstreamLeased && (st.request.state == directionFull || !st.request.hold.empty()) {
			s.t.Errorf("stream %d: its request waits, state %d, %d bytes held, %d owed", st.id, st.request.state, st.request.hold.waiting(), st.request.owed)
		}
	}
	s.r.l.Do(func() {
		for x := s.r.g.workers[0].sessions.first; x != nil; x = x.next {
			switch k := x.kind.(type) {
			case *mux:
				if k.eof {
					continue // the client can say nothing more, of windows neither
				}
				for st := k.first; st != nil; st = st.nextInSession {
					stuck(st)
				}
			case *serial:
				if k.stream != nil {
					stuck(k.stream)
				}
			}
		}
	})
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
