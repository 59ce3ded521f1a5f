package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/gateway/telemetry/logfile"
	"sluice/gateway/telemetry/metrics"
)

// maxWaiting bytes of lines wait for one path's writer; a line that finds no room is lost and counted.
const maxWaiting = 256 << 10

// Options say how a Manager's logs are written.
type Options struct {
	JSON    bool            // one JSON object a line
	Streams logfile.Streams // what "stdout" and "stderr" stand for
	// Least, when not nil, is the lowest level that a configuration can ask for (the command's --log-level); SetLevel
	// can go below.
	Least slog.Leveler
}

func (o Options) atLeast(l slog.Level) slog.Level {
	if o.Least == nil {
		return l
	}
	return max(l, o.Least.Level())
}

func (o Options) stderr() io.Writer {
	if o.Streams.Stderr == nil {
		return os.Stderr
	}
	return o.Streams.Stderr
}

// A Manager holds the logs of a process, one for each path. It is safe on any goroutine.
type Manager struct {
	options Options

	mu    sync.Mutex
	paths map[string]*path
}

// A path is one log: where its lines go, and which.
type path struct {
	name       string
	writer     *logfile.Writer
	logger     *slog.Logger
	level      slog.LevelVar
	configured slog.Level // under Manager.mu
	disabled   atomic.Bool
	stderr     io.Writer // for report
	repeats    *limiter

	rendering sync.Mutex // held by whoever renders into it: handlers share it

	mu      sync.Mutex
	waiting []byte
	spare   []byte
	lost    uint64
}

// NewManager returns a Manager without logs.
func NewManager(o Options) *Manager {
	return &Manager{options: o, paths: make(map[string]*path)}
}

// Open returns the logger of a path, "stdout", "stderr" or a file, which it opens when it is new. level is what the
// configuration says: when it is the same as at the last Open, a level that SetLevel has set stays.
func (m *Manager) Open(name string, level slog.Level) (*slog.Logger, error) {
	name, err := logfile.Normalize(name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.paths[name]; p != nil {
		if p.configured != level {
			p.configured = level
			p.level.Set(m.options.atLeast(level))
		}
		return p.logger, nil
	}
	p := &path{name: name, configured: level, repeats: newLimiter(), stderr: m.options.stderr()}
	p.level.Set(m.options.atLeast(level))
	p.logger = slog.New(&handler{path: p, render: newRenderer(p, m.options.JSON)})
	p.writer, err = logfile.Start(logfile.Options{Path: name, Streams: m.options.Streams, Drain: p.drain, Report: p.report})
	if err != nil {
		return nil, err
	}
	m.paths[name] = p
	return p.logger, nil
}

// newRenderer returns a handler that writes every record to out in one Write.
func newRenderer(out io.Writer, json bool) slog.Handler {
	if !json {
		return &textHandler{out: out}
	}
	return slog.NewJSONHandler(out, &slog.HandlerOptions{Level: LevelTrace, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if _, ok := a.Value.Any().(limitKey); ok {
			return slog.Attr{}
		}
		if l, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey {
			return slog.String(a.Key, LevelName(l))
		}
		if isSecret(a.Key) {
			return slog.String(a.Key, redacted)
		}
		return a
	}})
}

// Write takes one line. It never blocks for longer than a copy, and never fails.
func (p *path) Write(line []byte) (int, error) {
	p.mu.Lock()
	if len(p.waiting)+len(line) > maxWaiting {
		p.lost++
	} else {
		p.waiting = append(p.waiting, line...)
	}
	p.mu.Unlock()
	p.writer.Wake()
	return len(line), nil
}

// drain is the writer's.
func (p *path) drain(dst []byte) []byte {
	p.mu.Lock()
	p.waiting, p.spare = p.spare[:0], p.waiting
	p.mu.Unlock()
	return append(dst, p.spare...)
}

// report tells stderr, the only other place there is, that a log file can't be written.
func (p *path) report(err error, lost uint64) {
	if err == nil || p.name == logfile.Stderr {
		return
	}
	_, _ = fmt.Fprintf(p.stderr, "log %s can't be written: %v; %d lines are lost so far\n", p.name, err, lost)
}

// SetLevel changes the level of a path, until the configuration asks for another one than it did.
func (m *Manager) SetLevel(name string, level slog.Level) error {
	p, err := m.find(name)
	if err != nil {
		return err
	}
	p.level.Set(level)
	return nil
}

// SetEnabled starts or stops a path.
func (m *Manager) SetEnabled(name string, on bool) error {
	p, err := m.find(name)
	if err != nil {
		return err
	}
	p.disabled.Store(!on)
	return nil
}

func (m *Manager) find(name string) (*path, error) {
	normal, err := logfile.Normalize(name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.paths[normal]
	if p == nil {
		return nil, fmt.Errorf("there is no log %s; there are: %q", name, slices.Sorted(maps.Keys(m.paths)))
	}
	return p, nil
}

// Levels returns the level of each path.
func (m *Manager) Levels() map[string]slog.Level {
	m.mu.Lock()
	defer m.mu.Unlock()
	levels := make(map[string]slog.Level, len(m.paths))
	for name, p := range m.paths {
		levels[name] = p.level.Level()
	}
	return levels
}

func (m *Manager) list() []*path {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.paths))
}

// Reopen opens every path anew: after a log rotation has moved the files away. A file that can't be opened keeps its
// old one.
func (m *Manager) Reopen() error {
	var errs []error
	for _, p := range m.list() {
		errs = append(errs, p.writer.Reopen())
	}
	return errors.Join(errs...)
}

// Flush waits, at most the given time for each path, until all lines are written.
func (m *Manager) Flush(wait time.Duration) bool {
	ok := true
	for _, p := range m.list() {
		ok = p.writer.Flush(wait) && ok
	}
	return ok
}

// Close writes what waits, and the counts of what was held back, and closes every log. It reports whether that was done
// within the given time for each path. What is logged afterwards is lost.
func (m *Manager) Close(wait time.Duration) bool {
	ok := true
	for _, p := range m.list() {
		p.repeats.flush()
		ok = p.writer.Close(wait) && ok
	}
	return ok
}

// RegisterMetrics declares what the Manager counts.
func (m *Manager) RegisterMetrics(r *metrics.Registry) {
	r.CounterFunc("sluice_log_lost_lines_total",
		"Lines of the process log that were not written: the buffer was full, or the write failed.",
		func() float64 {
			var n uint64
			for _, p := range m.list() {
				p.mu.Lock()
				n += p.lost
				p.mu.Unlock()
				n += p.writer.Stats().Lost
			}
			return float64(n)
		})
}
