package mosn

import (
	"cmp"
	"math"
	"strconv"

	"sluice/gateway/config"
)

func (r *reader) listener(n *node, names names) {
	o := r.object(n, listenerSchema)
	if o.n == nil {
		return
	}
	l := config.Listener{Origin: r.place(n), Name: o.str("name")}
	ok := true
	unix := false
	switch o.choice("network", "network", "tcp", "unix", "udp") {
	case "unix":
		unix = true
	case "udp":
		r.errorf(o.at("network"), "UDP is not available in this version: datagrams would not be carried")
		ok = false
	}
	if v := o.node("address"); v == nil {
		r.errorf(n, `"address" is missing: expected the address to listen on, such as "127.0.0.1:2045"`)
		ok = false
	} else if ok {
		l.Address, ok = r.listenAddress(v, unix)
	}
	if l.Name == "" {
		l.Name = l.Address.String()
	}
	if l.Name != "" {
		r.define(names, "a listener", l.Name, o.at("name"))
	}
	l.Bind = o.boolean("bind_port", false)
	switch {
	case l.Bind:
	case o.node("bind_port") == nil:
		r.warnf(n, `the listener %s is not opened, because "bind_port" is missing; add "bind_port": true`, quote(l.Name))
	case o.node("bind_port").kind == kindBool:
		r.notef(o.at("bind_port"), "the listener %s is not opened", quote(l.Name))
	}
	if ok && l.Bind {
		r.listens(l.Address, "the listener "+quote(l.Name), o.at("address"))
	}
	l.IdleTimeout = o.offDuration("connection_idle_timeout")
	l.MaxConns = int(o.integer("max_connections", -1, math.MaxInt32))
	for _, n := range o.array("listener_filters") {
		r.otherFilter(r.object(n, filterSchema), "listener filter", listenerFilters)
	}
	l.AccessLogs = r.accessLogs(o)
	r.filterChains(o, &l)
	r.streamFilters(o, &l)
	if l.Unserved != "" && len(l.Chains) == 0 {
		r.notef(n, "the listener %s serves nothing: %s", quote(l.Name), l.Unserved)
	}
	r.cfg.Listeners = append(r.cfg.Listeners, l)
}

func (r *reader) accessLogs(o object) []config.AccessLog {
	var logs []config.AccessLog
	for _, n := range o.array("access_logs") {
		a := r.object(n, accessLogSchema)
		if a.n == nil {
			continue
		}
		logs = append(logs, config.AccessLog{
			Path: r.logPath(a.node("log_path"), "stdout"), Format: a.str("log_format"),
		})
	}
	return logs
}

// otherFilter reports a filter that is not available. One that nobody knows is an error: it may be the one that decides
// who is let in.
func (r *reader) otherFilter(f object, what string, known []filterPolicy) {
	t := f.name("type", "the type of a "+what)
	if t == "" {
		return
	}
	p, all := find(known, t)
	if p == nil {
		r.errorf(f.at("type"), "unknown %s %s%s", what, quote(t), didYouMean(t, all))
		return
	}
	v := f.at("type")
	r.unavailable(v, v.line, v.col, p.use, p.name, p.why)
}

// filterChains reads what a listener does with its connections.
func (r *reader) filterChains(o object, l *config.Listener) {
	inspector := o.boolean("inspector", false)
	items := o.array("filter_chains")
	if len(items) == 0 {
		l.Unserved = "it has no filter chain"
	} else {
		l.Unserved = "none of its filter chains is for them"
	}
	var rest *node // the chain for all others
	labels := make(names)
	for i, n := range items {
		chain := r.object(n, filterChainSchema)
		match, ok := r.chainMatch(chain)
		c := config.FilterChain{Label: cmp.Or(chain.str("name"), "chain "+strconv.Itoa(i+1)), Match: match}
		r.define(labels, "a filter chain", c.Label, n)
		r.filterChain(chain, &c, inspector)
		switch {
		case !ok:
		case !match.Empty():
			c.Origin = r.place(n)
			if c.Unserved != "" {
				r.notef(n, "connections for this chain are closed: %s", c.Unserved)
			}
			l.Chains = append(l.Chains, c)
		case rest != nil:
			r.errorf(n, "the chain at %s already takes everything that no other is for; give one of them a filter_chain_match", rest.origin())
		default:
			rest = n
			l.FilterChain = c
		}
	}
	if len(items) == 1 {
		l.Label = ""
	}
	if v := o.node("inspector"); inspector && !usesTLS(l) {
		r.notef(v, "%q is accepted and has no effect: without a tls_context every connection is plaintext", "inspector")
	}
}

func usesTLS(l *config.Listener) (uses bool) {
	l.All(func(c *config.FilterChain) { uses = uses || c.TLS != nil })
	return uses
}

// filterChain reads one of a listener's chains, whose Match is known.
func (r *reader) filterChain(chain object, c *config.FilterChain, inspector bool) {
	cr := chainReader{r: r, l: c}
	for _, n := range chain.array("filters") {
		cr.filter(r.object(n, filterSchema))
	}
	cr.end()
	r.listenerTLS(chain, c, inspector)
	r.reachable(chain, c)
}

// A chainReader reads the network filters of one chain.
type chainReader struct {
	r        *reader
	l        *config.FilterChain
	terminal *node    // the filter that serves
	proxy    object   // its config, when it is a proxy
	embedded []string // routers of connection_manager filters
	broken   bool     // a filter is missing that was reported
}

func (c *chainReader) filter(f object) {
	if f.n == nil {
		c.broken = true
		return
	}
	t := f.name("type", "the type of a network filter")
	p, all := find(networkFilters, t)
	switch {
	case t == "":
		c.broken = true
	case p == nil:
		c.broken = true
		c.r.errorf(f.at("type"), "unknown network filter %s%s", quote(t), didYouMean(t, all))
	case p.use != used:
		c.broken = true
		v := f.at("type")
		c.r.unavailable(v, v.line, v.col, p.use, p.name, p.why)
	case p.name == filterConnectionManager:
		o := c.r.object(f.node("config"), routerConfigSchema)
		if name := c.r.router(o); name != "" {
			c.embedded = append(c.embedded, name)
		}
	case p.name == filterTCPProxy && c.l.HTTP != nil && c.l.TCP == nil && c.l.HTTP.Fallback:
		c.l.TCP = c.r.tcpProxy(c.r.object(f.node("config"), tcpProxySchema))
	case c.terminal != nil:
		c.r.errorf(f.n, "a chain has one filter that serves its connections, and that is already the one at %s; remove one",
			c.terminal.origin())
	default:
		c.serve(f, p.name)
	}
}

// serve reads the filter that serves the connections.
func (c *chainReader) serve(f object, name string) {
	c.terminal = f.n
	cfg := f.node("config")
	if cfg == nil {
		c.broken = true
		c.r.errorf(f.n, `"config" is missing: expected the settings of the %s filter`, name)
		return
	}
	if name == filterTCPProxy {
		c.l.TCP = c.r.tcpProxy(c.r.object(cfg, tcpProxySchema))
		return
	}
	c.proxy = c.r.object(cfg, proxySchema)
	c.l.HTTP = c.r.httpProxy(c.proxy)
}

// end settles what the order of the filters leaves open: a proxy may stand before the connection_manager that has its
// router.
func (c *chainReader) end() {
	switch {
	case c.l.HTTP != nil:
		c.router()
		if c.l.HTTP.Fallback && c.l.TCP == nil && !c.broken && c.proxy.n != nil {
			c.r.errorf(c.proxy.node("fallback_for_unknown_protocol"),
				"no tcp_proxy filter follows in the chain, which would take connections of other protocols; add one")
		}
	case c.l.TCP != nil || c.broken:
	case len(c.embedded) > 0:
		c.l.Unserved = "its filter chain has a connection_manager and no proxy"
	default:
		c.l.Unserved = "its filter chain is empty"
	}
}

func (c *chainReader) router() {
	name := c.l.HTTP.Router
	if c.proxy.n == nil {
		return // its config is no object, which was reported
	}
	v := c.proxy.node("router_config_name")
	switch {
	case name != "":
		c.r.refer(refRouter, v, name)
	case len(c.embedded) == 1:
		c.l.HTTP.Router = c.embedded[0]
	case v == nil || v.kind == kindString:
		c.r.errorf(c.proxy.n, `"router_config_name" is missing: expected the name of a router configuration`)
	}
}
