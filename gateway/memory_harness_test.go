package gateway

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"sluice/gateway/config"
	"sluice/gateway/config/mosn"
	"sluice/loop"
	"sluice/loop/looptest"
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
