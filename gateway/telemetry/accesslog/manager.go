package accesslog

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"sluice/gateway/telemetry/logfile"
	"sluice/gateway/telemetry/metrics"
)

// A Manager holds the access logs of a process, one File for each path. It is safe on any goroutine.
type Manager struct {
	log     *slog.Logger
	streams logfile.Streams

	mu      sync.Mutex
	files   map[string]*File
	closing []*File // not among files any more, and not yet in gone
	gone    totals  // of files that were closed, so that no counter falls
}

// totals are what is counted for one file.
type totals struct {
	dropped uint64
	stats   logfile.Stats
}

// NewManager returns a Manager that tells log when a file can't be written, and when it can again.
func NewManager(log *slog.Logger) *Manager {
	return &Manager{log: log, files: make(map[string]*File)}
}

// SetStreams says what "stdout" and "stderr" stand for, if not for the process's. It must be called before Open.
func (m *Manager) SetStreams(s logfile.Streams) { m.streams = s }

// Open returns the File of a path, "stdout", "stderr" or a file, and opens it when it is new.
func (m *Manager) Open(path string) (*File, error) {
	path, err := logfile.Normalize(path)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.files[path]; f != nil {
		return f, nil
	}
	f := &File{path: path}
	f.writer, err = logfile.Start(logfile.Options{Path: path, Streams: m.streams, Interval: flushInterval, Drain: f.drain,
		Report: func(err error, lost uint64) {
			if err != nil {
				m.log.Error("access log can't be written; lines are lost until it can", "path", path, "error", err)
			} else {
				m.log.Info("access log can be written again", "path", path, "lines_lost", lost)
			}
		}})
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	m.files[path] = f
	return f, nil
}

// Retain closes every File that is not among those given: what a new snapshot, which all loops already use, does not
// log to any more. Lines that were left by then are written; it waits at most the given time for that.
func (m *Manager) Retain(files []*File, wait time.Duration) {
	if err := m.close(func(f *File) bool { return !slices.Contains(files, f) }, wait); err != nil {
		m.log.Warn("lines of an access log that is not used any more may be lost", "error", err)
	}
}

// close ends the writers of the files that which chooses, all at once, and reports those that did not end in time.
func (m *Manager) close(which func(f *File) bool, wait time.Duration) error {
	files := m.remove(which)
	errs := make([]error, len(files))
	var all sync.WaitGroup
	for i, f := range files {
		all.Go(func() {
			if !f.writer.Close(wait) {
				errs[i] = fmt.Errorf("access log %s: its last lines could not be written within %v", f.path, wait)
			}
		})
	}
	all.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range files {
		m.gone.add(f)
	}
	m.closing = slices.DeleteFunc(m.closing, func(f *File) bool { return slices.Contains(files, f) })
	return errors.Join(errs...)
}

// remove moves the files that which chooses to closing.
func (m *Manager) remove(which func(f *File) bool) (files []*File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for path, f := range m.files {
		if which(f) {
			delete(m.files, path)
			f.closed.Store(true)
			files = append(files, f)
		}
	}
	m.closing = append(m.closing, files...)
	return files
}

// Close writes what the loops, which have stopped, have left, and closes every File.
func (m *Manager) Close(wait time.Duration) error {
	return m.close(func(*File) bool { return true }, wait)
}

// Flush waits, at most the given time, until all that was logged before the call is written.
func (m *Manager) Flush(wait time.Duration) bool {
	ok := true
	for _, f := range m.list() {
		ok = f.writer.Flush(wait) && ok
	}
	return ok
}

// Reopen opens every path anew: after a log rotation has moved the files away. A file that can't be opened keeps its
// old one.
func (m *Manager) Reopen() error {
	var errs []error
	for _, f := range m.list() {
		if err := f.writer.Reopen(); err != nil {
			errs = append(errs, fmt.Errorf("access %w", err))
		}
	}
	return errors.Join(errs...)
}

// SetEnabled starts or stops logging to a path.
func (m *Manager) SetEnabled(path string, on bool) error {
	name, err := logfile.Normalize(path)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return fmt.Errorf("there is no access log %s; there are: %q", path, slices.Sorted(maps.Keys(m.files)))
	}
	f.disabled.Store(!on)
	return nil
}

// Paths lists the open files, sorted.
func (m *Manager) Paths() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files))
}

func (m *Manager) list() []*File {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.files))
}

// RegisterMetrics declares what the Manager counts: bytes written, failed writes, and lines that were lost, by cause.
func (m *Manager) RegisterMetrics(r *metrics.Registry) {
	type emit = func(value float64, labels ...string)
	r.Source(metrics.KindCounter, "sluice_access_log_lost_lines_total",
		"Access log lines that were not written: the buffer was full, or the write failed.", []string{"cause"},
		func(e emit) {
			t := m.totals()
			e(float64(t.dropped), "buffer_full")
			e(float64(t.stats.Lost), "write_failed")
		})
	r.CounterFunc("sluice_access_log_written_bytes_total", "Bytes written to access logs.",
		func() float64 { return float64(m.totals().stats.Written) })
	r.CounterFunc("sluice_access_log_write_errors_total", "Writes to access logs that failed.",
		func() float64 { return float64(m.totals().stats.Errors) })
}

func (m *Manager) totals() totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.gone
	for _, f := range m.files {
		t.add(f)
	}
	for _, f := range m.closing {
		t.add(f)
	}
	return t
}

func (t *totals) add(f *File) {
	s := f.writer.Stats()
	t.dropped += f.dropped()
	t.stats.Written += s.Written
	t.stats.Errors += s.Errors
	t.stats.Lost += s.Lost
}
