package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A launcher starts processes on chosen CPUs and ends every one of them.
//
// One goroutine, locked to its thread, does all the starting: a child inherits the affinity of the thread that forks it,
// and the kernel tells a child of its parent's death when that thread ends, which therefore must live as long as we do.
type launcher struct {
	requests chan launch
	mu       sync.Mutex
	running  []*process // guarded by mu
}

type launch struct {
	cmd   *exec.Cmd
	cpus  []int
	reply chan error
}

// A process is one that the launcher started.
type process struct {
	name    string
	cmd     *exec.Cmd
	pid     int
	logPath string
	exited  chan struct{} // closed when it has been waited for
	err     error         // how it ended; read it after exited
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan launch)}
	go l.serve()
	return l
}

func (l *launcher) serve() {
	runtime.LockOSThread()
	for request := range l.requests {
		if err := pinThread(request.cpus); err != nil {
			request.reply <- err
			continue
		}
		request.reply <- request.cmd.Start()
	}
}

func pinThread(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %v: %w", cpus, err)
	}
	return nil
}

// start runs a program on one CPU. Its stderr goes to a file at logPath; stdin and stdout are as cmd says.
func (l *launcher) start(name string, cpu int, logPath string, cmd *exec.Cmd) (*process, error) {
	return l.startOn(name, []int{cpu}, logPath, cmd)
}

// startOn runs it on several, as the scheduler likes.
func (l *launcher) startOn(name string, cpus []int, logPath string, cmd *exec.Cmd) (*process, error) {
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer logFile.Close() // the child has its own
	cmd.Stderr = logFile
	if cmd.Stdout == nil {
		cmd.Stdout = logFile
	}
	// Programs are measured as they ship: what tunes the Go tool that runs us must not tune them.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GO") })
	// A group of their own: Ctrl-C reaches us alone, and we end them in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	reply := make(chan error)
	l.requests <- launch{cmd: cmd, cpus: cpus, reply: reply}
	if err := <-reply; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, pid: cmd.Process.Pid, logPath: logPath, exited: make(chan struct{})}
	l.mu.Lock()
	l.running = append(l.running, p)
	l.mu.Unlock()
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// stop ends a process: SIGTERM, and SIGKILL to it and its children when it has not gone after 3 s.
func (l *launcher) stop(p *process) {
	l.mu.Lock()
	l.running = slices.DeleteFunc(l.running, func(q *process) bool { return p == q })
	l.mu.Unlock()
	select {
	case <-p.exited:
		return
	default:
	}
	family, _ := familyOf(p.pid)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-time.After(3 * time.Second):
	}
	for _, pid := range slices.Backward(family) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.exited
}

// stopAll ends whatever still runs, last started first.
func (l *launcher) stopAll() {
	for {
		l.mu.Lock()
		if len(l.running) == 0 {
			l.mu.Unlock()
			return
		}
		p := l.running[len(l.running)-1]
		l.mu.Unlock()
		l.stop(p)
	}
}

// lastWords is the end of what a process wrote to stderr.
func (p *process) lastWords() string {
	const most = 2000
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	text = text[max(0, len(text)-most):]
	if len(text) == 0 {
		return "it said nothing"
	}
	return strings.TrimSpace(string(text))
}

// output runs a helper (a compiler, a package manager) to its end and returns what it printed, or an error that quotes it.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		if errors.Is(err, io.EOF) || len(out) == 0 {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
