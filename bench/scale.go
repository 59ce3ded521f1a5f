package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Whether workers of one process get into each other's way, by a lock, or by cache lines that both write, shows when one process
// with two workers is compared with two processes that have one worker each: these share nothing. All else is alike: both may use
// the same two CPUs, and two load generators with their own connections work at the same time. Both kinds are measured in every
// round. CPU per request counts only the time that the peer itself ran, so that load and backend share one of the CPUs costs
// throughput, and caches, of both alike.

// pids are the processes of a proxy, and of its twin.
func (p *proxy) pids() []int {
	if p.twin == nil {
		return p.family
	}
	return slices.Concat(p.family, p.twin.family)
}

// scaled runs the workloads of the comparison: in every round each of them, each with its own proxies.
func (b *bench) scaled(ctx context.Context, contestants []contestant, ws []workload) error {
	proxies := make([][]*proxy, len(ws))
	for i, w := range ws {
		d := b.deploymentFor(w)
		able := thatDo(contestants, d)
		var err error
		proxies[i], err = b.startProxies(ctx, able, d, ws[i:i+1])
		defer b.stopProxies(proxies[i])
		if err != nil {
			return err
		}
		if w.workers > 1 {
			continue
		}
		twins, err := b.startProxies(ctx, able, d, ws[i:i+1])
		defer b.stopProxies(twins)
		if err != nil {
			return err
		}
		// Whoever could be started only once has been noted, and is left out.
		proxies[i] = slices.DeleteFunc(slices.Clone(proxies[i]), func(p *proxy) bool {
			at := slices.IndexFunc(twins, func(twin *proxy) bool { return twin.name == p.name })
			if at >= 0 {
				p.twin = twins[at]
			}
			return at < 0
		})
	}
	for round := range b.options.rounds {
		for i, w := range ws {
			for _, p := range proxies[i] {
				if err := b.once(ctx, p, w, round, 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// armTwo is arm with two load generators: for the two processes of a proxy, or both for the one that it has.
func (b *bench) armTwo(ctx context.Context, p *proxy, w workload, args []string) (work func() (loadResult, error), done func(), err error) {
	ports := [...]int{p.setup.Listen, p.setup.Listen}
	if p.twin != nil {
		ports[1] = p.twin.setup.Listen
	}
	var runs [len(ports)]*loadRun
	var errs [len(ports)]error
	var warm sync.WaitGroup
	for i, port := range ports { // they warm up together
		warm.Go(func() { runs[i], errs[i] = b.startWorkload(ctx, w, port, args...) })
	}
	warm.Wait()
	done = func() {
		for _, run := range runs {
			if run != nil {
				b.closeLoad(run)
			}
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		done()
		return nil, nil, err
	}
	return func() (loadResult, error) {
		var results [len(ports)]loadResult
		var running sync.WaitGroup
		for i, run := range runs {
			running.Go(func() { results[i], errs[i] = b.finish(ctx, run) })
		}
		running.Wait()
		return mergedLoad(results[0], results[1]), errors.Join(errs[:]...)
	}, done, nil
}

// mergedLoad is what two load generators did at the same time.
func mergedLoad(a, b loadResult) loadResult {
	out := loadResult{
		Requests: a.Requests + b.Requests, AllRequests: a.AllRequests + b.AllRequests, Seconds: max(a.Seconds, b.Seconds),
		Bytes: a.Bytes + b.Bytes, Reconnects: a.Reconnects + b.Reconnects, Alive: a.Alive + b.Alive,
		CPUSeconds: a.CPUSeconds + b.CPUSeconds, Failures: maps.Clone(a.Failures),
	}
	for name, n := range b.Failures {
		out.Failures[name] += n
	}
	buckets := map[uint64]uint64{}
	for _, bucket := range slices.Concat(a.Histogram, b.Histogram) {
		buckets[bucket[0]] += bucket[1]
	}
	l := &out.Latency
	l.Count, l.Max = a.Latency.Count+b.Latency.Count, max(a.Latency.Max, b.Latency.Max)
	l.Mean = (a.Latency.Mean*float64(a.Latency.Count) + b.Latency.Mean*float64(b.Latency.Count)) / float64(max(1, l.Count))
	var seen uint64
	for _, upper := range slices.Sorted(maps.Keys(buckets)) {
		out.Histogram = append(out.Histogram, [2]uint64{upper, buckets[upper]})
		before := float64(seen)
		seen += buckets[upper]
		for _, q := range []struct {
			part float64
			to   *uint64
		}{{0.5, &l.P50}, {0.9, &l.P90}, {0.99, &l.P99}, {0.999, &l.P999}} {
			if at := q.part * float64(l.Count); before < at && float64(seen) >= at {
				*q.to = min(upper, l.Max)
			}
		}
	}
	return out
}

// scaling is what a request costs a peer in one process with two workers, as a part of what it costs in two with one each.
func (r *report) scaling(peer string) spread {
	two := perRound(r.Samples, scaleTogether, peer, cpuOf)
	return spreadOf(ratios(two, perRound(r.Samples, scaleApart, peer, cpuOf)))
}

// scaleTable compares two workers with two processes.
func (r *report) scaleTable() table {
	t := table{
		title:  "scale: does a second worker get into the first one's way?",
		header: []string{"peer", "two processes: CPU us/req", "req/s", "two workers: CPU us/req", "req/s", "workers / processes"},
		foot: "two processes with one worker each share nothing; 1.00 means that two workers of one process don't either. Both may use both CPUs, " +
			"on one of which load and backend run: requests per second are bounded by these, CPU per request counts only the peer's own time",
	}
	for _, p := range r.Peers {
		apart, okApart := r.summaryOf(scaleApart, p.Name)
		two, okTwo := r.summaryOf(scaleTogether, p.Name)
		if ratio := r.scaling(p.Name); okApart && okTwo && ratio.N > 0 {
			t.add(p.Name, fmt.Sprintf("%.2f", apart.CPU.Median), fmt.Sprintf("%.0f", apart.PerSec.Median), fmt.Sprintf("%.2f", two.CPU.Median),
				fmt.Sprintf("%.0f", two.PerSec.Median), fmt.Sprintf("%.2f [%.2f..%.2f]", ratio.Median, ratio.Min, ratio.Max))
		}
	}
	return t
}
