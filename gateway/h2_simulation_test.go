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

// TestH2NothingIsLeftBehind runs some seeds for each pair of protocols that has HTTP/2 in it; many more of them were run when it
// was written. A simulation is one goroutine, in which the race detector has little to find, and for which it takes ten times
// as long.
func TestH2NothingIsLeftBehind(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() || raceEnabled {
		seeds = 12
	}
	exchanges, whole := 0, 0
	for _, pair := range [][2]string{{"Http2", "Http2"}, {"Http2", "Http1"}, {"Http1", "Http2"}} {
		for seed := range seeds {
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
	if exchanges < 25*3*int(seeds) || whole < exchanges/10 {
		t.Errorf("%d exchanges, %d of them well: the simulation is too rough to tell anything", exchanges, whole)
	}
	t.Logf("%d exchanges, %d answered well", exchanges, whole)
}

// bodyOf is a body that shows where each of its bytes belongs.
func bodyOf(tag string, n int) string {
	b := make([]byte, 0, n+len(tag)+20)
	for i := 0; len(b) < n; i++ {
		b = append(b, tag...)
		b = append(b, '.')
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, ';')
	}
	return string(b[:n])
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
