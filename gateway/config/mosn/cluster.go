package mosn

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"sluice/upstream"
)

func (r *reader) manager(o object) {
	r.managerTLS = r.clusterTLS(o.node("tls_context"))
	clusters, dir := o.node("clusters"), o.node("clusters_configs")
	if dir != nil && !dir.inert() {
		if clusters != nil && !clusters.inert() {
			r.errorf(dir, "expected either clusters_configs or clusters, found both; keep one")
		}
		r.directory(dir, r.cluster)
		return
	}
	for _, n := range o.array("clusters") {
		r.cluster(n)
	}
}

func (r *reader) cluster(n *node) {
	o := r.object(n, clusterSchema)
	if o.n == nil {
		return
	}
	c := upstream.ClusterConfig{Origin: r.place(n), Name: o.name("name", "a name for the cluster")}
	if c.Name != "" {
		r.define(r.clusters, "a cluster", c.Name, o.at("name"))
	}
	c.Discovery = r.discovery(o)
	c.Policy = r.policy(o)
	lb := o.child("lbconfig", lbConfigSchema)
	c.Choices = int(lb.integer("choice_count", 0, 128))
	if c.Choices == 1 {
		r.warnf(lb.at("choice_count"), "one choice is no choice: 2 is the default")
	}
	for _, h := range o.array("hosts") {
		r.host(h, &c)
	}
	if len(c.Hosts) == 0 {
		r.warnf(o.at("hosts"), "the cluster %s has no hosts: its requests fail", quote(c.Name))
	}
	r.subsets(o, &c)
	c.ConnectTimeout, _ = o.duration("connect_timeout", false)
	c.IdleTimeout = o.offDuration("idle_timeout")
	c.Limits = r.breaker(o.array("circuit_breakers"))
	c.Mark = int(o.integer("mark", 0, math.MaxUint32))
	if v := o.node("source_address"); v != nil {
		c.Source = r.sourceAddress(v)
	}
	c.Protocol = r.upstreamProtocol(o, "protocol")
	c.MaxConnectionAge = o.interval("max_connection_age")
	r.multiplex(o, &c)
	r.secure(o, &c)
	r.dns(o, &c.DNS)
	r.cfg.Clusters = append(r.cfg.Clusters, c)
}

// discovery maps the types as MOSN does: it knows STRICT_DNS, and takes the others for SIMPLE.
func (r *reader) discovery(o object) upstream.Discovery {
	switch t := o.choice("type", "cluster type", "SIMPLE", "STATIC", "STRICT_DNS", "DYNAMIC", "EDS", "ORIGINAL_DST"); t {
	case "STRICT_DNS":
		return upstream.DNS
	case "DYNAMIC", "EDS":
		r.warnf(o.at("type"), "nothing discovers hosts for %s in this version: only the hosts that stand here are used", t)
	case "ORIGINAL_DST":
		r.errorf(o.at("type"), "ORIGINAL_DST is not available in this version: requests would not go where they were going")
	}
	return upstream.Static
}

func (r *reader) policy(o object) upstream.Policy {
	v := o.node("lb_type")
	if v == nil {
		return upstream.RoundRobin
	}
	s := r.str(v)
	if s == "" {
		return upstream.RoundRobin
	}
	p, all := find(balancers, strings.ToUpper(s))
	if p == nil {
		r.errorf(v, "unknown lb_type %s%s", quote(s), didYouMean(s, all))
		return upstream.RoundRobin
	}
	r.unavailable(v, v.line, v.col, p.use, p.name, p.why)
	switch p.name {
	case "LB_RANDOM":
		return upstream.Random
	case "LB_WEIGHTED_ROUNDROBIN":
		return upstream.WeightedRoundRobin
	case "LB_LEAST_REQUEST":
		return upstream.LeastRequest
	}
	return upstream.RoundRobin
}

func (r *reader) host(n *node, c *upstream.ClusterConfig) {
	const heaviest = 128 // MOSN clamps weights to 1..128
	o := r.object(n, hostSchema)
	if o.n == nil {
		return
	}
	h := upstream.HostConfig{Origin: r.place(n), Hostname: o.str("hostname")}
	r.noControls(o.node("hostname"))
	v := o.node("address")
	if v == nil {
		r.errorf(n, `"address" is missing: expected the host's address, such as "10.0.0.1:8080"`)
		return
	}
	h.Address, _ = r.upstreamAddress(v)
	if w := o.node("weight"); w != nil {
		weight, ok := r.integer(w, 0, math.MaxUint32)
		if ok && weight > heaviest {
			r.warnf(w, "weights go from 1 to %d, %d is used (as in MOSN)", heaviest, heaviest)
		}
		h.Weight = uint32(min(weight, heaviest)) //nolint:gosec // within range
	}
	h.TLSDisable = o.boolean("tls_disable", false)
	h.Metadata = r.metadata(o, "metadata")
	c.Hosts = append(c.Hosts, h)
}

// breaker reads the first circuit breaker, the only one that MOSN uses.
func (r *reader) breaker(items []*node) upstream.ClusterLimits {
	var l upstream.ClusterLimits
	for i, n := range items {
		if i > 0 {
			r.notef(n, "only the first circuit breaker counts, as in MOSN")
			break
		}
		o := r.object(n, breakerSchema)
		l.Connections = int(o.integer("max_connections", 0, math.MaxUint32))
		l.Requests = int(o.integer("max_requests", 0, math.MaxUint32))
		l.Retries = int(o.integer("max_retries", 0, math.MaxUint32))
		l.Pending = int(o.integer("max_pending_requests", 0, math.MaxUint32))
	}
	return l
}

func (r *reader) sourceAddress(v *node) netip.Addr {
	if v.kind == kindString {
		if ip, err := netip.ParseAddr(v.text); err == nil {
			return ip.Unmap()
		}
	}
	r.expected(v, `an IP address of this machine, such as "10.0.0.5"`, "")
	return netip.Addr{}
}

func (r *reader) dns(o object, d *upstream.DNSConfig) {
	d.Refresh, _ = o.duration("dns_refresh_rate", false)
	d.RespectTTL = o.boolean("respect_dns_ttl", false)
	d.IPv6 = o.choice("dns_lookup_family", "address family", "V4_ONLY", "V6_ONLY") == "V6_ONLY"
	d.File = o.str("dns_resolver_file")
	if v := o.node("dns_resolver_port"); v != nil {
		d.Port = r.port(v)
	}
	resolvers := o.child("dns_resolvers", resolversSchema)
	d.Servers = resolvers.strings("servers")
	d.Search = resolvers.strings("search")
	if v := resolvers.node("port"); v != nil {
		d.Port = r.port(v)
	}
}

// port reads a port, as a number or in quotes.
func (r *reader) port(v *node) string {
	if v.kind == kindString {
		if v.text == "" {
			return ""
		}
		if n, err := strconv.ParseUint(v.text, 10, 16); err == nil && n > 0 {
			return v.text
		}
		r.expected(v, "a port from 1 to 65535", "")
		return ""
	}
	n, ok := r.integer(v, 1, math.MaxUint16)
	if !ok {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
