package main

import (
	"math"
	"slices"
	"time"
)

// A summary is what all rounds say about one peer under one workload.
type summary struct {
	Peer           string            `json:"peer"`
	Workload       string            `json:"workload"`
	CPU            spread            `json:"cpu_us"`
	User           float64           `json:"user_us"` // summed over all rounds: one round has too few ticks to split well
	System         float64           `json:"system_us"`
	PerSec         spread            `json:"requests_per_second"`
	Mean           spread            `json:"mean_us"`
	P50            spread            `json:"p50_us"`
	P90            spread            `json:"p90_us"`
	P99            spread            `json:"p99_us"`
	Switches       float64           `json:"sleeps_per_request"`
	Busy           float64           `json:"proxy_cpu_busy"`   // median
	Foreign        float64           `json:"proxy_cpu_others"` // median
	Resident       float64           `json:"resident_mib"`
	CPURatios      map[string]spread `json:"cpu_ratios"` // to each other peer, per round
	P99Ratios      map[string]spread `json:"p99_ratios"` // likewise
	LatenessMedian float64           `json:"lateness_p50_us"`
	Offered        spread            `json:"offered_rate"`           // open loop
	Distribution   []point           `json:"distribution,omitempty"` // open loop: of the latencies of all rounds
	Rounds         []round           `json:"rounds"`
}

// A round is what is kept of one sample.
type round struct {
	CPU     float64 `json:"cpu_us"`
	PerSec  float64 `json:"requests_per_second"`
	P99     float64 `json:"p99_us,omitempty"`
	Foreign float64 `json:"proxy_cpu_others"`
}

// perRound picks one number from every sample of a peer under a workload.
func perRound(samples []sample, workload, peer string, pick func(sample) float64) map[int]float64 {
	out := map[int]float64{}
	for _, s := range samples {
		if s.Workload == workload && s.Peer == peer {
			out[s.Round] = pick(s)
		}
	}
	return out
}

func valuesOf(byRound map[int]float64) []float64 {
	out := make([]float64, 0, len(byRound))
	for _, v := range byRound {
		out = append(out, v)
	}
	return out
}

// summarise one peer under one workload; false when there is no sample of it.
func summarise(samples []sample, workload, peer string) (summary, bool) {
	of := func(pick func(sample) float64) spread {
		return spreadOf(valuesOf(perRound(samples, workload, peer, pick)))
	}
	s := summary{Peer: peer, Workload: workload, CPU: of(cpuOf)}
	if s.CPU.N == 0 {
		return s, false
	}
	s.PerSec = of(perSecOf)
	s.Mean = of(func(s sample) float64 { return s.Load.Latency.Mean / float64(time.Microsecond) })
	s.P50 = of(func(s sample) float64 { return microseconds(s.Load.Latency.P50) })
	s.P90 = of(func(s sample) float64 { return microseconds(s.Load.Latency.P90) })
	s.P99 = of(p99Of)
	s.LatenessMedian = of(func(s sample) float64 { return microseconds(s.Load.Lateness.P50) }).Median
	s.Switches = of(func(s sample) float64 { return s.Switches }).Median
	s.Busy = of(func(s sample) float64 { return s.Busy }).Median
	s.Foreign = of(func(s sample) float64 { return s.Foreign }).Median
	s.Resident = of(func(s sample) float64 { return float64(s.Memory.Resident) / (1 << 20) }).Max
	s.Offered = of(func(s sample) float64 { return s.Rate })
	if s.Offered.Median > 0 {
		s.Distribution = distributionOf(samples, workload, peer)
	}
	var requests, user, system float64
	for _, one := range samples {
		if one.Workload == workload && one.Peer == peer {
			n := float64(one.Load.Requests)
			requests, user, system = requests+n, user+one.User*n, system+one.System*n
			s.Rounds = append(s.Rounds, round{CPU: rounded(one.CPU), PerSec: rounded(one.PerSec), P99: rounded(p99Of(one)), Foreign: rounded(one.Foreign)})
		}
	}
	s.User, s.System = user/max(1, requests), system/max(1, requests)
	s.CPURatios, s.P99Ratios = map[string]spread{}, map[string]spread{}
	for _, base := range peersIn(samples, workload) {
		for _, ratio := range [...]struct {
			to   map[string]spread
			pick func(sample) float64
		}{{s.CPURatios, cpuOf}, {s.P99Ratios, p99Of}} {
			pairs := ratios(perRound(samples, workload, peer, ratio.pick), perRound(samples, workload, base, ratio.pick))
			if to := spreadOf(pairs); to.N > 0 && peer != base {
				ratio.to[base] = to
			}
		}
	}
	return s, true
}

// peersIn lists who was measured under a workload, in the order of a round.
func peersIn(samples []sample, workload string) []string {
	var peers []string
	for _, s := range samples {
		if s.Workload == workload && !slices.Contains(peers, s.Peer) {
			peers = append(peers, s.Peer)
		}
	}
	return peers
}

func cpuOf(s sample) float64    { return s.CPU }
func perSecOf(s sample) float64 { return s.PerSec }
func p99Of(s sample) float64    { return microseconds(s.Load.Latency.P99) }

func microseconds(ns uint64) float64 { return float64(ns) / float64(time.Microsecond) }

// rounded keeps three digits behind the point: what a file is to hold.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

func known(v float64) bool { return !math.IsNaN(v) }
