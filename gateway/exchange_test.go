package gateway

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/upstream"
)

func twoHosts(lb string, extra string) string {
	s := plain(toCluster, "")
	return strings.Replace(s, `"hosts":[{"address":"10.0.0.1:80"}]`, `"hosts":[{"address":"10.0.0.1:80"},{"address":"10.0.0.2:80"}]`+extra, 1)
}

const tcpDoc = `{"servers":[{"default_log_path":"stdout","processor":1,
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"filter_chains":[{"filters":[{"type":"tcp_proxy",
  "config":{"cluster":"c"}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[{"address":"10.0.0.1:80"}]}]}}`

func TestTCPClientThatHalfClosesBeforeTheUpstreamIsThere(t *testing.T) {
	for _, data := range []string{"question", ""} {
		r := newRig(t, tcpDoc)
		ups := r.upstream(nil)
		client := r.connect()
		if data == "" {
			// let the session start
			for range 3 {
				r.l.Step()
			}
		}
		client.Send(data)
		client.CloseWrite()
		r.l.Run()
		if len(*ups) != 1 {
			t.Errorf("%q: no upstream connection", data)
			continue
		}
		up := (*ups)[0]
		if up.Received() != data || !up.EOF() {
			t.Errorf("the upstream has %q, FIN %v; want %q and a FIN", up.Received(), up.EOF(), data)
		}
		r.l.Advance(24 * time.Hour)
		t.Logf("after a day: client closed %v, upstream closed %v", client.Closed(), up.Closed())
	}
}

func TestTCPClientThatHalfClosesWhileItWaits(t *testing.T) {
	doc := strings.Replace(tcpDoc, `"lb_type":"LB_ROUNDROBIN",`,
		`"lb_type":"LB_ROUNDROBIN","circuit_breakers":[{"priority":"DEFAULT","max_connections":1}],`, 1)
	for _, data := range []string{"question", ""} {
		r := newRig(t, doc)
		ups := r.upstream(nil)
		first := r.connect()
		r.l.Run()
		client := r.connect()
		r.l.Run()
		client.Send(data)
		client.CloseWrite()
		r.l.Run()
		first.Reset()
		r.l.Run()
		if len(*ups) != 2 {
			t.Errorf("%q: %d upstream connections", data, len(*ups))
			continue
		}
		up := (*ups)[1]
		if up.Received() != data || !up.EOF() {
			t.Errorf("the upstream has %q, FIN %v; want %q and a FIN", up.Received(), up.EOF(), data)
		}
		r.l.Advance(24 * time.Hour)
		t.Logf("after a day: client closed %v, upstream closed %v", client.Closed(), up.Closed())
	}
}

func tunnel(r *rig, t *testing.T) (client, up *looptest.Peer) {
	ups := r.upstream(func(p *looptest.Peer) {
		first := true
		p.OnReceive(func([]byte) {
			if first {
				first = false
				p.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
			}
		})
	})
	client = r.connect()
	client.Send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r.l.Run()
	if !strings.HasPrefix(client.Take(), "HTTP/1.1 101") {
		t.Fatal("no tunnel")
	}
	return client, (*ups)[0]
}

func TestTunnelIsNotABody(t *testing.T) {
	r := newRig(t, plain(toCluster, `,"limits":{"body":1000}`))
	client, up := tunnel(r, t)
	up.Take()
	for range 11 {
		client.Send(strings.Repeat("x", 100))
		r.l.Run()
	}
	if client.Closed() || up.Total() == 0 {
		t.Errorf("the body limit cut a tunnel: client closed %v (reset %v)", client.Closed(), client.WasReset())
	}
}

func TestHalfClosedTunnelMeetsTheRouteTimeout(t *testing.T) {
	r := newRig(t, plain(`"route":{"cluster_name":"c","timeout":"5s"}`, ""))
	client, up := tunnel(r, t)
	client.CloseWrite()
	r.l.Run()
	for range 10 {
		up.Send("still here ")
		r.l.Run()
		r.l.Advance(time.Second)
	}
	if client.Closed() {
		t.Errorf("the tunnel was cut by the route's timeout: got %q, reset %v", client.Received(), client.WasReset())
	}
}

func TestStreamIdleWithoutIdleTimeout(t *testing.T) {
	doc := strings.Replace(plain(toCluster, ""), `"bind_port":true,`, `"bind_port":true,"connection_idle_timeout":"0s",`, 1)
	r := newRig(t, doc)
	t.Log("idle", r.g.listeners[0].locals[0].idle)
	r.upstream(answering(ok))
	client := r.connect()
	client.Send(get)
	r.l.Run()
	r.want(client, ok)
	r.l.Advance(40 * time.Second)
	r.upstream(answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
	client.Send(get)
	r.l.Run()
	r.l.Advance(time.Hour)
	if !client.Closed() {
		t.Error("the upstream has said nothing for an hour (stream_idle: 300 s), and the exchange is still there")
	}
}

func TestRetryPolicyAndConnectFailures(t *testing.T) {
	r := newRig(t, plain(`"route":{"cluster_name":"c","retry_policy":{"retry_on":true,"num_retries":3}}`, ""))
	r.l.Refuse(r.up)
	client := r.connect()
	client.Send(get)
	r.l.Run()
	r.upstream(answering(ok))
	r.l.Advance(2 * time.Second)
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("a refused connect is not retried under the policy: %q", got)
	}
}

func TestRemovedEndpointFailsWaitingRequests(t *testing.T) {
	r := newRig(t, twoHosts("", ""))
	b := loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.2:80")}
	r.l.Listen(b, answering(ok))
	r.l.Hang(r.up)
	var clients []*looptest.Peer
	for range 4 {
		c := r.connect()
		c.Send(get)
		r.l.Run()
		clients = append(clients, c)
	}
	cfg := r.g.cfg.Clusters[0]
	cfg.Hosts = cfg.Hosts[1:]
	r.g.clusters.Update([]upstream.ClusterConfig{cfg})
	r.l.Run()
	for i, c := range clients {
		if got := c.Take(); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("client %d: %q though 10.0.0.2 is healthy and nothing was sent", i, got)
		}
	}
}

// newLoops is a gateway on n loops, with limit connections to its one upstream.
func newLoops(t *testing.T, n, limit int) (*Gateway, []*looptest.Loop) {
	doc := strings.Replace(plain(toCluster, ""), `"lb_type":"LB_ROUNDROBIN",`,
		fmt.Sprintf(`"lb_type":"LB_ROUNDROBIN","circuit_breakers":[{"priority":"DEFAULT","max_connections":%d}],`, limit), 1)
	r := newRig(t, doc) // only for its config
	cfg := r.g.cfg
	g, err := newGateway(cfg, Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var ls []*looptest.Loop
	var loops []loop.Loop
	for i := range n {
		l := looptest.New(t, looptest.WithIndex(i))
		ls, loops = append(ls, l), append(loops, l)
	}
	if err := g.build(loops); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	for _, l := range ls {
		l.Run()
	}
	return g, ls
}

func TestWakeUpIsLostWhenTheWokenLoopHasNoUseForIt(t *testing.T) {
	g, ls := newLoops(t, 3, 1)
	up := loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.1:80")}
	var first *looptest.Peer
	for i, l := range ls {
		if i == 0 {
			l.Listen(up, func(p *looptest.Peer) { first = p })
		} else {
			l.Listen(up, answering(ok))
		}
	}
	all := func() {
		for range 5 {
			for _, l := range ls {
				l.Run()
			}
		}
	}
	var cs []*looptest.Peer
	for _, l := range ls {
		c := l.Connect(g.listeners[0])
		c.Send(get)
		l.Run()
		cs = append(cs, c)
	}
	all()
	cs[1].Reset() // the request that waits on loop 1 is given up
	all()
	first.Send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
	all()
	for range 30 {
		for _, l := range ls {
			l.Advance(time.Second)
		}
	}
	all()
	if got := cs[2].Take(); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("loop 2 still waits 30 s after the only connection was closed: %q", got)
	}
}

func TestLoopStarvesAnother(t *testing.T) {
	g, ls := newLoops(t, 2, 1)
	up := loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.1:80")}
	var ups []*looptest.Peer
	for i, l := range ls {
		if i == 0 {
			l.Listen(up, func(p *looptest.Peer) { ups = append(ups, p) })
		} else {
			l.Listen(up, answering(ok))
		}
	}
	all := func() {
		for range 3 {
			for _, l := range ls {
				l.Run()
			}
		}
	}
	var busy []*looptest.Peer
	for range 3 {
		c := ls[0].Connect(g.listeners[0])
		c.Send(get)
		busy = append(busy, c)
	}
	all()
	poor := ls[1].Connect(g.listeners[0])
	poor.Send(get)
	all()
	served := 0
	for range 1000 {
		for _, u := range ups {
			if !u.Closed() {
				u.Send(ok)
			}
		}
		all()
		for _, c := range busy {
			if strings.HasPrefix(c.Take(), "HTTP/1.1 200") {
				served++
				c.Send(get)
			}
		}
		all()
		for _, l := range ls {
			l.Advance(50 * time.Millisecond)
		}
	}
	t.Logf("loop 0 served %d", served)
	if got := poor.Take(); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("in 50 s loop 0 was served %d times, loop 1 never: %q", served, got)
	}
}

func TestTimeoutWhileHeld(t *testing.T) {
	for _, req := range []string{get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"} {
		r := newRig(t, plain(`"route":{"cluster_name":"c","timeout":"1s"}`, ""))
		r.l.Hang(r.up)
		c := r.connect()
		c.Send(req)
		r.l.Run()
		r.l.Advance(2 * time.Second)
		if got := c.Take(); !strings.HasPrefix(got, "HTTP/1.1 504") {
			t.Errorf("%.4s: after 2 s of a timeout of 1 s: %q", req, got)
		}
	}
	r := newRig(t, strings.Replace(plain(`"route":{"cluster_name":"c","timeout":"1s"}`, ""), `"lb_type":"LB_ROUNDROBIN",`,
		`"lb_type":"LB_ROUNDROBIN","circuit_breakers":[{"priority":"DEFAULT","max_connections":1}],`, 1))
	r.upstream(nil)
	hog := r.connect()
	hog.Send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r.l.Run()
	r.l.Peers()[1].Send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
	r.l.Run()
	c := r.connect()
	c.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
	r.l.Run()
	waited := 0
	for ; waited < 400 && c.Received() == ""; waited++ {
		r.l.Advance(time.Second)
	}
	if waited > 2 {
		t.Errorf("a POST that waits for a connection at the limit is answered after %d s: %.60q", waited, c.Received())
	}
}

func TestTwoProtocolsOnOneCluster(t *testing.T) {
	doc := plain(toCluster, "")
	doc = strings.Replace(doc, `"listeners":[`, `"listeners":[{"name":"t","address":"127.0.0.1:2","bind_port":true,"filter_chains":[{"filters":[{"type":"tcp_proxy","config":{"cluster":"c"}}]}]},`, 1)
	r := newRig(t, doc)
	r.upstream(func(p *looptest.Peer) { p.Send(""); p.OnReceive(func(b []byte) { p.Send(ok) }) })
	var h, c *looptest.Peer
	h = r.l.Connect(r.g.listeners[1])
	r.l.Run()
	h.Send(get)
	c = r.l.Connect(r.g.listeners[0])
	c.Send("hello")
	for range 200 {
		if r.l.Step() == false {
			break
		}
	}
	r.want(h, ok)
	r.want(c, ok)
}

func TestIdleTunnelEndsWithAFIN(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	client, _ := tunnel(r, t)
	r.l.Advance(3601 * time.Second)
	if !client.Closed() || client.WasReset() {
		t.Errorf("an idle tunnel: closed %v, reset %v", client.Closed(), client.WasReset())
	}
}
