package gateway

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/upstream"
)

// TestNothingIsLeftBehind runs a few hundred seeds; more of them were run when it was written.
func TestNothingIsLeftBehind(t *testing.T) {
	for seed := range uint64(300) {
		if simulate(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// simulate lets random clients, upstreams, faults and changes of the cluster meet, ends them all, and checks that nothing is
// left: no stream, connection, waiting request, count or gauge.
func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	route := []string{toCluster, `"route":{"cluster_name":"c","timeout":"3s","retry_policy":{"retry_on":true,"retry_timeout":"1s","num_retries":3}}`}[rng.IntN(2)]
	doc := twoHosts("", "")
	doc = strings.Replace(doc, toCluster, route, 1)
	limits := []string{"", `"circuit_breakers":[{"priority":"DEFAULT","max_connections":1,"max_requests":3,"max_retries":1}],`}[rng.IntN(2)]
	doc = strings.Replace(doc, `"lb_type":"LB_ROUNDROBIN",`, `"lb_type":"LB_ROUNDROBIN",`+limits, 1)
	r := newRig(t, doc)
	a, b := r.up, loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.2:80")}
	answers := []string{ok, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"garbage\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi",
		ok + "extra", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil eof",
		"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("y", 300000), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"}
	var ups, clients []*looptest.Peer
	act := func(p *looptest.Peer) {
		switch rng.IntN(12) {
		case 0:
			p.Close()
		case 1:
			p.Reset()
		case 2:
			p.CloseWrite()
		case 3:
			p.Window(0)
		case 4:
			p.Window(-1)
		default:
			p.Send(answers[rng.IntN(len(answers))])
		}
	}
	place := func(at loop.Addr) {
		switch rng.IntN(8) {
		case 0:
			r.l.Refuse(at)
		case 1:
			r.l.Hang(at)
		case 2:
			r.l.FailDial(at, 101, true)
		default:
			r.l.Listen(at, func(p *looptest.Peer) {
				ups = append(ups, p)
				if rng.IntN(3) > 0 {
					p.OnReceive(func([]byte) { act(p) })
				}
			})
		}
	}
	place(a)
	place(b)
	requests := []string{get, get + get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nbody",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "0\r\n\r\n", "body", "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("z", 200000), "\r\n"}
	full := r.g.cfg.Clusters[0]
	for range 60 {
		switch rng.IntN(14) {
		case 0, 1:
			clients = append(clients, r.connect())
		case 2, 3, 4, 5:
			if len(clients) > 0 {
				ci, ri := rng.IntN(len(clients)), rng.IntN(len(requests))
				clients[ci].Send(requests[ri])
			}
		case 6:
			if len(clients) > 0 {
				c := clients[rng.IntN(len(clients))]
				switch rng.IntN(5) {
				case 0:
					c.Reset()
				case 1:
					c.Close()
				case 2:
					c.CloseWrite()
				case 3:
					c.Window(0)
				case 4:
					c.Window(-1)
				}
			}
		case 7, 8, 9:
			if len(ups) > 0 {
				act(ups[rng.IntN(len(ups))])
			}
		case 10:
			place([]loop.Addr{a, b}[rng.IntN(2)])
		case 11:
			cfg := full
			switch rng.IntN(3) {
			case 0:
				cfg.Hosts = full.Hosts[:1]
			case 1:
				cfg.Hosts = full.Hosts[1:]
			}
			if rng.IntN(2) == 0 {
				cfg.Limits.Requests = rng.IntN(20)
			}
			r.g.clusters.Update([]upstream.ClusterConfig{cfg})
		case 12:
			r.l.Step()
			continue
		case 13:
			r.l.Advance(time.Duration(rng.IntN(5000)) * time.Millisecond)
		}
		if rng.IntN(3) > 0 {
			r.l.Run()
		}
	}
	r.l.Run()
	for _, c := range clients {
		c.Reset()
	}
	r.l.Run()
	r.l.Advance(8000 * time.Second)
	w := r.g.workers[0]
	if first := w.sessions.first; first != nil {
		x := first.kind.(*serial)
		t.Logf("session phase %d eof %v unread %d buffered %d armed %v at %v now %v", x.phase, x.eof, x.unread, x.conn.Buffered(), x.timer.Armed(), x.timer.At(), r.l.Clock())
		if st := x.stream; st != nil {
			t.Logf("stream request %d answer %d state %d received %d sent %d status %d tries %d", st.request.state, st.answer.state, st.state, st.received, st.sent, st.status, st.tries)
			if st.lease != nil {
				t.Logf("lease buffered %d", st.lease.Buffered())
			}
		}
		for _, p := range r.l.Peers() {
			t.Logf("peer %s closed %v unread %d", p.Remote(), p.Closed(), p.Unread())
		}
	}
	if w.active != 0 || w.sessions.count != 0 {
		t.Errorf("active %d sessions %d", w.active, w.sessions.count)
	}
	r.l.Do(func() {
		loc := r.g.clusters.Cluster("c").On(r.l)
		if err := loc.CheckIdle(); err != nil {
			t.Error(err)
		}
	})
	gauges(t, r)
	for _, c := range ups {
		if !c.Closed() {
			t.Errorf("an upstream connection is still open")
		}
	}
}

func gauges(t *testing.T, r *rig) {
	done := make(chan []metrics.Series)
	go func() { done <- r.g.registry.Snapshot() }()
	for {
		select {
		case all := <-done:
			for _, s := range all {
				if s.Value != 0 && s.Kind == metrics.KindGauge && !strings.HasPrefix(s.Name, "go_") {
					t.Errorf("%s %v = %v", s.Name, s.Values, s.Value)
				}
			}
			return
		case <-time.After(50 * time.Microsecond):
			r.l.Run()
		}
	}
}
