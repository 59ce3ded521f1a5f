package main

import (
	"fmt"
	"math"
	"slices"
)

// A spread is what several rounds say about one quantity.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// MarshalJSON keeps the digits that mean something: four.
func (s spread) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"median":%.4g,"min":%.4g,"max":%.4g,"n":%d}`, s.Median, s.Min, s.Max, s.N), nil
}

// spreadOf summarises values; those that are not finite (a ratio to nothing) are left out.
func spreadOf(values []float64) spread {
	finite := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			finite = append(finite, v)
		}
	}
	if len(finite) == 0 {
		return spread{Median: math.NaN(), Min: math.NaN(), Max: math.NaN()} // has no JSON: nobody keeps it
	}
	slices.Sort(finite)
	return spread{Median: median(finite), Min: finite[0], Max: finite[len(finite)-1], N: len(finite)}
}

// median of a sorted, non-empty list: the middle, or the mean of the two in the middle.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// ratios divides what two peers measured in the same round. A round that only one of them has is left out.
func ratios(of, to map[int]float64) []float64 {
	rounds := make([]int, 0, len(of))
	for round := range of {
		if _, ok := to[round]; ok {
			rounds = append(rounds, round)
		}
	}
	slices.Sort(rounds)
	out := make([]float64, len(rounds))
	for i, round := range rounds {
		out[i] = of[round] / to[round]
	}
	return out
}
