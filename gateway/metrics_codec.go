package gateway

import (
	"time"

	"sluice/gateway/telemetry/metrics"
	"sluice/protocols"
)

// countsWait is how long a scrape waits for the loops' counts.
const countsWait = time.Second

// declareCodecMetrics shows what the codecs count: each listener's own, and those of the upstream connections that were made
// for its requests.
func (g *Gateway) declareCodecMetrics() {
	for _, f := range []struct {
		name, help string
		value      func(c *protocols.Counts) uint64
	}{
		{"sluice_codec_late_answers_total", "Answers dropped because their requests had been given up.",
			func(c *protocols.Counts) uint64 { return c.Late }},
		{"sluice_codec_unknown_answers_total", "Answers dropped because no request waited for them.",
			func(c *protocols.Counts) uint64 { return c.Unknown }},
		{"sluice_codec_refused_requests_total", "Requests that were too many or too large for their connection, refused before they were exchanges.",
			func(c *protocols.Counts) uint64 { return c.Refused }},
		{"sluice_codec_probes_total", "Pings and heartbeats sent, to clients and to upstreams.",
			func(c *protocols.Counts) uint64 { return c.Pings }},
	} {
		g.registry.Source(metrics.KindCounter, f.name, f.help, []string{"listener"}, func(emit func(float64, ...string)) {
			for i, c := range g.codecCounts() {
				emit(float64(f.value(&c)), g.listeners[i].cfg.Name)
			}
		})
	}
}

// codecCounts asks the loops for what the codecs of each listener have counted.
func (g *Gateway) codecCounts() []protocols.Counts {
	sums := make([]protocols.Counts, len(g.listeners))
	answers := make(chan []protocols.Counts, len(g.workers))
	asked := 0
	for i, w := range g.workers {
		if w.loop.Post(func() { answers <- g.countsOn(i) }) {
			asked++
		}
	}
	timeout := time.NewTimer(countsWait)
	defer timeout.Stop()
	for range asked {
		select {
		case one := <-answers:
			for i := range sums {
				addCounts(&sums[i], &one[i])
			}
		case <-timeout.C:
			return nil // rather than a sum that goes back
		}
	}
	return sums
}

// countsOn copies the counts of worker i. It runs on that worker's loop.
func (g *Gateway) countsOn(i int) []protocols.Counts {
	counts := make([]protocols.Counts, len(g.listeners))
	for n, l := range g.listeners {
		if chains := l.locals[i].chains; chains != nil {
			for _, local := range chains.all {
				addCounts(&counts[n], local.env.Counts)
			}
			continue
		}
		counts[n] = *l.locals[i].env.Counts
	}
	return counts
}

func addCounts(sum, c *protocols.Counts) {
	sum.Late += c.Late
	sum.Unknown += c.Unknown
	sum.Refused += c.Refused
	sum.Pings += c.Pings
}
