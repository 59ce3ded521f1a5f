package main

import (
	"context"
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
	run, err := b.startLoad(ctx, w.link.down, w.args(p.setup.Listen))
	if err != nil {
		return s, fmt.Errorf("%w: %s", err, p.process.lastWords())
	}
	defer b.closeLoad(run)
	if err := pause(ctx, settle); err != nil {
		return s, err
	}
	if s.Held, err = memoryOf(p.family); err != nil {
		return s, err
	}
	result, err := b.finish(ctx, run)
	if err != nil {
		return s, err
	}
	s.Alive = result.Alive
	if err := result.failed(); err != nil {
		b.report.Wrong = append(b.report.Wrong, fmt.Sprintf("%s under %s: %v", c.name, w.name, err))
	}
	if s.Alive != s.Connections {
		b.report.Wrong = append(b.report.Wrong, fmt.Sprintf("%s under %s: only %d of %d connections stayed open", c.name, w.name, s.Alive, s.Connections))
	}
	return s, nil
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
