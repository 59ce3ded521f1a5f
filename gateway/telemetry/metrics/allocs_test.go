//go:build !race

package metrics

import (
	"testing"
	"time"
)

func TestCountingAllocatesNothing(t *testing.T) {
	r := NewRegistry()
	c := r.Counter("sluice_test_requests_total", "Requests.").With()
	g := r.Gauge("sluice_test_active", "Active.").With()
	h := r.Histogram("sluice_test_duration_seconds", "Duration.").With()
	s := r.NewShard(inline)
	n := testing.AllocsPerRun(10, func() {
		for i := range 1000 {
			s.Inc(c)
			s.Add(c, 5)
			s.AddGauge(g, 1)
			s.SetGauge(g, 2)
			s.Observe(h, time.Duration(i)*time.Millisecond)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations in 1000 rounds, want 0", n)
	}
}
