package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A syscallCount is what strace saw a peer do under the tiny workload, in two passes.
//
// The first sees every call. It slows the proxy fifty times, so rates mean nothing, and what happens by the clock (a timer, a
// scheduler that finds a thread long in a call) is counted per request far too often; calls of the path itself are exact. One
// caution: a slowed proxy finds more work at each wake-up, so epoll_wait per request is a lower bound; the sleeps per request
// of the undisturbed rounds are the other side of it.
//
// The second leaves the calls that move data and wait for events alone, by a seccomp filter: the proxy runs at almost full
// speed, and all other calls are counted as they are.
type syscallCount struct {
	Peer     string            `json:"peer"`
	Requests uint64            `json:"requests"`
	Calls    map[string]uint64 `json:"calls"`
	OnOthers map[string]uint64 `json:"on_others"` // those of the data calls that were not on sockets, by what they were on
	Again    uint64            `json:"eagain"`    // data calls that found nothing to do
	// The second pass; no requests when strace cannot do it.
	RestRequests uint64            `json:"rest_requests"`
	Rest         map[string]uint64 `json:"rest"`
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

// rest counts calls other than for data and events, of the second pass when there is one. No names: all of them.
func (c syscallCount) rest(names ...string) float64 {
	calls, requests := c.Rest, c.RestRequests
	if requests == 0 {
		calls, requests = c.Calls, c.Requests
	}
	var sum uint64
	for name, n := range calls {
		if isDataCall(name) || slices.Contains(pollCalls[:], name) {
			continue
		}
		if len(names) == 0 || slices.Contains(names, name) {
			sum += n
		}
	}
	return float64(sum) / float64(max(1, requests))
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

// between keeps the lines of `strace -f -ttt -o` of a time, without their times: "100 1795448932.49 close(3) = 0".
func between(r io.Reader, from, to float64) (string, error) {
	var kept strings.Builder
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), 1<<20)
	for scanner.Scan() {
		thread, rest, _ := strings.Cut(scanner.Text(), " ")
		when, call, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		at, err := strconv.ParseFloat(when, 64)
		if err != nil {
			return "", fmt.Errorf("strace: a line without a time: %.80q", scanner.Text())
		}
		if at >= from && at <= to {
			kept.WriteString(thread + " " + call + "\n")
		}
	}
	return kept.String(), scanner.Err()
}
