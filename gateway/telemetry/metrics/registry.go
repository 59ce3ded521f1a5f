package metrics

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bounds a registry. Zero means the default, negative means none.
type Limits struct {
	Series int           // sets of label values per family, values that the program enumerates not counted: 2000
	Wait   time.Duration // how long a gathering waits for the loops before it takes their last copies: 1 s
	Linger time.Duration // how long the series of a thing that is gone (an endpoint) stay, for the last scrapes: 5 min
}

func (l Limits) withDefaults() Limits {
	if l.Series == 0 {
		l.Series = 2000
	}
	if l.Wait == 0 {
		l.Wait = time.Second
	}
	if l.Linger == 0 {
		l.Linger = 5 * time.Minute
	}
	return l
}

// A Registry holds the families of a process and the shards of its loops. It is safe on any goroutine.
type Registry struct {
	limits   Limits
	now      func() time.Time
	numCells atomic.Uint32 // grows under mu, before the handle that needs it is given out

	mu         sync.Mutex
	families   []*family
	byName     map[string]*family
	sources    []*source
	shards     []*Shard
	overflowed uint64 // Withs that a full family answered with the overflow series
	groups     []*group
	dirty      []freeCell // of series that are gone, to be zeroed at the next gathering
	freeNarrow []uint32   // zeroed cells of counters and gauges
	freeWide   []uint32   // of histograms

	gathering sync.Mutex // held by the one goroutine that gathers
	stale     atomic.Uint64
}

// NewRegistry returns an empty registry with the default limits.
func NewRegistry() *Registry { return NewLimited(Limits{}) }

// NewLimited returns an empty registry with limits l.
func NewLimited(l Limits) *Registry {
	r := &Registry{limits: l.withDefaults(), now: time.Now, byName: make(map[string]*family)}
	r.numCells.Store(reservedCells)
	r.CounterFunc("sluice_metrics_stale_copies_total",
		"Loops that did not answer a scrape in time, so that it showed their last numbers.",
		func() float64 { return float64(r.stale.Load()) })
	r.CounterFunc("sluice_metrics_series_overflowed_total",
		"Label values that a full metric counted under _overflow.",
		func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return float64(r.overflowed)
		})
	return r
}

// Counter declares a counter, or returns the one of that name. It panics when the name, help or labels break
// Prometheus's rules, or when the name is declared otherwise already: names are fixed in the program.
func (r *Registry) Counter(name, help string, labels ...string) *CounterFamily {
	return &CounterFamily{r.declare(KindCounter, name, help, labels)}
}

// Gauge is Counter for gauges.
func (r *Registry) Gauge(name, help string, labels ...string) *GaugeFamily {
	return &GaugeFamily{r.declare(KindGauge, name, help, labels)}
}

// Histogram is Counter for histograms of durations, which have the buckets 0.5 ms ... 60 s.
func (r *Registry) Histogram(name, help string, labels ...string) *HistogramFamily {
	return &HistogramFamily{r.declare(KindHistogram, name, help, labels)}
}

func (r *Registry) declare(kind Kind, name, help string, labels []string) *family {
	if err := checkFamily(kind, name, help, labels); err != nil {
		panic("metrics: " + err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.byName[name]; ok {
		if f.kind != kind || !slices.Equal(f.labels, labels) {
			panic(fmt.Sprintf("metrics: %s is already a %v with the labels %q", name, f.kind, f.labels))
		}
		return f
	}
	f := &family{reg: r, kind: kind, name: name, help: help, labels: slices.Clone(labels),
		index: make(map[string]int), things: make(map[string]struct{})}
	r.byName[name] = f
	r.families = append(r.families, f)
	return f
}

// newCells reserves the cells of one series; mu is held.
func (r *Registry) newCells(kind Kind) uint32 {
	free, n := &r.freeNarrow, uint32(1)
	if kind == KindHistogram {
		free, n = &r.freeWide, histogramCells
	}
	if last := len(*free) - 1; last >= 0 {
		cell := (*free)[last]
		*free = (*free)[:last]
		return cell
	}
	cell := r.numCells.Load()
	r.numCells.Store(cell + n)
	return cell
}

// NewShard makes the shard of one loop. post runs a function on that loop and says whether it will; it is called on the
// goroutine that gathers.
func (r *Registry) NewShard(post func(func()) bool) *Shard {
	s := newShard(r, post)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shards = append(r.shards, s)
	return s
}

// A source is a metric that is read when somebody looks.
type source struct {
	kind   Kind
	name   string
	help   string
	labels []string
	read   func(emit func(value float64, labels ...string))
}

// CounterFunc declares a counter that f reads at every gathering, on the goroutine that gathers: for what is counted off
// the loops. f must not gather.
func (r *Registry) CounterFunc(name, help string, f func() float64) {
	r.Source(KindCounter, name, help, nil, func(emit func(float64, ...string)) { emit(f()) })
}

// GaugeFunc is CounterFunc for gauges.
func (r *Registry) GaugeFunc(name, help string, f func() float64) {
	r.Source(KindGauge, name, help, nil, func(emit func(float64, ...string)) { emit(f()) })
}

// Source declares a counter or gauge whose series read emits at every gathering: for sets that come and go. Each call of
// emit gives as many label values as there are labels, never the same twice; what exceeds Limits.Series is left out.
func (r *Registry) Source(kind Kind, name, help string, labels []string, read func(emit func(value float64, labels ...string))) {
	err := checkFamily(kind, name, help, labels)
	if kind == KindHistogram {
		err = fmt.Errorf("%s: a source can't be a histogram", name)
	}
	if err != nil {
		panic("metrics: " + err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.byName[name]; ok {
		panic("metrics: " + name + " is declared twice")
	}
	r.byName[name] = nil
	r.sources = append(r.sources, &source{kind: kind, name: name, help: help, labels: slices.Clone(labels), read: read})
}
