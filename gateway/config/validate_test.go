package config

import (
	"net/netip"
	"strings"
	"testing"

	"sluice/loop"
	"sluice/router"
	"sluice/upstream"
)

func valid() *Config {
	addr := func(port uint16) loop.Addr {
		return loop.Addr{AddrPort: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
	}
	return &Config{
		Listeners: []Listener{
			{Name: "web", Origin: "f:1:1", Address: addr(1), Bind: true,
				FilterChain: FilterChain{HTTP: &HTTPProxy{Protocols: []string{"Http1"}, Router: "r"}}},
			{Name: "tcp", Origin: "f:2:1", Address: addr(2), Bind: true, FilterChain: FilterChain{TCP: &TCPProxy{Cluster: "c"}}},
			{Name: "none", Origin: "f:3:1", Address: addr(3), FilterChain: FilterChain{Unserved: "its filter chain is empty"}},
		},
		Routers: []router.Config{{
			Name: "r", Origin: "f:4:1",
			VirtualHosts: []router.VirtualHost{{
				Name: "v", Origin: "f:5:1", Domains: []string{"*"},
				Routes: []router.Rule{{Origin: "f:6:1", Match: router.Match{Prefix: "/"}, Cluster: "c"}},
			}},
		}},
		Clusters: []upstream.ClusterConfig{{Name: "c", Origin: "f:7:1"}},
	}
}

func TestValidate(t *testing.T) {
	if ps := Validate(valid()); len(ps) != 0 {
		t.Fatalf("a valid configuration: %v", ps)
	}
	rule := func(c *Config) *router.Rule { return &c.Routers[0].VirtualHosts[0].Routes[0] }
	for name, tc := range map[string]struct {
		spoil func(*Config)
		want  string
	}{
		"cluster of a route": {func(c *Config) { rule(c).Cluster = "x" }, `f:6:1: error: there is no cluster named "x"`},
		"weighted cluster": {func(c *Config) {
			rule(c).Cluster = ""
			rule(c).Weighted = []router.WeightedCluster{{Cluster: "x", Weight: 1, Origin: "f:6:9"}}
		}, `f:6:9: error: there is no cluster named "x"`},
		"route that does not compile": {func(c *Config) { rule(c).Match = router.Match{Regex: "("} }, `f:6:1: error: match.regex: `},
		"domain":                      {func(c *Config) { c.Routers[0].VirtualHosts[0].Domains = nil }, `f:5:1: error: domains: `},
		"router of a listener":        {func(c *Config) { c.Listeners[0].HTTP.Router = "x" }, `f:1:1: error: there is no router configuration named "x"`},
		"no protocol":                 {func(c *Config) { c.Listeners[0].HTTP.Protocols = nil }, `f:1:1: error: the listener "web" has no protocol`},
		"cluster of tcp":              {func(c *Config) { c.Listeners[1].TCP.Cluster = "" }, `f:2:1: error: there is no cluster named ""`},
		"cluster of a tcp route": {func(c *Config) {
			c.Listeners[1].TCP.Routes = []TCPRoute{{Cluster: "x"}}
		}, `f:2:1: error: there is no cluster named "x"`},
		"two ways to serve": {func(c *Config) { c.Listeners[0].TCP = c.Listeners[1].TCP }, `f:1:1: error: the listener "web" serves both`},
		"address twice": {func(c *Config) {
			c.Listeners[1].Address = c.Listeners[0].Address
		}, `f:2:1: error: 127.0.0.1:1 is already the address of the listener at f:1:1`},
		"no address":     {func(c *Config) { c.Listeners[0].Address = loop.Addr{} }, `f:1:1: error: the listener has no address`},
		"listener twice": {func(c *Config) { c.Listeners[1].Name = "web" }, `f:2:1: error: there is already a listener named "web" at f:1:1`},
		"cluster twice": {func(c *Config) {
			c.Clusters = append(c.Clusters, upstream.ClusterConfig{Name: "c"})
		}, `error: there is already a cluster named "c" at f:7:1`},
		"router without a name": {func(c *Config) {
			c.Routers = append(c.Routers, router.Config{Origin: "f:9:1"})
		}, `f:9:1: error: the router configuration has no name`},
	} {
		c := valid()
		tc.spoil(c)
		ps := Validate(c)
		if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, ps, tc.want)
		}
	}
}

func TestSplitOrigin(t *testing.T) {
	for origin, want := range map[string]Problem{
		"a.json:1:2":    {File: "a.json", Line: 1, Column: 2},
		"C:/a.json:1:2": {File: "C:/a.json", Line: 1, Column: 2},
		"generated":     {File: "generated"},
		"a:1":           {File: "a:1"},
		"":              {},
	} {
		var got Problem
		got.File, got.Line, got.Column = splitOrigin(origin)
		if got != want {
			t.Errorf("%q: got %+v", origin, got)
		}
	}
}
