package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func expose(t *testing.T, r *Registry, o HandlerOptions) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.HandlerFor(o).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestExposition(t *testing.T) {
	r := NewRegistry()
	s := r.NewShard(inline)
	s.Inc(r.Counter("sluice_test_requests_total", "Requests.", "listener").With("a\"b\n"))
	h := r.Histogram("sluice_test_duration_seconds", "Duration.").With()
	s.Observe(h, 3*time.Millisecond)
	s.Observe(h, 2*time.Minute)
	got := expose(t, r, HandlerOptions{})
	for _, line := range []string{
		"# HELP sluice_test_requests_total Requests.",
		"# TYPE sluice_test_requests_total counter",
		`sluice_test_requests_total{listener="a\"b\n"} 1`,
		"# TYPE sluice_test_duration_seconds histogram",
		`sluice_test_duration_seconds_bucket{le="0.0005"} 0`,
		`sluice_test_duration_seconds_bucket{le="0.0025"} 0`,
		`sluice_test_duration_seconds_bucket{le="0.005"} 1`,
		`sluice_test_duration_seconds_bucket{le="60"} 1`,
		`sluice_test_duration_seconds_bucket{le="+Inf"} 2`,
		"sluice_test_duration_seconds_sum 120.003",
		"sluice_test_duration_seconds_count 2",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestHandlerAddsTheProcessAndTheRuntime(t *testing.T) {
	w := httptest.NewRecorder()
	NewRegistry().Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "sluice_metrics_stale_copies_total "} {
		if !strings.Contains(w.Body.String(), "\n"+name) {
			t.Errorf("missing: %s", name)
		}
	}
}

func TestKeepChoosesSeries(t *testing.T) {
	r := NewRegistry()
	c := r.Counter("sluice_test_requests_total", "Requests.", "listener")
	c.With("a")
	c.With("b")
	got := expose(t, r, HandlerOptions{Keep: func(s *Series) bool { return len(s.Values) == 1 && s.Values[0] == "b" }})
	if strings.Contains(got, `"a"`) || !strings.Contains(got, `"b"`) {
		t.Errorf("shown:\n%s", got)
	}
}

func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestRegistrysOwnNamesFollowTheConventions(t *testing.T) {
	lint(t, expose(t, NewRegistry(), HandlerOptions{}))
}
