package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// syscalls counts every contestant's system calls, when the tiny workload is among those asked for.
func (b *bench) syscalls(ctx context.Context, contestants []contestant) error {
	at := -1
	for i, w := range b.options.workloads {
		if w.name == tiny {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		b.report.Skipped = append(b.report.Skipped, "system calls: strace is not installed; on Debian: apt-get install strace")
		return nil
	}
	for _, c := range contestants {
		if b.options.guard && c.name != subject {
			continue
		}
		count, err := b.countCalls(ctx, strace, c, b.options.workloads[at])
		if errors.Is(err, errSkip) {
			b.report.Skipped = append(b.report.Skipped, "system calls: "+err.Error())
			return nil
		}
		if err != nil {
			return fmt.Errorf("system calls of %s: %w", c.name, err)
		}
		if err := b.countRest(ctx, strace, c, b.options.workloads[at], &count); err != nil {
			b.report.Notes = append(b.report.Notes, fmt.Sprintf("system calls of %s other than for data are of a slowed process, "+
				"because strace --seccomp-bpf failed: %v", c.name, err))
		}
		b.report.Syscalls = append(b.report.Syscalls, count)
		b.step("system calls of %s: %.2f for data, %.2f to wait, per request", c.name, count.data(), count.perRequest(pollCalls[:]...))
	}
	return nil
}

// countCalls traces a fresh proxy for a second of load, between the generator's gate and its end: the connections exist
// already.
func (b *bench) countCalls(ctx context.Context, strace string, c contestant, w workload) (syscallCount, error) {
	var none syscallCount
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it took longer than a minute"))
	defer cancel()
	p, err := b.startProxy(ctx, c, b.deploymentFor(w))
	if err != nil {
		return none, err
	}
	defer b.launch.stop(p.process)
	run, err := b.startLoad(ctx, w.link.down, append(w.args(p.setup.Listen), "--warmup", "0.2", "--seconds", "1"))
	if err != nil {
		return none, err
	}
	defer b.closeLoad(run)
	traced := b.shop.path("strace-" + c.name)
	args := []string{"-f", "-s", "0", "-o", traced}
	for _, pid := range p.family {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	tracer, err := b.launch.start("strace", b.options.loadCPU, traced+".log", exec.Command(strace, args...))
	if err != nil {
		return none, err
	}
	defer b.launch.stop(tracer)
	if err := attached(ctx, tracer, p.family); err != nil {
		return none, err
	}
	kinds, err := kindsOf(p.family)
	if err != nil {
		return none, err
	}
	result, err := b.finish(ctx, run)
	if err != nil {
		return none, err
	}
	// On SIGINT strace detaches and lets the traced process go on.
	_ = tracer.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-tracer.exited:
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	file, err := os.Open(traced)
	if err != nil {
		return none, err
	}
	defer file.Close()
	count, err := parseStrace(file, kinds)
	count.Peer, count.Requests = c.name, result.Requests
	return count, err
}

// countRest is the second pass: the proxy is started by strace, which a seccomp filter needs.
func (b *bench) countRest(ctx context.Context, strace string, c contestant, w workload, count *syscallCount) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it took longer than a minute"))
	defer cancel()
	traced := b.shop.path("strace-rest-" + c.name)
	spared := strings.Join(slices.Concat(dataCalls[:], pollCalls[:]), ",")
	c.under = []string{strace, "-f", "-ttt", "-s", "0", "--seccomp-bpf", "-e", "trace=!" + spared, "-o", traced}
	p, err := b.startProxy(ctx, c, b.deploymentFor(w))
	if err != nil {
		return err
	}
	defer b.endTraced(p)
	run, err := b.startLoad(ctx, w.link.down, append(w.args(p.setup.Listen), "--warmup", "0.2", "--seconds", "1"))
	if err != nil {
		return err
	}
	defer b.closeLoad(run)
	from := time.Now()
	result, err := b.finish(ctx, run)
	to := time.Now()
	if err != nil {
		return err
	}
	b.endTraced(p)
	file, err := os.Open(traced)
	if err != nil {
		return err
	}
	defer file.Close()
	seconds := func(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }
	lines, err := between(file, seconds(from), seconds(to))
	if err != nil {
		return err
	}
	rest, err := parseStrace(strings.NewReader(lines), func(int, int) string { return "socket" })
	count.Rest, count.RestRequests = rest.Calls, result.Requests
	return err
}

// endTraced ends the proxy first: strace ends with it, and has then written everything.
func (b *bench) endTraced(p *proxy) {
	if len(p.family) > 1 {
		_ = syscall.Kill(p.family[1], syscall.SIGTERM)
		select {
		case <-p.process.exited:
		case <-time.After(3 * time.Second):
		}
	}
	b.launch.stop(p.process)
	p.family = p.family[:1] // its pids may belong to others from now on
}

// attached waits until strace says that it has every process, or cannot.
func attached(ctx context.Context, tracer *process, family []int) error {
	for {
		words, _ := os.ReadFile(tracer.logPath)
		all := true
		for _, pid := range family {
			all = all && strings.Contains(string(words), fmt.Sprintf("Process %d attached", pid))
		}
		if all {
			return nil
		}
		select {
		case <-tracer.exited:
			return fmt.Errorf("%w: strace could not attach: %s", errSkip, tracer.lastWords())
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
