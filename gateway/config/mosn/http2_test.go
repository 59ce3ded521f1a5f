package mosn

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/config"
	"sluice/router"
	"sluice/upstream"
)

func TestHTTP2Sample(t *testing.T) {
	c, _ := load(t, "testdata/samples/http2.json")
	clearOrigins(c)
	want := []*config.HTTPProxy{
		{
			Protocols: []string{"Http1", "Http2"}, UpstreamProtocol: "Http1", Transcode: "Http2", Router: "main",
			Limits: config.RequestLimits{HeadBytes: 8192},
			HTTP2: config.HTTP2Options{
				Streams: 250, Window: 65535, WindowMax: 1 << 20, PingInterval: 30 * time.Second, PingTimeout: 5 * time.Second,
				MaxConnectionAge: time.Hour,
			},
			Filters: []config.Filter{{Type: config.FilterGRPCWeb, Options: map[string]any{}}},
		},
		{
			Protocols: []string{"Auto"}, Router: "main", HTTP2: config.HTTP2Options{Window: 8 << 20},
		},
		{Protocols: []string{"Http2"}, Transcode: "Http1", Router: "main"},
	}
	for i, w := range want {
		if diff := cmp.Diff(w, c.Listeners[i].HTTP); diff != "" {
			t.Errorf("listener %s (-want +got):\n%s", c.Listeners[i].Name, diff)
		}
	}
	cluster := &c.Clusters[0]
	if cluster.Protocol != "Http2" || cluster.MaxConnectionAge != 30*time.Minute || cluster.Multiplex != (upstream.MultiplexConfig{
		MaxStreams: 100, PingInterval: 6 * time.Minute, PingTimeout: 10 * time.Second,
	}) {
		t.Errorf("the cluster is %+v", cluster)
	}
	rules := c.Routers[0].VirtualHosts[0].Routes
	if got := rules[0].UpstreamProtocol + "," + rules[1].UpstreamProtocol + "," + rules[2].UpstreamProtocol; got != "Http2,," {
		t.Errorf("the routes' protocols are %s", got)
	}
	policies := []router.RetryPolicy{
		{On: true, Tries: 2, Conditions: router.RetryConnectFailure | router.RetryRefusedStream, GRPCStatuses: 1 << 14},
		{On: true, Tries: 3, StatusCodes: []int{503}},
		{},
	}
	for i, w := range policies {
		if diff := cmp.Diff(w, rules[i].Retry); diff != "" {
			t.Errorf("route %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestFilterOptions(t *testing.T) {
	src := &source{file: "c.json", text: `{"s":"x","b":true,"n":null,"i":-3,"f":1.5,"big":1e30,"a":[1,"y"],"o":{"k":false}}`}
	root, err := parseJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"s": "x", "b": true, "n": nil, "i": int64(-3), "f": 1.5, "big": 1e30, "a": []any{int64(1), "y"},
		"o": map[string]any{"k": false},
	}
	if diff := cmp.Diff(want, root.value()); diff != "" {
		t.Error(diff)
	}
}

// X is MOSN's older way to name a protocol.
func TestProtocolX(t *testing.T) {
	for _, tc := range []struct {
		down, up, sub string
		want          config.HTTPProxy
	}{
		{"X", "X", "Http2", config.HTTPProxy{Protocols: []string{"Http2"}}},
		{"X", "", "Http1,Http2", config.HTTPProxy{Protocols: []string{"Http1", "Http2"}}},
		{"Http1,X", "Http1", "Http2", config.HTTPProxy{Protocols: []string{"Http1", "Http2"}, UpstreamProtocol: "Http1"}},
		{"Http1", "x", "Http2", config.HTTPProxy{Protocols: []string{"Http1"}, UpstreamProtocol: "Http2"}},
	} {
		src := &source{file: "c.json", text: `{"downstream_protocol":"` + tc.down + `","upstream_protocol":"` + tc.up +
			`","extend_config":{"sub_protocol":"` + tc.sub + `"},"router_config_name":"r"}`}
		root, err := parseJSON(src)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{cfg: &config.Config{}}
		got := r.httpProxy(r.object(root, proxySchema))
		tc.want.Router = "r"
		if diff := cmp.Diff(&tc.want, got); diff != "" || len(r.problems) > 0 {
			t.Errorf("%s: %v (-want +got)\n%s", src.text, r.problems, diff)
		}
	}
}
