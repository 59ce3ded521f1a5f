package metrics

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeclaredBeforeItCounts(t *testing.T) {
	r := NewRegistry()
	own := len(r.Declared())
	r.Source(KindGauge, "sluice_test_pets", "Pets.", []string{"kind"}, func(func(float64, ...string)) {})
	r.Counter("sluice_test_visits_total", "Visits.", "place", "reason").Enumerates(1)
	r.Counter("sluice_test_visits_total", "Visits.", "place", "reason")
	r.Histogram("sluice_test_visit_seconds", "Time of a visit.")
	got := r.Declared()
	want := []Declaration{
		{Name: "sluice_test_visits_total", Help: "Visits.", Kind: KindCounter, Labels: []string{"place", "reason"}},
		{Name: "sluice_test_visit_seconds", Help: "Time of a visit.", Kind: KindHistogram},
	}
	if diff := cmp.Diff(want, got[:2]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if last := got[len(got)-1]; len(got) != own+3 || last.Name != "sluice_test_pets" || !cmp.Equal(last.Labels, []string{"kind"}) {
		t.Errorf("%+v", got)
	}
}
