package mosn

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/gateway/config"
	"sluice/loop"
	"sluice/router"
	"sluice/upstream"
)

// Run the tests with -rewrite and inspect the diff of the golden files. Commit it only if every change is meant.
var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing with them")

// testOptions read no environment and resolve localhost only.
func testOptions() Options {
	return Options{
		Getenv: func(string) string { return "" },
		Lookup: func(host string) ([]netip.Addr, error) {
			if host == "localhost" {
				return []netip.Addr{netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.1")}, nil
			}
			return nil, errors.New("no such host")
		},
	}
}

func load(t *testing.T, path string) (*config.Config, config.Problems) {
	t.Helper()
	c, problems, err := Load(path, testOptions())
	if err != nil {
		t.Fatalf("Load(%s):\n%v", path, err)
	}
	return c, problems
}

func TestSamplesLoad(t *testing.T) {
	paths, err := filepath.Glob("testdata/samples/*.*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("samples: %v, %v", paths, err)
	}
	for _, path := range paths {
		if filepath.Ext(path) == ".golden" {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, problems := load(t, path)
			if !json.Valid(c.Document) {
				t.Errorf("Document is not JSON: %s", c.Document)
			}
			var b bytes.Buffer
			if err := config.FormatSource(&b, problems); err != nil {
				t.Fatal(err)
			}
			golden(t, path+".golden", b.Bytes())
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -rewrite)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got, -rewrite accepts it):\n%s", path, diff)
	}
}

// The configuration that must start exactly as it stands: both listeners are known and serve nothing.
func TestBareConfiguration(t *testing.T) {
	c, problems := load(t, "testdata/samples/bare.json")
	if len(c.Listeners) != 2 || c.Admin != nil || c.Log.Path != "stdout" {
		t.Fatalf("got %+v", c)
	}
	for _, l := range c.Listeners {
		if l.Unserved != "its filter chain is empty" || !l.Bind || l.HTTP != nil || l.TCP != nil {
			t.Errorf("listener %+v", l)
		}
	}
	for _, p := range problems {
		if p.Severity == config.Error {
			t.Errorf("unexpected %v", p)
		}
	}
}

func TestHTTPSample(t *testing.T) {
	c, _ := load(t, "testdata/samples/http_client.json")
	want := &config.Config{
		Source: "testdata/samples/http_client.json",
		Log:    config.Log{Path: "stdout"},
		Listeners: []config.Listener{{
			Name: "clientListener", Origin: "testdata/samples/http_client.json:18:9",
			Address: tcp("127.0.0.1:2045"), Bind: true,
			FilterChain: config.FilterChain{HTTP: &config.HTTPProxy{Protocols: []string{"Http1"}, Router: "client_router"}},
		}},
		Routers: []router.Config{{
			Name: "client_router", Origin: "testdata/samples/http_client.json:6:9",
			VirtualHosts: []router.VirtualHost{{
				Name: "clientHost", Origin: "testdata/samples/http_client.json:9:13", Domains: []string{"*"},
				Routes: []router.Rule{{
					Origin: "testdata/samples/http_client.json:12:27", Match: router.Match{Prefix: "/"}, Cluster: "clientCluster",
				}},
			}},
		}},
		Clusters: []upstream.ClusterConfig{{
			Name: "clientCluster", Origin: "testdata/samples/http_client.json:35:7", Policy: upstream.Random,
			Hosts: []upstream.HostConfig{{
				Origin: "testdata/samples/http_client.json:41:19", Address: "127.0.0.1:2046",
			}},
		}},
		Admin: &config.Admin{Address: netip.MustParseAddrPort("0.0.0.0:34901")},
	}
	if diff := compare(want, c); diff != "" {
		t.Error(diff)
	}
	if c.Router("client_router") != &c.Routers[0] || c.Router("x") != nil {
		t.Error("Router does not find its router")
	}
	if c.Cluster("clientCluster") != &c.Clusters[0] || c.Cluster("x") != nil {
		t.Error("Cluster does not find its cluster")
	}
}

func tcp(s string) loop.Addr { return loop.Addr{AddrPort: netip.MustParseAddrPort(s)} }

func compare(want, got *config.Config) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(config.Config{}, "Document"), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
}

func TestYAMLEqualsJSON(t *testing.T) {
	fromJSON, _ := load(t, "testdata/samples/http_client.json")
	fromYAML, _ := load(t, "testdata/samples/http.yaml")
	if got := fromYAML.Routers[0].VirtualHosts[0].Routes[0].Timeout; got != 5*time.Second {
		t.Errorf("timeout = %v", got)
	}
	if fromYAML.Listeners[0].HTTP.Router != fromJSON.Listeners[0].HTTP.Router {
		t.Error("the alias was not followed")
	}
	if got := fromYAML.Clusters[0].Hosts[0].Origin; got != "testdata/samples/http.yaml:28:7" {
		t.Errorf("Origin = %s", got)
	}
}

func TestDefault(t *testing.T) {
	c, problems, err := Default()
	if err != nil || len(problems) != 0 {
		t.Fatalf("Default: %v, %v", problems, err)
	}
	if len(c.Listeners) != 2 || c.Admin.Address.String() != "127.0.0.1:34901" || c.Source != config.DefaultSource {
		t.Errorf("got %+v", c)
	}
	if got := c.Cluster("demo").Hosts[0].Address; got != config.DemoAddress {
		t.Errorf("the demo's address is %s", got)
	}
}

func TestRoutesSample(t *testing.T) {
	c, _ := load(t, "testdata/samples/routes.json")
	clearOrigins(c)
	if diff := compare(routesWant(), c); diff != "" {
		t.Error(diff)
	}
}

func clearOrigins(c *config.Config) {
	for i := range c.Listeners {
		c.Listeners[i].Origin = ""
		if http := c.Listeners[i].HTTP; http != nil {
			for j := range http.Filters {
				http.Filters[j].Origin = ""
			}
		}
	}
	for i := range c.Clusters {
		c.Clusters[i].Origin = ""
		for j := range c.Clusters[i].Hosts {
			c.Clusters[i].Hosts[j].Origin = ""
		}
	}
	for i := range c.Routers {
		c.Routers[i].Origin = ""
		for j := range c.Routers[i].VirtualHosts {
			vh := &c.Routers[i].VirtualHosts[j]
			vh.Origin = ""
			for k := range vh.Routes {
				vh.Routes[k].Origin = ""
				for w := range vh.Routes[k].Weighted {
					vh.Routes[k].Weighted[w].Origin = ""
				}
			}
		}
	}
}

func routesWant() *config.Config {
	pprof := tcp("127.0.0.1:9090")
	return &config.Config{
		Source: "testdata/samples/routes.json", Loops: 2, Graceful: 15 * time.Second, PidFile: "/run/sluice.pid", Pprof: &pprof,
		Log: config.Log{Path: "/var/log/sluice.log", Level: config.LevelTrace},
		Metrics: config.Metrics{
			Sinks: []config.PrometheusSink{{Port: 34903, NoGo: true}}, ExcludedLabels: []string{"host"},
		},
		Listeners: []config.Listener{
			{
				Name: "web", Address: tcp("127.0.0.1:2045"), Bind: true, IdleTimeout: 30 * time.Second, MaxConns: 500,
				FilterChain: config.FilterChain{HTTP: &config.HTTPProxy{
					Protocols: []string{"Http1"}, Router: "main",
					Forwarded: config.Forwarded{
						NoVia: true, NoRequestID: true,
						Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
					},
					Limits:   config.RequestLimits{HeadBytes: 16384, HeadFields: -1, Body: 1 << 20},
					Timeouts: config.RequestTimeouts{Head: 5 * time.Second, TunnelIdle: -1},
				}},
			},
			{
				Name: "later", Address: tcp("[::]:2047"),
				FilterChain: config.FilterChain{HTTP: &config.HTTPProxy{Protocols: []string{"Http1"}, Router: "main"}},
			},
		},
		Routers: []router.Config{routerWant()},
		Clusters: []upstream.ClusterConfig{
			{
				Name: "v1", Policy: upstream.LeastRequest, Choices: 3, ConnectTimeout: 250 * time.Millisecond,
				IdleTimeout: 90 * time.Second, Mark: 7, Source: netip.MustParseAddr("127.0.0.1"),
				Limits: upstream.ClusterLimits{Connections: 100, Requests: 1000, Retries: 3},
				Hosts: []upstream.HostConfig{{
					Address: "10.0.0.1:80", Hostname: "a", Weight: 128, Metadata: map[string]string{"zone": "a"},
				}},
			},
			{
				Name: "v2", Policy: upstream.WeightedRoundRobin, IdleTimeout: -1,
				Hosts: []upstream.HostConfig{{Address: "10.0.0.2:80"}},
			},
			{
				Name: "dns", Discovery: upstream.DNS, Hosts: []upstream.HostConfig{{Address: "backend.example.com:80"}},
				DNS: upstream.DNSConfig{
					Refresh: 10 * time.Second, RespectTTL: true, IPv6: true, Servers: []string{"10.0.0.53"},
					Search: []string{"example.com"}, Port: "5353",
				},
			},
		},
	}
}

func routerWant() router.Config {
	return router.Config{
		Name: "main",
		Headers: router.HeaderOps{
			RequestAdd: []router.HeaderOp{{Name: "X-Global", Value: "1"}}, ResponseRemove: []string{"X-Powered-By"},
		},
		VirtualHosts: []router.VirtualHost{
			{
				Name: "shop", Domains: []string{"shop.example.com", "*.shop.example.com:8443", "shop.example.com:*"},
				Routes: []router.Rule{
					{
						Match: router.Match{Prefix: "/old/", Headers: []router.HeaderMatch{
							{Name: "method", Value: "GET"}, {Name: "X-Beta", Value: "^(yes|on)$", Regex: true},
						}},
						Weighted: []router.WeightedCluster{{Cluster: "v1", Weight: 90}, {Cluster: "v2", Weight: 10}},
						Timeout:  2 * time.Second,
						Retry: router.RetryPolicy{
							On: true, Tries: 1, TryTimeout: 500 * time.Millisecond, StatusCodes: []int{502, 503},
						},
						PrefixRewrite: "/new/", HostRewrite: "internal.example.com",
						Headers: router.HeaderOps{
							RequestAdd: []router.HeaderOp{{Name: "X-Id", Value: "%stream_id%", Append: true}},
						},
					},
					{
						Match: router.Match{Regex: "^/user/([0-9]+)/"}, Cluster: "v1", AutoHostRewriteHeader: "X-Host",
						RegexRewrite: &router.RegexRewrite{Regex: "^/user/([0-9]+)/", Substitution: `/u/\1/`},
					},
					{
						Match:    router.Match{Path: "/go"},
						Redirect: &router.Redirect{Code: 308, Host: "www.example.com", Scheme: "https"},
					},
					{Match: router.Match{Prefix: "/"}, Direct: &router.DirectResponse{Status: 403, Body: "no\n"}},
				},
			},
			{
				Name: "rest", Domains: []string{"*"},
				Routes: []router.Rule{{Match: router.Match{Prefix: "/"}, Cluster: "dns", AutoHostRewrite: true}},
			},
		},
	}
}

func TestTCPSample(t *testing.T) {
	c, _ := load(t, "testdata/samples/tcp_proxy.json")
	want := &config.TCPProxy{
		Cluster: "backend", IdleTimeout: 30 * time.Second,
		Routes: []config.TCPRoute{{
			Cluster: "special", Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			DestinationPorts: []config.PortRange{{From: 80, To: 80}, {From: 8000, To: 8999}},
		}},
	}
	if diff := cmp.Diff(want, c.Listeners[0].TCP, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got := c.Listeners[1].Address; got.Path != "/tmp/client-proxy.sock" {
		t.Errorf("the unix listener is at %+v", got)
	}
}

func TestConnectionManagerSample(t *testing.T) {
	c, _ := load(t, "testdata/samples/connection_manager.json")
	if len(c.Routers) != 1 || c.Listeners[0].HTTP.Router != "egress_router" {
		t.Errorf("routers %+v, listener %+v", c.Routers, c.Listeners[0])
	}
	want := []config.AccessLog{{Path: "stderr"}, {Path: "stdout", Format: "json"}}
	if diff := cmp.Diff(want, c.Listeners[0].AccessLogs); diff != "" {
		t.Error(diff)
	}
	var hosts []string
	for _, h := range c.Clusters[0].Hosts {
		hosts = append(hosts, h.Address)
	}
	if diff := cmp.Diff([]string{"127.0.0.1:8080", "[::1]:8080", "unix:/run/app.sock"}, hosts); diff != "" {
		t.Error(diff)
	}
}

func TestProcessor(t *testing.T) {
	for _, tc := range []struct {
		value, env string
		want       int
	}{
		{`4`, "", 4},
		{`"3"`, "", 3},
		{`"auto"`, "", 0},
		{`0`, "", 0},
		{`4`, "2", 2},
		{`4`, "many", 4},
	} {
		o := testOptions()
		o.Getenv = func(name string) string {
			if name == "GOMAXPROCS" {
				return tc.env
			}
			return ""
		}
		c, _, err := Parse("c.json", fmt.Appendf(nil, `{"servers":[{"processor":%s}]}`, tc.value), o)
		if err != nil || c.Loops != tc.want {
			t.Errorf("processor %s, GOMAXPROCS %q: %v, %v; want %d", tc.value, tc.env, c, err, tc.want)
		}
	}
}

func TestLogLevels(t *testing.T) {
	for name, want := range map[string]slog.Level{
		"FATAL": config.LevelFatal, "ERROR": slog.LevelError, "WARN": slog.LevelWarn, "INFO": slog.LevelInfo,
		"debug": slog.LevelDebug, "TRACE": config.LevelTrace, "LOUD": slog.LevelInfo, "": slog.LevelInfo,
	} {
		c, _, err := Parse("c.json", fmt.Appendf(nil, `{"servers":[{"default_log_level":%q}]}`, name), testOptions())
		if err != nil || c.Log.Level != want {
			t.Errorf("%s: %v, %v; want %v", name, c, err, want)
		}
	}
}

func TestLoadReportsWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "absent.json"): "no such file",
		dir:                               "is a directory",
	} {
		c, problems, err := Load(path, testOptions())
		if c != nil || err == nil || len(problems) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, %v, %v", path, c, problems, err)
		}
	}
}
