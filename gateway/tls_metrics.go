package gateway

import (
	"path/filepath"
	"time"

	"sluice/gateway/certificates"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop/secure"
)

// declareTLSMetrics shows what the TLS of both sides counts, and its certificates.
func (g *Gateway) declareTLSMetrics() {
	for _, f := range []struct {
		name, help string
		kind       metrics.Kind
		value      func(c *secure.Counters) int64
	}{
		{"sluice_tls_handshakes_total", "Handshakes that ended well, with clients (down) and with upstreams (up).", metrics.KindCounter,
			func(c *secure.Counters) int64 { return c.Done }},
		{"sluice_tls_handshakes_resumed_total", "Those of them that continued an earlier session.", metrics.KindCounter,
			func(c *secure.Counters) int64 { return c.Resumed }},
		{"sluice_tls_handshakes_active", "Connections whose handshake is not done.", metrics.KindGauge,
			func(c *secure.Counters) int64 { return c.Waiting }},
		{"sluice_tls_truncated_total", "Connections that their peer ended without close_notify.", metrics.KindCounter,
			func(c *secure.Counters) int64 { return c.Truncated }},
	} {
		g.registry.Source(f.kind, f.name, f.help, []string{"side"}, func(emit func(float64, ...string)) {
			g.eachSide(func(side string, c *secure.Counters) { emit(float64(f.value(c)), side) })
		})
	}
	for _, f := range []struct {
		name, help string
		value      func(c *secure.Counters, r secure.Reason) int64
	}{
		{"sluice_tls_handshake_failures_total", "Handshakes that failed, by reason.",
			func(c *secure.Counters, r secure.Reason) int64 { return c.HandshakeErrors[r] }},
		{"sluice_tls_connection_failures_total", "Connections that TLS ended after their handshake, by reason.",
			func(c *secure.Counters, r secure.Reason) int64 { return c.RecordErrors[r] }},
	} {
		g.registry.Source(metrics.KindCounter, f.name, f.help, []string{"side", "reason"}, func(emit func(float64, ...string)) {
			g.eachSide(func(side string, c *secure.Counters) {
				for _, r := range secure.Reasons() {
					emit(float64(f.value(c, r)), side, r.String())
				}
			})
		})
	}
	g.declareFallbackMetric()
	for _, f := range []struct {
		name, help string
		kind       metrics.Kind
		value      func(s *certificates.Status) float64
	}{
		{"sluice_tls_certificate_expiry_days", "Days until a certificate in use expires.", metrics.KindGauge,
			func(s *certificates.Status) float64 { return time.Until(s.NotAfter).Hours() / 24 }},
		{"sluice_tls_certificate_refused_total", "Changed certificates that were not good, so that the one before stays in use.",
			metrics.KindCounter, func(s *certificates.Status) float64 { return float64(s.Refused) }},
	} {
		g.registry.Source(f.kind, f.name, f.help, []string{"owner", "certificate"}, func(emit func(float64, ...string)) {
			if g.tls == nil {
				return
			}
			seen := map[[2]string]bool{}
			for _, files := range g.tls.files {
				for _, s := range files.Status() {
					if s.NotAfter.IsZero() && f.kind == metrics.KindGauge {
						continue // it is not there: sluice_tls_fallback
					}
					name := filepath.Clean(s.Chain)
					if at := [2]string{files.owner, name}; !seen[at] { // a chain may stand there for two names
						seen[at] = true
						emit(f.value(&s), files.owner, name)
					}
				}
			}
		})
	}
}

// declareFallbackMetric shows which listeners speak plaintext against what was meant.
func (g *Gateway) declareFallbackMetric() {
	g.registry.Source(metrics.KindGauge, "sluice_tls_fallback",
		"1 while a listener with fall_back speaks plaintext, for want of a certificate.", []string{"owner"}, func(emit func(float64, ...string)) {
			if g.tls == nil {
				return
			}
			for _, s := range g.tls.servers {
				switch {
				case !s.mayFallBack:
				case s.store.Ready():
					emit(0, s.owner)
				default:
					emit(1, s.owner)
				}
			}
		})
}

// eachSide sums the loops' counters.
func (g *Gateway) eachSide(see func(side string, c *secure.Counters)) {
	if g.tls == nil {
		return
	}
	for _, side := range []struct {
		name    string
		engines []*secure.Engine
	}{{"down", g.tls.down}, {"up", g.tls.up}} {
		var sum secure.Counters
		for _, e := range side.engines {
			c := e.Counters()
			sum.Done += c.Done
			sum.Resumed += c.Resumed
			sum.Waiting += c.Waiting
			sum.Truncated += c.Truncated
			for r := range c.HandshakeErrors {
				sum.HandshakeErrors[r] += c.HandshakeErrors[r]
				sum.RecordErrors[r] += c.RecordErrors[r]
			}
		}
		see(side.name, &sum)
	}
}
