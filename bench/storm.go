package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// The workloads that tell what a storm of handshakes does to the requests of others. They are the same but for the storm, so
// what differs between them is its doing.
const calm, storm = "tls-calm", "tls-storm"

// stormRate is how many handshakes a second a storm has for each core of the proxy, and stormPlaces how many may be under way.
const stormRate, stormPlaces = 500, 64

// stormWorkloads are requests on established connections at a fixed rate, without and with a storm. All are offered the same: a
// peer that can do more would be offered more, and the storm, whose client has the load's CPU only where nobody else wants it,
// would starve there of all places.
func stormWorkloads() []workload {
	base := workload{
		kind: openLoop, tls: tls13, connections: 64, path: "/tiny", answer: 64, load: 0.1, under: https,
		rivals: []string{rival, "haproxy"},
	}
	quiet, loud := base, base
	quiet.name, quiet.about = calm, "HTTPS/1 at a fixed rate, answers of 200 bytes"
	loud.name, loud.about = storm, fmt.Sprintf("the same beside %d full handshakes of TLS 1.3 a second (CPU per request includes them)", stormRate)
	loud.storm = stormRate
	return []workload{quiet, loud}
}

// withStorm lets a storm run beside work, which is done under a workload with one: as long, on the load's CPU, where everybody
// else has precedence.
func (b *bench) withStorm(ctx context.Context, p *proxy, w workload, work func() (loadResult, error), done func()) (
	func() (loadResult, error), func(), error,
) {
	args := []string{
		"--gate", "--port", fmt.Sprint(p.setup.Listen), "--connections", fmt.Sprint(stormPlaces), "--version", w.tls, "--rate", fmt.Sprint(w.storm),
		"--seconds", fmt.Sprint(b.options.seconds), "--warmup", fmt.Sprint(b.options.warmup), "--tls", b.identity.certificate,
	}
	run, err := b.startGenerator(ctx, b.handshakeBinary, args)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("the storm: %w", err)
	}
	end := func() {
		b.closeLoad(run)
		done()
	}
	const schedIdle = 5 // SCHED_IDLE, sched(7): a nice value would still let it finish its slice of milliseconds
	if err := unix.SchedSetAttr(run.process.pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedIdle}, 0); err != nil {
		end()
		return nil, nil, fmt.Errorf("the storm's priority: %w", err)
	}
	return func() (loadResult, error) {
		type outcome struct {
			loadResult
			err error
		}
		over := make(chan outcome, 1)
		go func() {
			r, err := b.finish(ctx, run)
			over <- outcome{r, err}
		}()
		r, err := work()
		s := <-over
		if err = errors.Join(err, s.err, s.failed()); err != nil {
			return r, err
		}
		r.Storm = float64(s.Requests) / s.Seconds
		return r, nil
	}, end, nil
}

func stormTargets() []target {
	return []target{
		{name: storm + ": handshakes per second", limit: 0.98 * stormRate, atLeast: true, measure: stormed},
		{name: storm + ": p90 / p90 without the storm", limit: 1.5, measure: func(r *report) (float64, string) {
			return stormAgainstCalm(r, func(s summary) spread { return s.P90 }, func(loud, quiet float64) float64 { return loud / quiet })
		}},
		{name: storm + ": p99 above that without the storm", limit: 3, unit: "ms", measure: func(r *report) (float64, string) {
			return stormAgainstCalm(r, func(s summary) spread { return s.P99 }, func(loud, quiet float64) float64 { return (loud - quiet) / 1000 })
		}},
	}
}

// stormed is how many handshakes a second the storm really had.
func stormed(r *report) (float64, string) {
	s := spreadOf(valuesOf(perRound(r.Samples, storm, subject, func(s sample) float64 { return s.Load.Storm })))
	if s.N == 0 {
		return math.NaN(), ""
	}
	return s.Median, fmt.Sprintf("%.0f..%.0f", s.Min, s.Max)
}

// stormAgainstCalm compares the medians of a latency, in microseconds.
func stormAgainstCalm(r *report, pick func(summary) spread, compare func(loud, quiet float64) float64) (float64, string) {
	loud, ok := summarise(r.Samples, storm, subject)
	quiet, calmly := summarise(r.Samples, calm, subject)
	if !ok || !calmly {
		return math.NaN(), ""
	}
	l, q := pick(loud), pick(quiet)
	return compare(l.Median, q.Median), fmt.Sprintf("%.0f us against %.0f", l.Median, q.Median)
}
