package gateway

import (
	"errors"

	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
	"sluice/upstream"
)

// hooks let the clusters' life be counted and logged.
func (g *Gateway) hooks() upstream.Hooks {
	shard := func(l loop.Loop) *metrics.Shard { return g.workers[l.Index()].shard }
	cluster := func(c *upstream.Cluster) *metrics.Cluster { return c.Data.(*metrics.Cluster) }
	endpoint := func(e *upstream.Endpoint) *metrics.Endpoint { return e.Data.(*metrics.Endpoint) }
	return upstream.Hooks{
		EndpointDialer: func(e *upstream.Endpoint, cfg *upstream.TLSConfig) upstream.Dialer { return g.tls.dialer(e, cfg) },
		ClusterAdded:   func(c *upstream.Cluster) any { return g.counters.Cluster(c.Name) },
		EndpointAdded:  func(e *upstream.Endpoint) any { return g.counters.Endpoint(e.Cluster.Name, e.Name) },
		// It locks what a scrape may hold for a while: not on a loop.
		EndpointGone: func(_ loop.Loop, e *upstream.Endpoint) { go g.counters.EndpointGone(e.Cluster.Name, e.Name) },
		ResolveFailed: func(c *upstream.Cluster, name string, err error) {
			g.log.Warn("a host name could not be resolved; addresses that were found before stay in use",
				"cluster", c.Name, "host", name, "error", err)
		},
		ConnOpened: func(l loop.Loop, e *upstream.Endpoint) {
			s := shard(l)
			for _, u := range [...]*metrics.Upstream{&cluster(e.Cluster).Upstream, &endpoint(e).Upstream} {
				s.Inc(u.Connections)
				s.AddGauge(u.Active, 1)
			}
		},
		ConnClosed: func(l loop.Loop, e *upstream.Endpoint, remote, busy bool) {
			s := shard(l)
			for _, u := range [...]*metrics.Upstream{&cluster(e.Cluster).Upstream, &endpoint(e).Upstream} {
				s.Inc(u.Closed(remote, busy))
				s.AddGauge(u.Active, -1)
			}
		},
		ConnFailed: func(l loop.Loop, e *upstream.Endpoint, err error) {
			r := protocols.ReasonConnectFailed
			if errors.Is(err, loop.ErrConnectTimeout) {
				r = protocols.ReasonConnectTimeout
			}
			shard(l).Inc(cluster(e.Cluster).ConnectFailed[r])
			shard(l).Inc(endpoint(e).ConnectFailed[r])
			g.log.Warn("an endpoint could not be connected to", "cluster", e.Cluster.Name, "endpoint", e.Name, "error", err)
		},
		Waiting:  func(l loop.Loop, c *upstream.Cluster, n int) { shard(l).AddGauge(cluster(c).Waiting, int64(n)) },
		Starved:  func(l loop.Loop, e *upstream.Endpoint) { shard(l).Inc(endpoint(e).Starved) },
		FellBack: func(l loop.Loop, c *upstream.Cluster) { shard(l).Inc(cluster(c).FellBack) },
	}
}
