package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// An idleSample is what idle connections cost a peer: it is started afresh, holds nothing, then the connections, each of
// which has served one request.
type idleSample struct {
	Peer        string `json:"peer"`
	Workload    string `json:"workload"`
	Connections int    `json:"connections"`
	Alive       int    `json:"alive"` // connections that were still open at the end
	Empty       memory `json:"empty"`
	Held        memory `json:"held"`
}

// perConnection is in KiB of resident memory above the empty process.
func (s idleSample) perConnection() float64 {
	return float64(s.Held.Resident-s.Empty.Resident) / 1024 / float64(s.Connections)
}

func (s idleSample) anonymousPerConnection() float64 {
	return float64(s.Held.Anonymous-s.Empty.Anonymous) / 1024 / float64(s.Connections)
}

// settle is how long a process may take to put its memory in order (free lists, a garbage collector) before it is read.
const settle = time.Second

func (b *bench) holdAll(ctx context.Context, contestants []contestant, w workload) error {
	if fit := connectionsThatFit(); fit < w.connections {
		b.report.Notes = append(b.report.Notes, fmt.Sprintf("%s: %d connections instead of %d, for the limit of open files (ulimit -Hn)",
			w.name, fit, w.connections))
		w.connections = fit
	}
	for _, c := range contestants {
		s, err := b.idleOnce(ctx, c, w)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			b.report.Wrong = append(b.report.Wrong, fmt.Sprintf("%s with %d idle connections: %v", c.name, w.connections, err))
			continue
		}
		b.report.Idle = append(b.report.Idle, s)
		b.step("%s %s: %.2f KiB per connection, %d of %d alive", w.name, c.name, s.perConnection(), s.Alive, s.Connections)
	}
	return nil
}

func (b *bench) idleOnce(ctx context.Context, c contestant, w workload) (idleSample, error) {
	s := idleSample{Peer: c.name, Workload: w.name, Connections: w.connections}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("it took longer than a minute"))
	defer cancel()
	p, err := b.startProxy(ctx, c, b.deploymentFor(w))
	if err != nil {
		return s, err
	}
	defer b.launch.stop(p.process)
	if err := pause(ctx, settle); err != nil {
		return s, err
	}
	if s.Empty, err = memoryOf(p.family); err != nil {
		return s, err
	}
	held, err := b.hold(ctx, p.setup.Listen, w)
	defer held.close()
	if err != nil {
		return s, fmt.Errorf("%w: %s", err, p.process.lastWords())
	}
	if err := pause(ctx, settle); err != nil {
		return s, err
	}
	if s.Held, err = memoryOf(p.family); err != nil {
		return s, err
	}
	if s.Alive, err = held.alive(ctx); err != nil {
		return s, err
	}
	if s.Alive != s.Connections {
		b.report.Wrong = append(b.report.Wrong, fmt.Sprintf("%s under %s: only %d of %d connections stayed open", c.name, w.name, s.Alive, s.Connections))
	}
	return s, nil
}

// idlers are connections that do nothing any more.
type idlers interface {
	alive(ctx context.Context) (int, error) // how many are still open
	close()
}

// hold opens a workload's connections, and makes a request on each. What it returns must be closed, even with an error.
func (b *bench) hold(ctx context.Context, port int, w workload) (idlers, error) {
	if w.link.down == http2 {
		return holdHTTP2(ctx, port, w)
	}
	run, err := b.startWorkload(ctx, w, port)
	return heldByLoad{b, run}, err
}

// heldByLoad are the connections of a load generator at its gate.
type heldByLoad struct {
	b   *bench
	run *loadRun // nil: it could not be started
}

func (h heldByLoad) alive(ctx context.Context) (int, error) {
	result, err := h.b.finish(ctx, h.run)
	return result.Alive, errors.Join(err, result.failed())
}

func (h heldByLoad) close() {
	if h.run != nil {
		h.b.closeLoad(h.run)
	}
}

// connectionsThatFit under the hard limit of open files: a proxy needs two descriptors for each.
func connectionsThatFit() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0
	}
	most := min(files.Max, 1<<20)
	return (int(most) - filesFor(0)) / 2
}

// pause waits, unless the run is over.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
