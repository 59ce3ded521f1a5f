package mosn

import (
	"math"
	"net/netip"
	"slices"

	"sluice/gateway/config"
	"sluice/gateway/identity"
)

func (r *reader) httpProxy(o object) *config.HTTPProxy {
	p := &config.HTTPProxy{Router: o.str("router_config_name"), Fallback: o.boolean("fallback_for_unknown_protocol", false)}
	extend := o.child("extend_config", extendSchema)
	r.proxyProtocols(o, extend, p)
	r.extendConfig(extend, p)
	r.forwarded(o.child("forwarded", forwardedSchema), &p.Forwarded)
	p.ClientCert = r.clientCert(o)
	t := o.child("timeouts", timeoutsSchema)
	p.Timeouts = config.RequestTimeouts{
		Head: t.offDuration("head"), Progress: t.offDuration("progress"),
		StreamIdle: t.offDuration("stream_idle"), TunnelIdle: t.offDuration("tunnel_idle"),
	}
	r.requestLimits(o.child("limits", limitsSchema), &p.Limits)
	r.http2Options(o.child("http2", http2Schema), p)
	r.boltOptions(o.child("bolt", boltSchema), p)
	return p
}

// extendConfig reads {"Http1": {...}} and the old form without the protocol's name.
func (r *reader) extendConfig(o object, p *config.HTTPProxy) {
	r.http1Limits(o.child("Http1", http1Schema), p)
	r.http1Limits(o, p)
	o.child("Http2", http2ExtendSchema)
	p.Bolt.GoAway = o.boolean("enable_bolt_goaway", false)
	for _, name := range []string{protocolBolt, protocolBolt2} {
		if o.child(name, boltExtendSchema).boolean("enable_bolt_goaway", false) {
			p.Bolt.GoAway = true
		}
	}
}

func (r *reader) http1Limits(o object, p *config.HTTPProxy) {
	if head := o.integer("max_header_size", 0, math.MaxInt32); head > 0 {
		p.Limits.HeadBytes = int(head)
	}
	if body := o.integer("max_request_body_size", 0, math.MaxInt64); body > 0 {
		p.Limits.Body = body
	}
}

func (r *reader) forwarded(o object, f *config.Forwarded) {
	f.NoVia = !o.boolean("via", true)
	f.NoXFF = !o.boolean("x_forwarded_for", true)
	f.NoXFProto = !o.boolean("x_forwarded_proto", true)
	f.NoXFHost = !o.boolean("x_forwarded_host", true)
	f.NoRequestID = !o.boolean("x_request_id", true)
	f.ViaName = o.str("via_name")
	if v := o.node("via_name"); f.ViaName != "" && !isToken(f.ViaName) {
		// "received-by = pseudonym [ ":" port ]", "pseudonym = token" (RFC 9110, section 7.6.3).
		r.expected(v, "a name of letters, digits and -._~ only", "")
	}
	for _, v := range o.array("trusted_networks") {
		if p, ok := r.prefix(v); ok {
			f.Trusted = append(f.Trusted, p)
			if p.Bits() == 0 {
				r.warnf(v, "every peer is trusted: any client can pretend to be any other")
			}
		}
	}
}

// clientCert reads what upstreams are told of a client's certificate: the keys are those of Envoy's connection manager.
func (r *reader) clientCert(o object) (c config.ClientCert) {
	names := identity.Forwardings()
	if i := slices.Index(names, o.choice("forward_client_cert_details", "way to forward client certificates", names...)); i >= 0 {
		c.Forwarding = identity.Forwarding(i)
	}
	if c.Forwarding == identity.AlwaysForwardOnly {
		r.warnf(o.at("forward_client_cert_details"), "any client can pretend to be any other: what it says of its certificate is passed on")
	}
	d := o.child("set_current_client_cert_details", clientCertSchema)
	c.Details = identity.Details{Subject: d.boolean("subject", false), Cert: d.boolean("cert", false), Chain: d.boolean("chain", false),
		DNS: d.boolean("dns", false), URI: d.boolean("uri", false)}
	if c.Details != (identity.Details{}) && !c.Forwarding.Tells() {
		r.notef(o.at("set_current_client_cert_details"), "%q has no effect: forward_client_cert_details is %s, which tells nothing of the client's "+
			"certificate", "set_current_client_cert_details", c.Forwarding)
	}
	return c
}

// requestLimits reads limits of which -1 means none.
func (r *reader) requestLimits(o object, l *config.RequestLimits) {
	for _, f := range []struct {
		key string
		to  *int
	}{{"head_bytes", &l.HeadBytes}, {"head_fields", &l.HeadFields}, {"request_line", &l.RequestLine}} {
		if v := o.integer(f.key, -1, math.MaxInt32); v != 0 {
			*f.to = int(v)
		}
	}
	if v := o.integer("body", -1, math.MaxInt64); v != 0 {
		l.Body = v
	}
}

func (r *reader) tcpProxy(o object) *config.TCPProxy {
	p := &config.TCPProxy{Cluster: o.str("cluster")}
	r.refer(refCluster, o.node("cluster"), p.Cluster)
	p.IdleTimeout = r.streamIdle(o)
	for _, n := range o.array("routes") {
		ro := r.object(n, tcpRouteSchema)
		if ro.n == nil {
			continue
		}
		route := config.TCPRoute{Cluster: ro.name("cluster", "the name of a cluster")}
		r.refer(refCluster, ro.node("cluster"), route.Cluster)
		route.Sources = r.cidrs(ro, "source_addrs", "SourceAddrs")
		route.Destinations = r.cidrs(ro, "destination_addrs", "DestinationAddrs")
		route.SourcePorts = r.portRanges(ro, "source_port", "SourcePort")
		route.DestinationPorts = r.portRanges(ro, "destination_port", "DestinationPort")
		p.Routes = append(p.Routes, route)
	}
	if p.Cluster == "" && len(p.Routes) == 0 && o.n != nil {
		r.errorf(o.n, `"cluster" is missing: expected the name of a cluster`)
	}
	return p
}

// cidrs reads address ranges under either spelling of the key.
func (r *reader) cidrs(o object, keys ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, key := range keys {
		for _, n := range o.array(key) {
			c := r.object(n, cidrSchema)
			text := c.name("address", "an IP address")
			if text == "" {
				continue
			}
			ip, err := netip.ParseAddr(text)
			if err != nil || ip.Zone() != "" {
				r.expected(c.at("address"), "an IP address", "")
				continue
			}
			ip = ip.Unmap()
			bits := int64(ip.BitLen())
			if v := c.node("length"); v != nil {
				length, ok := r.integer(v, 0, bits)
				if !ok {
					continue
				}
				bits = length
			}
			out = append(out, netip.PrefixFrom(ip, int(bits)).Masked())
		}
	}
	return out
}
