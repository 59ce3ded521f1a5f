package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMergedLoad(t *testing.T) {
	a := loadResult{
		Requests: 90, AllRequests: 100, Seconds: 1, Bytes: 10, Failures: map[string]uint64{"body": 1}, Histogram: [][2]uint64{{10, 80}, {1000, 10}},
		Latency: quantiles{Count: 90, Mean: 20, P50: 10, P90: 10, P99: 1000, P999: 1000, Max: 900},
	}
	b := loadResult{
		Requests: 10, AllRequests: 20, Seconds: 2, Bytes: 5, Failures: map[string]uint64{"body": 2}, Histogram: [][2]uint64{{10, 5}, {50, 5}},
		Latency: quantiles{Count: 10, Mean: 30, P50: 10, P90: 50, P99: 50, P999: 50, Max: 45},
	}
	m := mergedLoad(a, b)
	want := quantiles{Count: 100, Mean: 21, P50: 10, P90: 50, P99: 900, P999: 900, Max: 900}
	if m.Latency != want || m.Requests != 100 || m.AllRequests != 120 || m.Seconds != 2 || m.Bytes != 15 || m.Failures["body"] != 3 {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(m.Histogram, [][2]uint64{{10, 85}, {50, 5}, {1000, 10}}) {
		t.Errorf("%v", m.Histogram)
	}
	if a.Failures["body"] != 1 {
		t.Error("it changes what it merges")
	}
}

// TestScaleIsMeasuredInTheSameRounds runs the comparison of the forwarder's stand-in: one peer, two processes, both answered right.
func TestScaleIsMeasuredInTheSameRounds(t *testing.T) {
	b := testBench(t)
	b.options.rounds, b.options.seconds, b.options.warmup = 2, 0.05, 0
	b.options.workloads = slices.DeleteFunc(workloads(), func(w workload) bool { return !w.scale })
	if err := b.startBackend(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := peers()[0]
	p.single = false // it takes the place of one that can have two workers
	binary, err := p.find(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	b.report.Peers = []peerInfo{{Name: p.name}}
	if err := b.rounds(t.Context(), []contestant{{peer: p, binary: binary}}); err != nil {
		t.Fatal(err)
	}
	b.report.conclude(b.options.workloads)
	if len(b.report.Samples) != 4 || len(b.report.Wrong) > 0 || b.report.scaling(p.name).N != 2 {
		t.Fatalf("%d samples, wrong: %q", len(b.report.Samples), b.report.Wrong)
	}
	for i, s := range b.report.Samples {
		if want := []string{scaleApart, scaleTogether}[i%2]; s.Workload != want || s.Round != i/2 || s.Load.Requests == 0 || s.CPU <= 0 {
			t.Errorf("sample %d: %s in round %d, %d requests at %g us", i, s.Workload, s.Round, s.Load.Requests, s.CPU)
		}
	}
	if text := b.report.scaleTable().text(); !strings.Contains(text, p.name+" ") {
		t.Error(text)
	}
}
