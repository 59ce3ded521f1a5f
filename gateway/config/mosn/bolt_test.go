package mosn

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/config"
	"sluice/upstream"
)

func TestBoltSample(t *testing.T) {
	c, _ := load(t, "testdata/samples/bolt.yaml")
	clearOrigins(c)
	want := []*config.HTTPProxy{
		{
			Protocols: []string{"Http1", "Http2", "bolt"}, Transcode: "bolt", Router: "main", Fallback: true,
			Bolt: config.BoltOptions{
				ClassBytes: 1024, ContentBytes: 1 << 20, Calls: 200, CollectBytes: 64 << 10, GoAway: true, MaxConnectionAge: time.Hour,
			},
			Filters: []config.Filter{{Type: config.FilterHTTP2Bolt, Options: map[string]any{"simple": true}}},
		},
		{
			Protocols: []string{"bolt"}, Router: "main", Bolt: config.BoltOptions{GoAway: true},
			Filters: []config.Filter{{Type: config.FilterHTTP2Bolt, Options: map[string]any{
				"class": "com.example.Request", "coding": int64(12), "method": "PUT", "path": "/rpc",
			}}},
		},
	}
	for i, w := range want {
		if diff := cmp.Diff(w, c.Listeners[i].HTTP); diff != "" {
			t.Errorf("listener %s (-want +got):\n%s", c.Listeners[i].Name, diff)
		}
	}
	if tcp := c.Listeners[0].TCP; tcp == nil || tcp.Cluster != "web" {
		t.Errorf("what is unknown goes to %+v", tcp)
	}
	if rpc := &c.Clusters[0]; rpc.Protocol != "bolt" || rpc.Limits.Connections != 2 ||
		rpc.Multiplex != (upstream.MultiplexConfig{PingInterval: 15 * time.Second, PingTimeout: time.Second}) {
		t.Errorf("the cluster is %+v", rpc)
	}
	if got := c.Routers[0].VirtualHosts[0].Routes[0].UpstreamProtocol; got != "Http1" {
		t.Errorf("the first route speaks %q", got)
	}
}

// MOSN's own sample of Bolt is read as it is.
func TestBoltClientSample(t *testing.T) {
	c, _ := load(t, "testdata/samples/bolt_client.json")
	if p := c.Listeners[0].HTTP; p == nil || len(p.Protocols) != 1 || p.Protocols[0] != "bolt" {
		t.Errorf("the listener is %+v", p)
	}
}
