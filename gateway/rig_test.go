package gateway

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/config"
	"sluice/gateway/config/mosn"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/protocols"
)

// A rig is a gateway on one in-memory loop with virtual time.
type rig struct {
	t  testing.TB
	g  *Gateway
	l  *looptest.Loop
	up loop.Addr // the upstream of the configurations below
}

// newRig builds a gateway from a MOSN configuration.
func newRig(t testing.TB, document string) *rig {
	t.Helper()
	cfg, problems, err := mosn.Parse("test.json", []byte(document), mosn.Options{})
	if err != nil {
		t.Fatalf("%v\n%v", err, problems)
	}
	return newRigOf(t, cfg)
}

func newRigOf(t testing.TB, cfg *config.Config) *rig {
	t.Helper()
	l := looptest.New(t)
	g, err := newGateway(cfg, Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.build([]loop.Loop{l}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	l.Run()
	return &rig{t: t, g: g, l: l, up: loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.1:80")}}
}

// connect is a client's connection to the first listener.
func (r *rig) connect() *looptest.Peer { return r.l.Connect(r.g.listeners[0]) }

// upstream makes addr an upstream whose connections script serves, and returns them as they come.
func (r *rig) upstream(script func(p *looptest.Peer)) *[]*looptest.Peer {
	var peers []*looptest.Peer
	r.l.Listen(r.up, func(p *looptest.Peer) {
		peers = append(peers, p)
		if script != nil {
			script(p)
		}
	})
	return &peers
}

// want compares what p has received since the last call.
func (r *rig) want(p *looptest.Peer, want string) {
	r.t.Helper()
	if got := p.Take(); got != want {
		r.t.Fatalf("received\n%s\nwant\n%s", quote(got), quote(want))
	}
}

func quote(s string) string { return strings.ReplaceAll(fmt.Sprintf("%q", s), `\r\n`, "\n  ") }

// plain is a listener that adds nothing to what it forwards, with route as the JSON of its one route's action and extra
// as further keys of its proxy filter.
func plain(route, extra string) string {
	return fmt.Sprintf(`{"servers":[{"default_log_path":"stdout","processor":1,
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},%s}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"filter_chains":[{"filters":[{"type":"proxy",
  "config":{"downstream_protocol":"Http1","router_config_name":"r",
   "forwarded":{"via":false,"x_forwarded_for":false,"x_forwarded_proto":false,"x_forwarded_host":false,"x_request_id":false}%s}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[{"address":"10.0.0.1:80"}]}]}}`, route, extra)
}

const toCluster = `"route":{"cluster_name":"c"}`

// h2doc is plain with the protocols of both sides: Http1, Http2, or Auto for the downstream.
func h2doc(down, up, route, extra string) string {
	s := plain(route, extra)
	s = strings.Replace(s, `"downstream_protocol":"Http1"`, `"downstream_protocol":"`+down+`"`, 1)
	return strings.Replace(s, `"name":"c","type":"SIMPLE",`, `"name":"c","type":"SIMPLE","protocol":"`+up+`",`, 1)
}

// nothingLeft asserts that nothing is left of the exchanges, once every client has gone.
func (r *rig) nothingLeft() {
	r.t.Helper()
	w := r.g.workers[0]
	r.l.Do(func() {
		r.t.Helper()
		if w.active != 0 || w.sessions.count != 0 {
			r.t.Errorf("active %d sessions %d", w.active, w.sessions.count)
		}
		r.noBytesHeld()
		if err := r.g.clusters.Cluster("c").On(r.l).CheckIdle(); err != nil {
			r.t.Error(err)
		}
	})
}

// noBytesHeld asserts that no stream holds anything. It runs on the loop.
func (r *rig) noBytesHeld() {
	r.t.Helper()
	if held := r.g.workers[0].holds.held; held != 0 {
		r.t.Errorf("%d bytes are held", held)
	}
	for _, l := range r.g.listeners {
		if owed := l.locals[0].env.Owed; owed != 0 {
			r.t.Errorf("%d bytes are owed", owed)
		}
	}
}

// over lets all clients go, and asserts that nothing is left.
func (r *rig) over(clients ...*looptest.Peer) {
	r.t.Helper()
	for _, c := range clients {
		c.Reset()
	}
	r.l.Run()
	r.l.Advance(100 * time.Second) // what is idle closes
	r.nothingLeft()
}

// failed is how many exchanges and connections of the listener have ended for reason x.
func (r *rig) failed(x protocols.Reason) (n int) {
	for _, s := range r.series() {
		if s.Name == "sluice_downstream_requests_failed_total" && slices.Contains(s.Values, x.String()) {
			n += int(s.Value)
		}
	}
	return n
}

// series are the metrics, which the loop has to run for.
func (r *rig) series() []metrics.Series {
	done := make(chan []metrics.Series)
	go func() { done <- r.g.registry.Snapshot() }()
	for {
		select {
		case all := <-done:
			return all
		default:
			r.l.Run()
			time.Sleep(10 * time.Microsecond)
		}
	}
}
