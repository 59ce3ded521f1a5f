package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fakeLoop runs posted functions on its own goroutine.
type fakeLoop struct {
	tasks chan func()
	done  chan struct{}
}

func startLoop(t *testing.T) *fakeLoop {
	l := &fakeLoop{tasks: make(chan func(), 64), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for f := range l.tasks {
			f()
		}
	}()
	t.Cleanup(func() { close(l.tasks); <-l.done })
	return l
}

func (l *fakeLoop) post(f func()) bool {
	l.tasks <- f
	return true
}

func inline(f func()) bool {
	f()
	return true
}

func find(t *testing.T, all []Series, name string, values ...string) Series {
	t.Helper()
	for _, s := range all {
		if s.Name == name && slices.Equal(s.Values, values) {
			return s
		}
	}
	t.Fatalf("no series %s%q", name, values)
	return Series{}
}

func TestSumsWhatEveryLoopCounted(t *testing.T) {
	r := NewRegistry()
	c := r.Counter("sluice_test_requests_total", "Requests.", "listener").With("a")
	g := r.Gauge("sluice_test_active", "Active.").With()
	h := r.Histogram("sluice_test_duration_seconds", "Duration.", "listener").With("a")
	const loops, rounds = 4, 1000
	var work sync.WaitGroup
	for range loops {
		l := startLoop(t)
		s := r.NewShard(l.post)
		work.Add(1)
		for i := range rounds {
			l.post(func() {
				s.Inc(c)
				s.Add(c, 2)
				s.AddGauge(g, 3)
				s.AddGauge(g, -2)
				s.Observe(h, time.Duration(i+1)*time.Millisecond)
				if i == rounds-1 {
					work.Done()
				}
			})
			if i%100 == 0 {
				r.Snapshot() // races with counting, which the race detector would see
			}
		}
	}
	work.Wait()

	all := r.Snapshot()
	if v := find(t, all, "sluice_test_requests_total", "a").Value; v != 3*loops*rounds {
		t.Errorf("counter = %v, want %d", v, 3*loops*rounds)
	}
	if v := find(t, all, "sluice_test_active").Value; v != loops*rounds {
		t.Errorf("gauge = %v, want %d", v, loops*rounds)
	}
	d := find(t, all, "sluice_test_duration_seconds", "a")
	if d.Count != loops*rounds || d.Min != time.Millisecond || d.Max != rounds*time.Millisecond {
		t.Errorf("histogram: count %d min %v max %v", d.Count, d.Min, d.Max)
	}
	if want := loops * rounds * (rounds + 1) / 2 * time.Millisecond; d.Sum != want {
		t.Errorf("sum = %v, want %v", d.Sum, want)
	}
	if got := d.Buckets[1]; got != loops { // (0.5 ms, 1 ms]
		t.Errorf("bucket of 1 ms holds %d, want %d", got, loops)
	}
}

func TestSameLabelsGiveTheSameHandleForEver(t *testing.T) {
	r := NewRegistry()
	f := r.Counter("sluice_test_requests_total", "Requests.", "listener", "code")
	a, b := f.With("x", "200"), f.With("x", "404")
	if a == b || a == 0 || b == 0 {
		t.Fatalf("handles %d and %d should differ and not be zero", a, b)
	}
	again := r.Counter("sluice_test_requests_total", "Requests.", "listener", "code")
	if got := again.With("x", "200"); got != a {
		t.Errorf("the same labels gave %d, then %d", a, got)
	}
	// The separator of the key can't be smuggled in: it is not valid UTF-8.
	if f.With("x\xff", "y") == f.With("x", "\xffy") {
		t.Error("different labels share a handle")
	}
}

func TestAShardGrowsWhenAHandleComesWithoutASnapshot(t *testing.T) {
	r := NewRegistry()
	s := r.NewShard(inline)
	c := r.Counter("sluice_test_requests_total", "Requests.", "n")
	h := r.Histogram("sluice_test_duration_seconds", "Duration.", "n")
	var counters []Counter
	for i := range 1500 {
		counters = append(counters, c.With(fmt.Sprint(i)))
	}
	s.Inc(counters[1499])
	s.Observe(h.With("a"), time.Second)
	for range 100 { // so that a histogram lies across the end of the cells
		s.Observe(h.With(fmt.Sprint(r.numCells.Load())), time.Second)
	}
	for _, k := range counters {
		s.Inc(k)
	}
	all := r.Snapshot()
	if v := find(t, all, "sluice_test_requests_total", "1499").Value; v != 2 {
		t.Errorf("last counter = %v, want 2", v)
	}
	if v := find(t, all, "sluice_test_requests_total", "0").Value; v != 1 {
		t.Errorf("first counter = %v, want 1", v)
	}
	if n := find(t, all, "sluice_test_duration_seconds", "a").Count; n != 1 {
		t.Errorf("histogram count = %d, want 1", n)
	}
}

func TestAZeroHandleCountsIntoNothing(t *testing.T) {
	r := NewRegistry()
	s := r.NewShard(inline)
	c := r.Counter("sluice_test_requests_total", "Requests.").With()
	s.Inc(0)
	s.SetGauge(0, 7)
	s.Observe(0, time.Hour)
	if v := find(t, r.Snapshot(), "sluice_test_requests_total").Value; v != 0 {
		t.Errorf("counter %d = %v, want 0", c, v)
	}
}

func TestAFullFamilyCountsUnderOverflow(t *testing.T) {
	r := NewLimited(Limits{Series: 3})
	s := r.NewShard(inline)
	f := r.Counter("sluice_test_requests_total", "Requests.", "endpoint", "zone")
	for i := range 10 {
		s.Inc(f.With(fmt.Sprint(i), "200"))
	}
	s.Inc(f.With("1", "200"))
	all := r.Snapshot()
	if v := find(t, all, "sluice_test_requests_total", "1", "200").Value; v != 2 {
		t.Errorf("a series from before the limit = %v, want 2", v)
	}
	if v := find(t, all, "sluice_test_requests_total", Overflow, Overflow).Value; v != 7 {
		t.Errorf("overflow = %v, want 7", v)
	}
	if v := find(t, all, "sluice_metrics_series_overflowed_total").Value; v != 7 {
		t.Errorf("overflowed = %v, want 7", v)
	}
}

func TestEnumeratedLabelsDoNotFillAFamily(t *testing.T) {
	r := NewLimited(Limits{Series: 2})
	s := r.NewShard(inline)
	f := r.Counter("sluice_test_responses_total", "Responses.", "endpoint", "code").Enumerates(1)
	for _, endpoint := range []string{"a", "b", "c", "d"} {
		for code := range 50 {
			s.Inc(f.With(endpoint, fmt.Sprint(code)))
		}
	}
	all := r.Snapshot()
	for endpoint, want := range map[string]float64{"a": 1, "b": 1, Overflow: 2} {
		if v := find(t, all, "sluice_test_responses_total", endpoint, "49").Value; v != want {
			t.Errorf("%s = %v, want %v", endpoint, v, want)
		}
	}
}

func TestAnEnumeratingFamilyShowsOnlyWhatCounted(t *testing.T) {
	r := NewRegistry()
	s := r.NewShard(inline)
	f := r.Counter("sluice_test_responses_total", "Responses.", "code").Enumerates(1)
	f.With("200")
	s.Inc(f.With("404"))
	var got []string
	for _, x := range r.Snapshot() {
		if x.Name == "sluice_test_responses_total" {
			got = append(got, x.Values[0])
		}
	}
	if !slices.Equal(got, []string{"404"}) {
		t.Errorf("shown: %q, want only 404", got)
	}
}

func TestAStuckLoopGivesItsLastCopyAndIsCounted(t *testing.T) {
	r := NewLimited(Limits{Wait: time.Millisecond})
	c := r.Counter("sluice_test_requests_total", "Requests.").With()
	var stuck []func()
	answering := true
	s := r.NewShard(func(f func()) bool {
		if answering {
			f()
		} else {
			stuck = append(stuck, f)
		}
		return true
	})
	s.Inc(c)
	r.Snapshot()
	answering = false
	s.Inc(c)
	r.Snapshot()
	all := r.Snapshot()
	if v := find(t, all, "sluice_test_requests_total").Value; v != 1 {
		t.Errorf("counter = %v, want the last copy's 1", v)
	}
	if v := find(t, all, "sluice_metrics_stale_copies_total").Value; v != 2 {
		t.Errorf("stale = %v, want 2", v)
	}
	if len(stuck) != 1 {
		t.Errorf("a stuck loop was asked %d times, want once", len(stuck))
	}
	stuck[0]()
	if v := find(t, r.Snapshot(), "sluice_test_requests_total").Value; v != 2 {
		t.Errorf("counter = %v after the loop answered, want 2", v)
	}
}

func TestARetiredShardKeepsItsNumbers(t *testing.T) {
	r := NewLimited(Limits{Wait: time.Millisecond})
	c := r.Counter("sluice_test_requests_total", "Requests.").With()
	var late func()
	s := r.NewShard(func(f func()) bool { late = f; return true })
	s.Inc(c)
	r.Snapshot() // asks; the loop does not answer
	s.Inc(c)
	s.Retire()
	for range 2 {
		if v := find(t, r.Snapshot(), "sluice_test_requests_total").Value; v != 2 {
			t.Errorf("counter = %v, want 2", v)
		}
	}
	late() // a task left in the queue must not block the loop's end
}

func TestSourcesAreReadWhenSomebodyLooks(t *testing.T) {
	r := NewLimited(Limits{Series: 2})
	v := 1.0
	r.GaugeFunc("sluice_test_open_files", "Open files.", func() float64 { return v })
	r.Source(KindCounter, "sluice_test_dropped_lines_total", "Dropped.", []string{"path"},
		func(emit func(float64, ...string)) {
			emit(3, "a")
			emit(4, "b\xff")
			emit(5, "over the limit")
			emit(6, "wrong", "count")
		})
	v = 2
	all := r.Snapshot()
	if got := find(t, all, "sluice_test_open_files").Value; got != 2 {
		t.Errorf("gauge = %v, want 2", got)
	}
	if got := find(t, all, "sluice_test_dropped_lines_total", "b_").Value; got != 4 {
		t.Errorf("source = %v, want 4", got)
	}
	for _, s := range all {
		if s.Name == "sluice_test_dropped_lines_total" && s.Value > 4 {
			t.Errorf("%q exceeds the limit and is shown", s.Values)
		}
	}
}

func TestBadDeclarationsPanic(t *testing.T) {
	for what, declare := range map[string]func(r *Registry){
		"no prefix":        func(r *Registry) { r.Counter("requests_total", "R.") },
		"counter name":     func(r *Registry) { r.Counter("sluice_requests", "R.") },
		"gauge name":       func(r *Registry) { r.Gauge("sluice_requests_total", "R.") },
		"histogram unit":   func(r *Registry) { r.Histogram("sluice_request_duration", "R.") },
		"capital":          func(r *Registry) { r.Gauge("sluice_Active", "R.") },
		"help":             func(r *Registry) { r.Gauge("sluice_active", "") },
		"label":            func(r *Registry) { r.Gauge("sluice_active", "A.", "le") },
		"label twice":      func(r *Registry) { r.Gauge("sluice_active", "A.", "a", "a") },
		"other kind":       func(r *Registry) { r.Gauge("sluice_x", "A."); r.Histogram("sluice_x", "A.") },
		"other labels":     func(r *Registry) { r.Gauge("sluice_x", "A.", "a"); r.Gauge("sluice_x", "A.", "b") },
		"number of values": func(r *Registry) { r.Gauge("sluice_x", "A.", "a").With() },
		"source twice": func(r *Registry) {
			r.Gauge("sluice_x", "A.")
			r.GaugeFunc("sluice_x", "A.", func() float64 { return 0 })
		},
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				v := recover()
				if s, ok := v.(string); !ok || !strings.HasPrefix(s, "metrics: ") {
					t.Errorf("recovered %v, want a message", v)
				}
			}()
			declare(NewRegistry())
		})
	}
}
