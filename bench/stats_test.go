package main

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpreadOf(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []float64
		want spread
	}{
		{"one", []float64{3}, spread{3, 3, 3, 1}},
		{"odd, unsorted", []float64{9, 1, 5}, spread{5, 1, 9, 3}},
		{"even", []float64{4, 1, 2, 3}, spread{2.5, 1, 4, 4}},
		{"an outlier moves the maximum only", []float64{1, 1, 1, 1, 100}, spread{1, 1, 100, 5}},
		{"ratios to nothing are left out", []float64{2, math.Inf(1), math.NaN()}, spread{2, 2, 2, 1}},
	} {
		if diff := cmp.Diff(c.want, spreadOf(c.in)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
	if s := spreadOf(nil); !math.IsNaN(s.Median) || s.N != 0 {
		t.Errorf("nothing measured is %+v, want NaN of 0", s)
	}
}

func TestSpreadOfLeavesItsInput(t *testing.T) {
	in := []float64{3, 1, 2}
	spreadOf(in)
	if !slices.Equal(in, []float64{3, 1, 2}) {
		t.Errorf("the input became %v", in)
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	// The machine was twice as slow in round 1, for both: the ratio does not see it.
	ours := map[int]float64{0: 10, 1: 20, 2: 11, 5: 7}
	theirs := map[int]float64{0: 20, 1: 40, 2: 20, 4: 1}
	if diff := cmp.Diff([]float64{0.5, 0.5, 0.55}, ratios(ours, theirs)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
