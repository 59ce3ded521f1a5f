package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"sluice/gateway/admin"
	"sluice/gateway/telemetry/metrics"
)

// serveAdmin starts the process's own HTTP servers: admin, pprof and the metrics sinks.
func (g *Gateway) serveAdmin() error {
	dump, err := admin.NewConfigDump(g.cfg.Document)
	if err != nil {
		return fmt.Errorf("the configuration can't be shown: %w", err)
	}
	g.dump = dump
	o := admin.Options{
		Version: g.options.Version, Gateway: adminView{g}, Logs: g.logs, AccessLogs: g.access, Registry: g.registry,
		Keep: admin.Matcher(g.cfg.Metrics), Log: g.log,
	}
	if a := g.cfg.Admin; a != nil {
		l, err := g.serve("admin", a.Address, admin.New(o))
		if err != nil {
			return err
		}
		g.adminAddr = l.Addr().String()
	}
	if p := g.cfg.Pprof; p != nil {
		if _, err := g.serve("pprof", p.AddrPort, admin.NewPprof(o)); err != nil {
			return err
		}
	}
	for _, s := range g.cfg.Metrics.Sinks {
		path := s.Endpoint
		if path == "" {
			path = "/metrics"
		}
		h := metrics.HandlerOptions{Go: !s.NoGo, Process: !s.NoProcess, Keep: o.Keep}
		addr := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(s.Port))
		if _, err := g.serve("metrics sink on port "+strconv.Itoa(s.Port), addr, admin.NewMetrics(o, path, h)); err != nil {
			return err
		}
	}
	return nil
}

// serve opens addr for s and serves until Stop.
func (g *Gateway) serve(what string, addr netip.AddrPort, s *admin.Server) (net.Listener, error) {
	l, err := admin.Listen(what, addr)
	if err != nil {
		return nil, err
	}
	g.servers = append(g.servers, s, l) // l as well: s may not have begun to serve it
	go func() {
		if err := s.Serve(l); err != nil {
			g.log.Error("a server of this process has ended", "server", what, "address", l.Addr().String(), "error", err)
		}
	}()
	g.log.Info("listening", "server", what, "address", l.Addr().String())
	return l, nil
}

// An adminView is what the admin API sees of a gateway.
type adminView struct{ g *Gateway }

// State implements admin.Gateway.
func (v adminView) State() (number int, name string) {
	s := State(v.g.state.Load())
	return int(s), s.String()
}

// Ready implements admin.Gateway.
func (v adminView) Ready() (ok bool, why string) {
	s := State(v.g.state.Load())
	return s == StateRunning, s.String()
}

// Config implements admin.Gateway.
func (v adminView) Config() *admin.ConfigDump { return v.g.dump }
