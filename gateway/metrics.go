package gateway

import (
	"log/slog"
	"strconv"

	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/logging"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
)

// DeclaredMetrics lists every metric that a gateway has, for documentation.
func DeclaredMetrics() []metrics.Declaration {
	g := &Gateway{registry: metrics.NewRegistry()}
	metrics.NewSet(g.registry)
	logging.NewManager(logging.Options{}).RegisterMetrics(g.registry)
	accesslog.NewManager(slog.New(slog.DiscardHandler)).RegisterMetrics(g.registry)
	g.declareLoopMetrics()
	g.declareLobbyMetrics()
	g.declareCodecMetrics()
	g.declareTLSMetrics()
	return g.registry.Declared()
}

// declareLoopMetrics shows what the loops and listening sockets count themselves.
func (g *Gateway) declareLoopMetrics() {
	for _, f := range []struct {
		name, help string
		kind       metrics.Kind
		value      func(c *loop.Counters) int64
	}{
		{"sluice_loop_connections_active", "Connections open, to clients and to upstreams.", metrics.KindGauge,
			func(c *loop.Counters) int64 { return c.Open }},
		{"sluice_loop_connections_accepted_total", "Connections from clients that this loop got, with those that it refused.",
			metrics.KindCounter, func(c *loop.Counters) int64 { return c.Accepted }},
		{"sluice_loop_handed_over_connections_total", "Connections accepted by this loop and given to one with less to do.",
			metrics.KindCounter, func(c *loop.Counters) int64 { return c.HandedOver }},
		{"sluice_loop_accept_failures_total", "Accepts that failed for want of descriptors or memory.", metrics.KindCounter,
			func(c *loop.Counters) int64 { return c.NoFiles }},
		{"sluice_loop_panics_total", "Callbacks that panicked; each cost one connection.", metrics.KindCounter,
			func(c *loop.Counters) int64 { return c.Panics }},
		{"sluice_loop_slow_callbacks_total", "Callbacks that held the loop for more than 50 ms.", metrics.KindCounter,
			func(c *loop.Counters) int64 { return c.SlowCallbacks }},
	} {
		g.registry.Source(f.kind, f.name, f.help, []string{"loop"}, func(emit func(float64, ...string)) {
			for i, c := range g.group.Counters() {
				emit(float64(f.value(&c)), strconv.Itoa(i))
			}
		})
	}
	g.registry.Source(metrics.KindCounter, "sluice_downstream_connections_refused_total",
		"Connections closed at accept because a limit was reached.", []string{"listener"}, func(emit func(float64, ...string)) {
			for _, l := range g.listeners {
				if l.socket != nil {
					emit(float64(l.socket.Counters().Refused), l.cfg.Name)
				}
			}
		})
}
