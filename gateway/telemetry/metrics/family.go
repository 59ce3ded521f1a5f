package metrics

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind says what a family measures.
type Kind uint8

// The kinds of family.
const (
	KindCounter Kind = iota + 1
	KindGauge
	KindHistogram
)

func (k Kind) String() string {
	switch k {
	case KindCounter:
		return "counter"
	case KindGauge:
		return "gauge"
	case KindHistogram:
		return "histogram"
	}
	return "unknown"
}

// Overflow is the label value under which a full family counts what it has no series for.
const Overflow = "_overflow"

// maxLabelValue bytes of a label value are kept: names come from configurations, but endpoints may come from discovery.
const maxLabelValue = 256

// A family is one metric: a name and the series that differ in label values. Its fields but series are immutable;
// series belongs to the registry's lock.
type family struct {
	reg    *Registry
	kind   Kind
	name   string
	help   string
	labels []string
	// enums is how many labels at the end have few values, fixed in the program: they count for nothing in the limit,
	// and series of such a family that have counted nothing are not shown.
	enums int

	series []series
	index  map[string]int      // by joined label values, to series
	things map[string]struct{} // the joined values of the other labels: what the limit is about
}

// A series is one set of label values, and its cell.
type series struct {
	values []string
	cell   uint32
}

// with returns the cell of the label values, making the series when it is new.
func (f *family) with(values []string) uint32 {
	if len(values) != len(f.labels) {
		panic(fmt.Sprintf("metrics: %s has the labels %q and was given %d values", f.name, f.labels, len(values)))
	}
	values = slices.Clone(values)
	for i, v := range values {
		values[i] = cleanLabel(v)
	}

	r := f.reg
	r.mu.Lock()
	defer r.mu.Unlock()
	own := values[:len(values)-f.enums]
	thing := join(own)
	if _, known := f.things[thing]; !known && len(own) > 0 {
		if limit := r.limits.Series; limit > 0 && len(f.things) >= limit {
			r.overflowed++
			for i := range own {
				own[i] = Overflow
			}
		} else {
			f.things[thing] = struct{}{}
		}
	}
	key := join(values)
	if i, ok := f.index[key]; ok {
		return f.series[i].cell
	}
	cell := r.newCells(f.kind)
	f.index[key] = len(f.series)
	f.series = append(f.series, series{values: values, cell: cell})
	return cell
}

// join makes a key of label values; a value, being UTF-8, can't hold the separator.
func join(values []string) string { return strings.Join(values, "\xff") }

// cleanLabel makes v valid UTF-8 (the exposition format's rule) of bounded length.
func cleanLabel(v string) string {
	if len(v) > maxLabelValue {
		v = v[:maxLabelValue]
	}
	if utf8.ValidString(v) {
		return v
	}
	return strings.ToValidUTF8(v, "_")
}

// A CounterFamily makes counters that differ in label values.
type CounterFamily struct{ f *family }

// With returns the counter of the label values, in the order of the family's labels: for the same values always the
// same. It may be called on any goroutine, and locks.
func (c *CounterFamily) With(values ...string) Counter { return Counter(c.f.with(values)) }

// Enumerates says that the last n labels have few values, fixed in the program (status codes, reasons): the limit of
// series is then about the labels before them, and series that have counted nothing are not shown. It must be called
// before the first With. It returns c.
func (c *CounterFamily) Enumerates(n int) *CounterFamily {
	c.f.reg.mu.Lock()
	defer c.f.reg.mu.Unlock()
	c.f.enums = n
	return c
}

// A GaugeFamily makes gauges that differ in label values.
type GaugeFamily struct{ f *family }

// With is described at CounterFamily.With.
func (g *GaugeFamily) With(values ...string) Gauge { return Gauge(g.f.with(values)) }

// A HistogramFamily makes histograms that differ in label values.
type HistogramFamily struct{ f *family }

// With is described at CounterFamily.With.
func (h *HistogramFamily) With(values ...string) Histogram { return Histogram(h.f.with(values)) }
