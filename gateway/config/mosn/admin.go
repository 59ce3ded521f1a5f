package mosn

import (
	"math"
	"net/netip"
	"strings"

	"sluice/gateway/config"
	"sluice/loop"
)

// admin reads the admin server's address. Without one there is no admin server, as in MOSN.
func (r *reader) admin(n *node) {
	if n == nil {
		return
	}
	sock := r.object(n, adminSchema).child("address", adminAddressSchema).child("socket_address", socketAddressSchema)
	if sock.n == nil {
		if n.kind == kindObject {
			r.warnf(n, `there is no admin server, because "admin" has no address; `+
				`write {"address":{"socket_address":{"address":"127.0.0.1","port_value":34901}}}`)
		}
		return
	}
	port := sock.node("port_value")
	if port == nil {
		r.errorf(sock.n, `"port_value" is missing: expected the port of the admin server`)
		return
	}
	p, ok := r.integer(port, 0, math.MaxUint16)
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if host := sock.str("address"); host != "" {
		var found bool
		ip, found = r.resolveHost(sock.at("address"), strings.Trim(host, "[]"))
		ok = ok && found
	}
	if !ok {
		return
	}
	if !ip.IsLoopback() {
		r.warnf(sock.at("address"), "the admin server asks nobody for a password and will listen on %s; 127.0.0.1 keeps it "+
			"on this machine", ip)
	}
	r.cfg.Admin = &config.Admin{Address: netip.AddrPortFrom(ip, uint16(p))}
	r.listens(loop.Addr{AddrPort: r.cfg.Admin.Address}, "the admin server", sock.n)
}

// pprof reads the listener of net/http/pprof. It is on loopback unless endpoint says otherwise: MOSN opens it to
// everybody.
func (r *reader) pprof(o object) {
	const defaultPort = 9090 // MOSN's
	on := o.boolean("debug", false)
	port := o.integer("port_value", 0, math.MaxUint16)
	if port == 0 {
		port = defaultPort
	}
	ip, ok := netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	if host := o.str("endpoint"); host != "" {
		ip, ok = r.resolveHost(o.at("endpoint"), strings.Trim(host, "[]"))
	}
	if !on || !ok {
		return
	}
	addr := loop.Addr{AddrPort: netip.AddrPortFrom(ip, uint16(port))} //nolint:gosec // within range
	r.cfg.Pprof = &addr
	r.listens(addr, "pprof", o.n)
}

func (r *reader) metrics(o object) {
	m := &r.cfg.Metrics
	match := o.child("stats_matcher", matcherSchema)
	m.RejectAll = match.boolean("reject_all", false)
	m.ExcludedLabels = match.strings("exclusion_labels")
	m.ExcludedKeys = match.strings("exclusion_keys")
	for _, n := range o.array("sinks") {
		r.sink(r.object(n, filterSchema))
	}
}

func (r *reader) sink(f object) {
	switch t := f.name("type", "the type of a sink"); t {
	case "":
	case "prometheus":
		if f.node("config") == nil {
			r.errorf(f.n, `"config" is missing: expected at least the port of the prometheus sink`)
			return
		}
		o := f.child("config", prometheusSchema)
		if o.n == nil {
			return
		}
		if o.node("port") == nil {
			r.errorf(o.n, `"port" is missing: expected the port that Prometheus scrapes`)
			return
		}
		s := config.PrometheusSink{
			Port: int(o.integer("port", 1, math.MaxUint16)), Endpoint: o.str("endpoint"),
			NoProcess: o.boolean("disable_collect_process", false), NoGo: o.boolean("disable_collect_go", false),
		}
		if s.Endpoint != "" && !strings.HasPrefix(s.Endpoint, "/") {
			r.expected(o.at("endpoint"), "a path such as \"/metrics\"", "")
		}
		if s.Port != 0 {
			r.listens(loop.Addr{AddrPort: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(s.Port))}, "a prometheus sink", o.at("port"))
		}
		r.cfg.Metrics.Sinks = append(r.cfg.Metrics.Sinks, s)
	case "console":
		r.notef(f.at("type"), "the admin server always shows the metrics; this sink has no effect")
	default:
		r.warnf(f.at("type"), "unknown sink %s: nothing is sent there%s", quote(t), didYouMean(t, []string{"prometheus", "console"}))
	}
}
