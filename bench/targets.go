package main

import (
	"fmt"
	"math"
	"slices"
)

// A target is one promise about what Sluice costs.
type target struct {
	name    string
	limit   float64
	atLeast bool // the limit is a lower one
	unit    string
	// measure finds the number in a report; NaN when it was not measured. The second result says how it spreads.
	measure func(r *report) (float64, string)
}

// A verdict is a target with what was measured.
type verdict struct {
	Name     string   `json:"name"`
	Limit    float64  `json:"limit"`
	AtLeast  bool     `json:"at_least,omitempty"`
	Unit     string   `json:"unit,omitempty"`
	Measured *float64 `json:"measured"` // nil: not measured
	Spread   string   `json:"spread,omitempty"`
	Met      bool     `json:"met"`
}

// none is "not one per request": what happens a few times a second (a timer, a garbage collection) is not on the path.
const none = 0.01

// targets are all promises, in the order of the report.
func targets() []target {
	return slices.Concat(http1Targets(), http2Targets(), boltTargets(), tlsTargets(), stormTargets())
}

func http1Targets() []target {
	return []target{
		{name: "tiny: CPU per request / forwarder", limit: 1.10, measure: cpuRatio(tiny, floor)},
		{name: "tiny: CPU per request / nginx", limit: 0.90, measure: cpuRatio(tiny, rival)},
		{name: "16k: CPU per request / nginx", limit: 1.00, measure: cpuRatio("16k", rival)},
		{name: "post4k: CPU per request / nginx", limit: 1.00, measure: cpuRatio("post4k", rival)},
		{name: scaleTogether + ": CPU per request of two workers / of two processes with one", limit: 1.10, measure: scale},
		{name: "tiny: user time per request", limit: 2.0, unit: "us", measure: userTime},
		{name: "open: p99 at half of nginx's saturation / nginx", limit: 1.10, measure: latencyRatio("open", rival)},
		{name: "idle: resident memory per keep-alive connection", limit: 1.0, unit: "KiB", measure: idleMemory(idle)},
		// A GET and its answer are read once and written once on each side; the slack is for timers and for requests
		// that were cut by the ends of the trace.
		{name: "tiny: system calls for data per request", limit: 4.02, measure: calls(syscallCount.data)},
		{name: "tiny: epoll_ctl per request", limit: none, measure: restNamed("epoll_ctl")},
		{name: "tiny: futex per request", limit: none, measure: restNamed("futex")},
		{name: "tiny: eventfd reads and writes per request", limit: none, measure: calls(syscallCount.eventfd)},
		{name: "tiny: epoll_wait per request", limit: 0.3, measure: calls(func(c syscallCount) float64 { return c.perRequest(pollCalls[:]...) })},
	}
}

func http2Targets() []target {
	return []target{
		{name: h2h1 + ": CPU per request / the better peer", limit: 0.75, measure: cpuToBetter(h2h1)},
		{name: h2h1One + ": CPU per request / the better peer", limit: 1.0, measure: cpuToBetter(h2h1One)},
		{name: h2h1Bulk + ": bytes per CPU-second / the better peer", limit: 1.0, atLeast: true, measure: bytesToBetter(h2h1Bulk)},
		{name: h2h2 + ": CPU per request / the better peer", limit: 0.4, measure: cpuToBetter(h2h2)},
		{name: h2h2One + ": CPU per request / the better peer", limit: 1.0, measure: cpuToBetter(h2h2One)},
		{name: h2h2Bulk + ": bytes per CPU-second / the better peer", limit: 1.0, atLeast: true, measure: bytesToBetter(h2h2Bulk)},
		{name: grpcUnary + ": CPU per request / the better peer", limit: 1.0, measure: cpuToBetter(grpcUnary)},
		{name: grpcStream + ": messages per CPU-second / the better peer", limit: 1.0, atLeast: true, measure: bytesToBetter(grpcStream)},
		{name: h2Idle + ": resident memory per connection", limit: 6.0, unit: "KiB", measure: idleMemory(h2Idle)},
	}
}

func boltTargets() []target {
	return []target{
		{name: boltOne + ": CPU per request / forwarder", limit: 0.7, measure: cpuRatio(boltOne, floor)},
		{name: boltMany + ": CPU per request, the part used of 0.9 us or of 1.2 times the forwarder's", limit: 1.0,
			measure: cpuOrRatio(boltMany, 0.9, floor, 1.2)},
		{name: boltOpen + ": p99 at half of the forwarder's saturation / forwarder", limit: 2.0, measure: latencyRatio(boltOpen, floor)},
		{name: boltIdle + ": resident memory per connection", limit: 1.0, unit: "KiB", measure: idleMemory(boltIdle)},
	}
}

func tlsTargets() []target {
	return []target{
		{name: https + ": CPU per request / nginx", limit: 0.88, measure: cpuRatio(https, rival)},
		{name: httpsH2 + ": CPU per request / nghttpx", limit: 0.9, measure: cpuRatio(httpsH2, "nghttpx")},
		{name: tls13Full + ": handshakes per CPU-second / nginx", limit: 0.95, atLeast: true, measure: perCPURatio(tls13Full, rival)},
		{name: tls13Resumed + ": handshakes per CPU-second / nginx", limit: 0.9, atLeast: true, measure: perCPURatio(tls13Resumed, rival)},
		{name: tls12Resumed + ": handshakes per CPU-second / nginx", limit: 0.7, atLeast: true, measure: perCPURatio(tls12Resumed, rival)},
		{name: httpsBulk + ": bytes per CPU-second / nginx", limit: 0.9, atLeast: true, measure: perCPURatio(httpsBulk, rival)},
		{name: tlsIdle + ": resident memory per connection", limit: 10, unit: "KiB", measure: idleMemory(tlsIdle)},
		{name: tlsIdleUpload + ": resident memory per connection", limit: 20, unit: "KiB", measure: idleMemory(tlsIdleUpload)},
	}
}

// betterPeer of a workload is the rival that spends the least CPU on a request (or byte) of it; "" when none was measured.
func betterPeer(r *report, name string) string {
	better, least := "", math.Inf(1)
	for _, w := range workloads() {
		for _, peer := range w.rivals {
			if s, ok := summarise(r.Samples, name, peer); ok && w.name == name && s.CPU.Median < least {
				better, least = peer, s.CPU.Median
			}
		}
	}
	return better
}

// cpuToBetter is the CPU per request, as a part of the better peer's in the same round.
func cpuToBetter(workload string) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		better := betterPeer(r, workload)
		is, text := cpuRatio(workload, better)(r)
		return is, withPeer(text, better)
	}
}

// bytesToBetter is the inverse: all answers of a workload are of one size.
func bytesToBetter(workload string) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		better := betterPeer(r, workload)
		is, text := perCPURatio(workload, better)(r)
		return is, withPeer(text, better)
	}
}

// perCPURatio is how much a second of CPU does, as a part of what another peer's does in the same round.
func perCPURatio(workload, to string) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		s, _ := summarise(r.Samples, workload, subject)
		cpu, ok := s.CPURatios[to]
		if !ok {
			return math.NaN(), ""
		}
		return median3(map[string]spread{to: {Median: 1 / cpu.Median, Min: 1 / cpu.Max, Max: 1 / cpu.Min}}, to)
	}
}

func withPeer(text, peer string) string {
	if text == "" {
		return ""
	}
	return text + ", to " + peer
}

func cpuRatio(workload, to string) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		s, _ := summarise(r.Samples, workload, subject)
		return median3(s.CPURatios, to)
	}
}

func latencyRatio(workload, to string) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		s, _ := summarise(r.Samples, workload, subject)
		return median3(s.P99Ratios, to)
	}
}

// cpuOrRatio is how much of what it may take a request takes: of so many microseconds, or of so many times another peer's CPU,
// whichever is less of it.
func cpuOrRatio(workload string, most float64, to string, times float64) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		s, ok := summarise(r.Samples, workload, subject)
		if !ok {
			return math.NaN(), ""
		}
		part, text := s.CPU.Median/most, fmt.Sprintf("%.2f us", s.CPU.Median)
		if ratio, ok := s.CPURatios[to]; ok {
			part, text = min(part, ratio.Median/times), fmt.Sprintf("%s, %.2f of %s's", text, ratio.Median, to)
		}
		return part, text
	}
}

func median3(ratios map[string]spread, to string) (float64, string) {
	s, ok := ratios[to]
	if !ok {
		return math.NaN(), ""
	}
	return s.Median, fmt.Sprintf("%.2f..%.2f", s.Min, s.Max)
}

// scale is what a request costs in one process with two workers, as a part of what it costs in two with one.
func scale(r *report) (float64, string) {
	return median3(map[string]spread{subject: r.scaling(subject)}, subject)
}

func userTime(r *report) (float64, string) {
	s, ok := summarise(r.Samples, tiny, subject)
	if !ok {
		return math.NaN(), ""
	}
	return s.User, ""
}

func idleMemory(workload string) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		for _, s := range r.Idle {
			if s.Peer == subject && s.Workload == workload {
				return s.perConnection(), ""
			}
		}
		return math.NaN(), ""
	}
}

func calls(count func(syscallCount) float64) func(*report) (float64, string) {
	return func(r *report) (float64, string) {
		for _, c := range r.Syscalls {
			if c.Peer == subject {
				return count(c), ""
			}
		}
		return math.NaN(), ""
	}
}

func restNamed(name string) func(*report) (float64, string) {
	return calls(func(c syscallCount) float64 { return c.rest(name) })
}

// judge compares a report with the targets.
func judge(r *report) []verdict {
	var out []verdict
	for _, t := range targets() {
		v := verdict{Name: t.name, Limit: t.limit, AtLeast: t.atLeast, Unit: t.unit}
		if measured, spread := t.measure(r); known(measured) {
			v.Measured, v.Spread, v.Met = &measured, spread, measured <= t.limit
			if t.atLeast {
				v.Met = measured >= t.limit
			}
		}
		out = append(out, v)
	}
	return out
}
