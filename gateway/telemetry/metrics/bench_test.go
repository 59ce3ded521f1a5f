package metrics

import (
	"testing"
	"time"
)

func BenchmarkInc(b *testing.B) {
	r := NewRegistry()
	c := r.Counter("sluice_test_requests_total", "Requests.").With()
	s := r.NewShard(inline)
	b.ReportAllocs()
	for b.Loop() {
		s.Inc(c)
	}
}

func BenchmarkObserve(b *testing.B) {
	r := NewRegistry()
	h := r.Histogram("sluice_test_duration_seconds", "Duration.").With()
	s := r.NewShard(inline)
	b.ReportAllocs()
	d := time.Duration(1)
	for b.Loop() {
		s.Observe(h, d)
		d = (d*7 + 3) & (1<<30 - 1)
	}
}
