package main

import (
	"maps"
	"slices"
)

// A point of a latency distribution: that part of all answers came within that many microseconds.
type point struct {
	Part    float64 `json:"part"`
	Latency float64 `json:"us"`
}

// distributionParts are where a distribution is kept: close together where it matters, at its end.
func distributionParts() []float64 {
	return []float64{
		0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.965, 0.975, 0.985, 0.99, 0.9925, 0.995, 0.9965, 0.998,
		0.999, 0.9995, 0.9998, 0.9999,
	}
}

// distributionOf merges the histograms of all rounds. It is nil when there are none.
func distributionOf(samples []sample, workload, peer string) []point {
	merged := map[uint64]uint64{}
	var count uint64
	for _, s := range samples {
		if s.Workload == workload && s.Peer == peer {
			for _, bucket := range s.Load.Histogram {
				merged[bucket[0]] += bucket[1]
				count += bucket[1]
			}
		}
	}
	if count == 0 {
		return nil
	}
	parts := distributionParts()
	points := make([]point, 0, len(parts))
	var seen uint64
	for _, upper := range slices.Sorted(maps.Keys(merged)) {
		seen += merged[upper]
		for len(points) < len(parts) && float64(seen) >= parts[len(points)]*float64(count) {
			points = append(points, point{Part: parts[len(points)], Latency: microseconds(upper)})
		}
	}
	return points
}
