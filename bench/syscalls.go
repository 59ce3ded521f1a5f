package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
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
	OnOthers map[string]uint64 `json:"on_others"` // those of the data calls that were not on sockets, by what they were on
	Again    uint64            `json:"eagain"`    // data calls that found nothing to do
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

// data counts the calls on sockets.
func (c syscallCount) data() float64 {
	var others uint64
	for _, n := range c.OnOthers {
		others += n
	}
	return c.perRequest(dataCalls[:]...) - c.per(others)
}

// eventfd counts reads and writes of eventfds: wake-ups of other threads, or of itself.
func (c syscallCount) eventfd() float64 { return c.per(c.OnOthers["eventfd"]) }

// kindOf tells what a descriptor of a traced thread is: "socket", "eventfd", "timerfd", ...
type kindOf func(thread, fd int) string

// parseStrace counts the lines of `strace -f -o`, which begin with the thread's id. A call that another thread's line
// interrupts takes two: "name(... <unfinished ...>" and "<... name resumed>". The first counts the call, the result is on the
// second.
func parseStrace(r io.Reader, kind kindOf) (syscallCount, error) {
	c := syscallCount{Calls: map[string]uint64{}, OnOthers: map[string]uint64{}}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), 1<<20)
	for scanner.Scan() {
		id, call, _ := strings.Cut(scanner.Text(), " ")
		thread, err := strconv.Atoi(id)
		if err != nil {
			return c, fmt.Errorf("strace: a line without a thread: %.80q", scanner.Text())
		}
		call = strings.TrimLeft(call, " ")
		call, resumed := strings.CutPrefix(call, "<... ")
		end := strings.IndexAny(call, "( ")
		if end <= 0 || strings.HasPrefix(call, "+++") || strings.HasPrefix(call, "---") {
			continue // a signal, or a thread's end
		}
		name := call[:end]
		if isDataCall(name) && strings.Contains(call, " = -1 EAGAIN") {
			c.Again++
		}
		if resumed {
			continue
		}
		c.Calls[name]++
		if !isDataCall(name) {
			continue
		}
		if k := kind(thread, leadingNumber(call[end+1:])); k != "socket" {
			c.OnOthers[k]++
		}
	}
	return c, scanner.Err()
}

// leadingNumber of a text, -1 when there is none.
func leadingNumber(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return -1
	}
	return n
}

// kindsOf looks at the descriptors of processes, once: what a proxy opens later, under load, is a connection.
func kindsOf(family []int) (kindOf, error) {
	kinds := map[int]map[int]string{} // by process, by descriptor
	owner := map[int]int{}            // the process of a thread
	for _, pid := range family {
		kinds[pid] = map[int]string{}
		fds, errFDs := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		tasks, errTasks := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err := errors.Join(errFDs, errTasks); err != nil {
			return nil, err
		}
		for _, fd := range fds {
			link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
			if err == nil {
				kinds[pid][leadingNumber(fd.Name())] = kindOfLink(link)
			}
		}
		for _, task := range tasks {
			owner[leadingNumber(task.Name())] = pid
		}
	}
	return func(thread, fd int) string {
		pid, ok := owner[thread]
		if !ok { // started meanwhile, by the process that works: the last of the family
			pid = family[len(family)-1]
		}
		if kind, ok := kinds[pid][fd]; ok {
			return kind
		}
		return "socket"
	}, nil
}

// kindOfLink names what /proc/PID/fd/N points to, as "socket:[123]" and "anon_inode:[eventfd]".
func kindOfLink(link string) string {
	if name, ok := strings.CutPrefix(link, "anon_inode:"); ok {
		return strings.Trim(name, "[]")
	}
	if kind, _, ok := strings.Cut(link, ":["); ok {
		return kind
	}
	return "file"
}

func isDataCall(name string) bool { return slices.Contains(dataCalls[:], name) }

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

// countCalls traces a fresh proxy for a second of load, between the generator's gate and its end: the connections exist
// already.
func (b *bench) countCalls(ctx context.Context, strace string, c contestant, w workload) (syscallCount, error) {
	var none syscallCount
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it took longer than a minute"))
	defer cancel()
	p, err := b.startProxy(ctx, c, w.connections)
	if err != nil {
		return none, err
	}
	defer b.launch.stop(p.process)
	run, err := b.startLoad(ctx, append(w.args(p.setup.Listen), "--warmup", "0.2", "--seconds", "1"))
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
