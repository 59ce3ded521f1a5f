package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sluice/gateway/config"
	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
	"sluice/router"
	"sluice/upstream"
)

// defaultTimeout is how long a request may wait for the head of its answer when its route does not say.
const defaultTimeout = 60 * time.Second

// A table is a router configuration as the loops use it: immutable, shared by all of them.
type table struct {
	router   *router.Table
	routes   []*route               // by Route.Index
	hosts    []*metrics.VirtualHost // by Host.Index
	clusters []*upstream.Cluster    // by router.Target.Cluster; nil for one that does not exist
	speaks   []*protocols.Protocol  // what the configuration says of a cluster's protocol, beside clusters
	subsets  []*upstream.Criteria   // by router.Target.Metadata
	values   []*accesslog.Format    // by template
}

// A route is a router.Route with what the gateway knows beside it. For tcp_proxy, Route is nil.
type route struct {
	*router.Route
	retry        router.RetryPolicy
	timeout      time.Duration // from the end of the request; <= 0: none
	headTimeout  bool          // timeout ends with the answer's head: the default, which must not cut a long answer
	rewritesHost bool
	editsAnswer  bool
	maxBody      int64
	directBody   []byte
	speaks       *protocols.Protocol // upstream_protocol of the route, or nil
	tcpCluster   *upstream.Cluster
}

// compileTable makes a table of cfg. clusters finds a cluster by name.
func (g *Gateway) compileTable(cfg *router.Config) (*table, error) {
	rt, err := router.Compile(cfg)
	if err != nil {
		return nil, err
	}
	t := &table{router: rt}
	for _, h := range rt.Hosts() {
		t.hosts = append(t.hosts, g.counters.VirtualHost(rt.Name(), h.Name))
	}
	for _, name := range rt.Clusters() {
		t.clusters = append(t.clusters, g.clusters.Cluster(name))
		var speaks *protocols.Protocol
		if c := g.cfg.Cluster(name); c != nil {
			speaks = g.protocols[c.Protocol]
		}
		t.speaks = append(t.speaks, speaks)
	}
	for _, m := range rt.Metadata() {
		t.subsets = append(t.subsets, upstream.NewCriteria(m))
	}
	for _, r := range rt.Routes() {
		o := newRoute(r)
		o.speaks = g.protocols[r.Rule.UpstreamProtocol]
		t.routes = append(t.routes, o)
	}
	var errs []error
	for _, tpl := range rt.Templates() {
		f, warnings := accesslog.CompileValue(tpl.Text)
		for _, w := range warnings {
			errs = append(errs, &router.Error{Origin: tpl.Origin, Key: tpl.Key, Msg: w.Error()})
		}
		t.values = append(t.values, f)
	}
	return t, errors.Join(errs...)
}

func newRoute(r *router.Route) *route {
	rule := r.Rule
	o := &route{
		Route: r, retry: rule.Retry, timeout: rule.Timeout, maxBody: rule.MaxBody,
		rewritesHost: rule.HostRewrite != "" || rule.AutoHostRewrite || rule.AutoHostRewriteHeader != "",
		editsAnswer:  r.EditsResponse(),
	}
	if o.timeout == 0 {
		o.timeout, o.headTimeout = defaultTimeout, true
	}
	if rule.Direct != nil {
		o.directBody = []byte(rule.Direct.Body)
	}
	return o
}

// A tcpProxy is a tcp_proxy filter as the loops use it.
type tcpProxy struct {
	rules    []tcpRule
	fallback *route
}

type tcpRule struct {
	config.TCPRoute
	route *route
}

func (g *Gateway) compileTCP(cfg *config.TCPProxy) *tcpProxy {
	to := func(cluster string) *route { return &route{tcpCluster: g.clusters.Cluster(cluster)} }
	t := &tcpProxy{}
	for _, r := range cfg.Routes {
		t.rules = append(t.rules, tcpRule{TCPRoute: r, route: to(r.Cluster)})
	}
	if cfg.Cluster != "" {
		t.fallback = to(cfg.Cluster)
	}
	return t
}

// choose returns the route of a connection, or nil.
func (t *tcpProxy) choose(c loop.Conn) *route {
	if len(t.rules) == 0 {
		return t.fallback
	}
	src, dst := c.RemoteAddr().AddrPort, c.LocalAddr().AddrPort
	for i := range t.rules {
		r := &t.rules[i]
		if inPrefixes(r.Sources, src.Addr()) && inPrefixes(r.Destinations, dst.Addr()) &&
			inRanges(r.SourcePorts, src.Port()) && inRanges(r.DestinationPorts, dst.Port()) {
			return r.route
		}
	}
	return t.fallback
}

// inPrefixes and inRanges report whether a value is in one of the list's; an empty list takes all.
func inPrefixes(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return len(list) == 0
}

func inRanges(list []config.PortRange, port uint16) bool {
	for _, r := range list {
		if r.From <= port && port <= r.To {
			return true
		}
	}
	return len(list) == 0
}

// timeouts are a listener's, without a zero: negative means none.
type timeouts struct{ Head, Progress, StreamIdle, TunnelIdle time.Duration }

func newTimeouts(c config.RequestTimeouts) timeouts {
	or := func(d, def time.Duration) time.Duration {
		if d == 0 {
			return def
		}
		return d
	}
	return timeouts{
		Head: or(c.Head, 30*time.Second), Progress: or(c.Progress, 60*time.Second),
		StreamIdle: or(c.StreamIdle, 300*time.Second), TunnelIdle: or(c.TunnelIdle, time.Hour),
	}
}

// checkListener names what the gateway can't serve of a listener.
func checkListener(l *config.Listener, cfg *config.Config, known map[string]*protocols.Protocol) (err error) {
	l.All(func(c *config.FilterChain) {
		if c.HTTP != nil && err == nil {
			err = checkProxy(l, c.HTTP, cfg, known)
		}
	})
	return err
}

func checkProxy(l *config.Listener, h *config.HTTPProxy, cfg *config.Config, known map[string]*protocols.Protocol) error {
	if cfg.Router(h.Router) == nil {
		return fmt.Errorf("%s: listener %q: there is no router %q", l.Origin, l.Name, h.Router)
	}
	for _, p := range h.Protocols {
		if p != config.AutoProtocol && !speakable(known, p) {
			return fmt.Errorf("%s: listener %q: protocol %q is not available", l.Origin, l.Name, p)
		}
	}
	for _, p := range []string{h.UpstreamProtocol, h.Transcode} {
		if p != "" && !speakable(known, p) {
			return fmt.Errorf("%s: listener %q: upstream protocol %q is not available", l.Origin, l.Name, p)
		}
	}
	return checkUpstreamProtocols(cfg, known)
}

// speakable reports whether requests can be told in the protocol called name.
func speakable(known map[string]*protocols.Protocol, name string) bool {
	p := known[name]
	return p != nil && p.ID != protocols.ProtocolTCP
}

// checkUpstreamProtocols names the protocols of routes and clusters that the gateway can't speak.
func checkUpstreamProtocols(cfg *config.Config, known map[string]*protocols.Protocol) error {
	for i := range cfg.Clusters {
		if c := &cfg.Clusters[i]; c.Protocol != "" && !speakable(known, c.Protocol) {
			return fmt.Errorf("%s: cluster %q: protocol %q is not available", c.Origin, c.Name, c.Protocol)
		}
	}
	for i := range cfg.Routers {
		for _, h := range cfg.Routers[i].VirtualHosts {
			for _, r := range h.Routes {
				if r.UpstreamProtocol != "" && !speakable(known, r.UpstreamProtocol) {
					return fmt.Errorf("%s: upstream protocol %q is not available", r.Origin, r.UpstreamProtocol)
				}
			}
		}
	}
	return nil
}
