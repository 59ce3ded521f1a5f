package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A syscallCount is what strace saw a peer do under the tiny workload. strace slows the traced process many times over, so
// its rates mean nothing; its counts per request do. One caution: a slowed proxy finds more work at each wake-up, so
// epoll_wait per request is a lower bound; sleeps_per_request of the undisturbed rounds is the other side of it.
type syscallCount struct {
	Peer     string            `json:"peer"`
	Requests uint64            `json:"requests"`
	Calls    map[string]uint64 `json:"calls"`
	Again    uint64            `json:"eagain"`  // data calls that found nothing to do
	Eventfd  uint64            `json:"eventfd"` // reads and writes of eventfds: wake-ups of other threads
}

// dataCalls move bytes of connections.
var dataCalls = [...]string{
	"read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "splice", "sendfile", "recvmmsg", "sendmmsg",
}

// pollCalls wait for events.
var pollCalls = [...]string{"epoll_wait", "epoll_pwait", "epoll_pwait2"}

func (c syscallCount) per(n uint64) float64 { return float64(n) / float64(max(1, c.Requests)) }

func (c syscallCount) perRequest(names ...string) float64 {
	var sum uint64
	for _, name := range names {
		sum += c.Calls[name]
	}
	return c.per(sum)
}

// data counts calls on sockets: those on eventfds are wake-ups, and are counted as such.
func (c syscallCount) data() float64 { return c.perRequest(dataCalls[:]...) - c.per(c.Eventfd) }

// parseStrace counts the lines of `strace -f -y`. A call that another thread's line interrupts takes two lines, "name(... <unfinished
// ...>" and "<... name resumed>": the first counts the call, the result is on the second.
func parseStrace(r io.Reader) (syscallCount, error) {
	c := syscallCount{Calls: map[string]uint64{}}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), 1<<20)
	for scanner.Scan() {
		// With -f and -o each line begins with the thread's id.
		_, call, _ := strings.Cut(scanner.Text(), " ")
		call = strings.TrimLeft(call, " ")
		resumed := false
		if rest, ok := strings.CutPrefix(call, "<... "); ok {
			call, resumed = rest, true
		}
		end := strings.IndexAny(call, "( ")
		if end <= 0 || strings.HasPrefix(call, "+++") || strings.HasPrefix(call, "---") {
			continue
		}
		name := call[:end]
		if isDataCall(name) && strings.Contains(call, " = -1 EAGAIN") {
			c.Again++
		}
		if resumed {
			continue
		}
		c.Calls[name]++
		first, _, _ := strings.Cut(call[end+1:], ",")
		if isDataCall(name) && strings.Contains(first, "[eventfd") {
			c.Eventfd++
		}
	}
	return c, scanner.Err()
}

func isDataCall(name string) bool {
	for _, n := range dataCalls {
		if n == name {
			return true
		}
	}
	return false
}

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
		count, err := b.countCalls(ctx, strace, c, b.options.workloads[at])
		if errors.Is(err, errSkip) {
			b.report.Skipped = append(b.report.Skipped, "system calls: "+err.Error())
			return nil
		}
		if err != nil {
			return fmt.Errorf("system calls of %s: %w", c.name, err)
		}
		b.report.Syscalls = append(b.report.Syscalls, count)
		b.step("system calls of %s: %.2f for data, %.2f to wait, per request", c.name, count.data(), count.perRequest(pollCalls[:]...))
	}
	return nil
}

// countCalls traces a fresh proxy for half a second of load, between the generator's two gates: connections exist already.
func (b *bench) countCalls(ctx context.Context, strace string, c contestant, w workload) (syscallCount, error) {
	var none syscallCount
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it took longer than a minute"))
	defer cancel()
	p, err := b.startProxy(ctx, c, w.connections)
	if err != nil {
		return none, err
	}
	defer b.launch.stop(p.process)
	run, err := b.startLoad(ctx, append(w.args(p.setup.Listen), "--warmup", "0.2", "--seconds", "0.5"))
	if err != nil {
		return none, err
	}
	defer b.closeLoad(run)
	traced := b.shop.path("strace-" + c.name)
	args := []string{"-f", "-y", "-s", "0", "-o", traced}
	for _, pid := range p.family {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	tracer, err := b.launch.start("strace", b.options.loadCPU, traced+".log", command(strace, args...))
	if err != nil {
		return none, err
	}
	defer b.launch.stop(tracer)
	if err := attached(ctx, tracer, p.family); err != nil {
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
	count, err := parseStrace(file)
	count.Peer, count.Requests = c.name, result.Requests
	return count, err
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
