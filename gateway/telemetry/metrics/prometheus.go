package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes of one handler may run at once; more get a 503.
const maxScrapes = 4

// HandlerOptions say what an exposition holds beside the registry.
type HandlerOptions struct {
	Go      bool // the Go runtime's metrics
	Process bool // the process's: CPU seconds, resident bytes, open file descriptors, start time
	// Keep, when not nil, chooses the series that are shown.
	Keep func(s *Series) bool
}

// Handler serves the registry with the Go runtime's and the process's metrics, in the text format of Prometheus or
// OpenMetrics, as the scraper asks.
func (r *Registry) Handler() http.Handler {
	return r.HandlerFor(HandlerOptions{Go: true, Process: true})
}

// HandlerFor is Handler with a choice.
func (r *Registry) HandlerFor(o HandlerOptions) http.Handler {
	return promhttp.HandlerFor(r.Gatherer(o), promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
}

// Gatherer is the registry as the Prometheus client library sees it.
func (r *Registry) Gatherer(o HandlerOptions) prometheus.Gatherer {
	p := prometheus.NewRegistry()
	p.MustRegister(collector{r, o.Keep})
	if o.Go {
		p.MustRegister(collectors.NewGoCollector())
	}
	if o.Process {
		p.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return p
}

// collector turns a snapshot into constant metrics. It is unchecked (Describe says nothing), because its families come
// into being while the process runs.
type collector struct {
	reg  *Registry
	keep func(s *Series) bool
}

func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	var desc *prometheus.Desc
	var name string
	for _, s := range c.reg.Snapshot() {
		if c.keep != nil && !c.keep(&s) {
			continue
		}
		if s.Name != name {
			name, desc = s.Name, prometheus.NewDesc(s.Name, s.Help, s.Labels, nil)
		}
		ch <- constant(desc, &s)
	}
}

func constant(desc *prometheus.Desc, s *Series) prometheus.Metric {
	if s.Kind == KindHistogram {
		buckets := make(map[float64]uint64, numBounds)
		var n uint64
		for i, b := range bounds {
			n += s.Buckets[i]
			buckets[b.Seconds()] = n
		}
		return prometheus.MustNewConstHistogram(desc, s.Count, s.Sum.Seconds(), buckets, s.Values...)
	}
	kind := prometheus.CounterValue
	if s.Kind == KindGauge {
		kind = prometheus.GaugeValue
	}
	return prometheus.MustNewConstMetric(desc, kind, s.Value, s.Values...)
}
