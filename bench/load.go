package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// quantiles are of one load run, in nanoseconds.
type quantiles struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	P50   uint64  `json:"p50"`
	P90   uint64  `json:"p90"`
	P99   uint64  `json:"p99"`
	P999  uint64  `json:"p999"`
	Max   uint64  `json:"max"`
}

// loadResult is what the load generators print: bench/load/load.c and bench/boltload/boltload.c say what each number means.
type loadResult struct {
	Requests    uint64            `json:"requests"`
	AllRequests uint64            `json:"all_requests"` // with the warm-up
	Seconds     float64           `json:"seconds"`
	Bytes       uint64            `json:"bytes"`
	Reconnects  uint64            `json:"reconnects"`
	Alive       int               `json:"alive"` // connections still open at the end
	CPUSeconds  float64           `json:"cpu_seconds"`
	Failures    map[string]uint64 `json:"failures"`
	Storm       float64           `json:"storm_handshakes_per_second,omitempty"` // beside the requests, by another generator
	Latency     quantiles         `json:"latency"`
	Lateness    quantiles         `json:"lateness"` // open loop: how late requests left, by the generator's own fault or for want of a free connection
	Histogram   [][2]uint64       `json:"histogram"`
}

// failed says what went wrong in a run; nil when every answer was right.
func (r loadResult) failed() error {
	var wrong []error
	for name, n := range r.Failures {
		if n > 0 {
			wrong = append(wrong, fmt.Errorf("%d x %s", n, name))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("wrong answers: %w", errors.Join(wrong...))
	}
	return nil
}

// A loadRun is a load generator that waits at its gate, or works.
type loadRun struct {
	process *process
	gate    io.WriteCloser
	pipe    *os.File
	out     *bufio.Reader // of pipe
	stop    func() bool
}

// startLoad starts the generator and returns when it waits at its gate: warmed up, with nothing in flight.
func (b *bench) startLoad(ctx context.Context, speaks wire, args []string) (*loadRun, error) {
	binary := b.loadBinary
	if speaks == bolt {
		binary = b.boltLoadBinary
	}
	return b.startGenerator(ctx, binary, args)
}

// startWorkload starts the generator of a workload with more arguments.
func (b *bench) startWorkload(ctx context.Context, w workload, port int, more ...string) (*loadRun, error) {
	switch {
	case w.handshake:
		return b.startGenerator(ctx, b.handshakeBinary, append(append(w.handshakeArgs(port), "--tls", b.identity.certificate), more...))
	case w.streaming:
		return b.startGenerator(ctx, b.streamLoadBinary, append(w.streamArgs(port), more...))
	case w.tls != "":
		return b.startGenerator(ctx, b.tlsLoadBinary, append(append(w.args(port), "--tls", b.identity.certificate), more...))
	}
	return b.startLoad(ctx, w.link.down, append(w.args(port), more...))
}

func (b *bench) startGenerator(ctx context.Context, binary string, args []string) (*loadRun, error) {
	cmd := exec.Command(binary, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// Not StdoutPipe: that one is closed when the process has been waited for, read or not.
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = childOut
	p, err := b.launch.start("load", b.options.loadCPU, b.shop.path("load.log"), cmd)
	_ = childOut.Close()
	if err != nil {
		_ = stdout.Close()
		return nil, err
	}
	run := &loadRun{process: p, gate: stdin, pipe: stdout, out: bufio.NewReader(stdout)}
	// A read of its output cannot be cancelled, but ends when the process does.
	run.stop = context.AfterFunc(ctx, func() { b.launch.stop(p) })
	line, err := run.out.ReadString('\n')
	if err != nil || line != "{\"ready\":true}\n" {
		return nil, b.abandon(ctx, run, "before its gate")
	}
	return run, nil
}

// finish opens the gate, and waits for the result.
func (b *bench) finish(ctx context.Context, run *loadRun) (loadResult, error) {
	var result loadResult
	if _, err := io.WriteString(run.gate, "go\n"); err != nil {
		return result, b.abandon(ctx, run, "at its gate")
	}
	text, err := run.out.ReadBytes('\n')
	if err != nil {
		return result, b.abandon(ctx, run, "before its result")
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return result, fmt.Errorf("the load generator's result: %w", err)
	}
	return result, nil
}

// closeLoad waits for a generator that has printed its result.
func (b *bench) closeLoad(run *loadRun) {
	run.stop()
	_ = run.gate.Close()
	select {
	case <-run.process.exited:
	case <-time.After(5 * time.Second):
	}
	b.launch.stop(run.process)
	_ = run.pipe.Close()
}

// abandon ends a generator that did not do what it should, and says why it did not.
func (b *bench) abandon(ctx context.Context, run *loadRun, where string) error {
	b.closeLoad(run)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the load generator ended %s: %s", where, run.process.lastWords())
}
