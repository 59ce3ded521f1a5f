package main

import (
	"context"
	"fmt"
	"slices"
)

// offeredRates are the rates of an open-loop workload, by peer; nothing for other kinds. They are a part of what the peer, or
// the standard's, can do, as measured in this run.
func (b *bench) offeredRates(ctx context.Context, proxies []*proxy, w workload) (map[string]float64, error) {
	rates := map[string]float64{}
	if w.kind != openLoop || len(proxies) == 0 {
		return rates, nil
	}
	reference := proxies[0] // takes the standard's place when that is not there
	for _, p := range proxies {
		if p.name == w.standard() {
			reference = p
		}
	}
	for _, p := range proxies {
		of := reference
		if w.own {
			of = p
		}
		saturation, err := b.saturation(ctx, of, w.under)
		if err != nil {
			return nil, err
		}
		rates[p.name] = saturation * w.load
		if w.own || p == reference {
			b.report.Rates = append(b.report.Rates,
				rateInfo{Workload: w.name, Rate: rates[p.name], Part: w.load, Of: of.name, Saturation: saturation})
			b.shop.progress("%s: %.0f requests/s, %.2f of the %.0f at which %s saturates", w.name, rates[p.name], w.load, saturation, of.name)
		}
	}
	return rates, nil
}

// saturation of a peer is its median rate under a closed loop; when that was not run, three short ones are.
func (b *bench) saturation(ctx context.Context, p *proxy, under string) (float64, error) {
	var seen []float64
	for _, s := range b.report.Samples {
		if s.Peer == p.name && s.Workload == under {
			seen = append(seen, s.PerSec)
		}
	}
	if len(seen) == 0 {
		seen = b.probed[rateKey{p.name, under}]
	}
	all := workloads()
	at := slices.IndexFunc(all, func(w workload) bool { return w.name == under })
	for round := 0; len(seen) < 3; round++ {
		s, err := b.measure(ctx, p, all[at], round, 0)
		if err != nil {
			return 0, err
		}
		seen = append(seen, s.PerSec)
		b.probed[rateKey{p.name, under}] = seen
	}
	return spreadOf(seen).Median, nil
}

// holdIdle opens a workload's idle connections to every proxy. The caller releases them, even after an error.
func (b *bench) holdIdle(ctx context.Context, proxies []*proxy, w workload) (release func(), err error) {
	var runs []*loadRun
	release = func() {
		for _, run := range runs {
			b.closeLoad(run)
		}
	}
	if w.held == 0 {
		return release, nil
	}
	if fit := connectionsThatFit() - w.connections; fit < w.held {
		b.report.note("%s: %d idle connections instead of %d, for the limit of open files (ulimit -Hn)", w.name, fit, w.held)
		w.held = fit
	}
	for _, p := range proxies {
		run, err := b.startLoad(ctx, http1, append(w.holding().args(p.setup.Listen), "--patience", fmt.Sprint(b.patience(len(proxies)))))
		if err != nil {
			return release, fmt.Errorf("%s with %d idle connections: %w: %s", p.name, w.held, err, p.process.lastWords())
		}
		runs = append(runs, run)
	}
	return release, nil
}

// patience is how many seconds a generator that holds connections must wait for its gate: all rounds of all proxies.
func (b *bench) patience(proxies int) int {
	perRound := b.options.seconds + b.options.warmup + 2
	return 60 + int(perRound*float64(b.options.rounds*proxies))
}
