package logfile

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// MaxBatch is how many bytes a drain should return at most, give or take what one part of the source holds; the Writer
// asks again while it gets that many.
const MaxBatch = 1 << 20

// A Writer is one log file and the goroutine that writes it. Its methods are safe on any goroutine; Wake and Urge never
// block.
type Writer struct {
	path     string
	streams  Streams
	interval time.Duration
	drain    func(dst []byte) []byte
	report   func(err error, lost uint64)

	state  atomic.Uint32
	signal chan struct{}      // room for one: there is something to do
	sync   chan chan struct{} // Flush
	next   atomic.Pointer[output]
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}

	written atomic.Uint64
	errors  atomic.Uint64
	lost    atomic.Uint64

	// The goroutine's.
	out     *output
	stage   []byte
	timer   *time.Timer // of gather, stopped otherwise
	failing bool
	midLine bool
}

// The states of the goroutine, as those see it who have something to write:
//
//	idle ──Wake──> awake ──(interval passed)──> idle, and drain
//	idle, awake ──Urge──> urgent ──> idle, and drain at once
//
// It becomes idle before it drains, so what is added during the drain wakes it again.
const (
	idle uint32 = iota
	awake
	urgent
)

// Options describe a Writer.
type Options struct {
	Path    string  // as Normalize gives it
	Streams Streams // what the paths Stdout and Stderr stand for
	// Interval is the least time from the first line after a quiet time to its writing: lines gather in between.
	Interval time.Duration
	// Drain appends the lines that wait to dst, whole ones only, about MaxBatch bytes at most; without any it returns
	// dst as it is. It runs on the writer's goroutine.
	Drain func(dst []byte) []byte
	// Report is told when writing begins to fail (err) and when it works again (err is nil), with the number of lines
	// that were lost so far. It runs on the writer's goroutine.
	Report func(err error, lost uint64)
}

// Start opens the file and starts to write what comes.
func Start(o Options) (*Writer, error) {
	out, err := o.Streams.open(o.Path)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: o.Path, streams: o.Streams, interval: o.Interval, drain: o.Drain, report: o.Report,
		signal: make(chan struct{}, 1), sync: make(chan chan struct{}), stop: make(chan struct{}),
		done: make(chan struct{}), out: out, timer: time.NewTimer(time.Hour)}
	w.timer.Stop()
	go w.run()
	return w, nil
}

// Path is the normalized path.
func (w *Writer) Path() string { return w.path }

// Wake says that there is something to drain. When the goroutine knows already it costs one load.
func (w *Writer) Wake() {
	if w.state.Load() == idle && w.state.CompareAndSwap(idle, awake) {
		w.notify()
	}
}

// Urge is Wake without waiting for the interval.
func (w *Writer) Urge() {
	if w.state.Load() != urgent && w.state.Swap(urgent) != urgent {
		w.notify()
	}
}

func (w *Writer) notify() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// Reopen opens the path anew, for a file that was moved away, and from the next batch on writes there. When it can't be
// opened the old file stays in use.
func (w *Writer) Reopen() error {
	f, err := w.streams.open(w.path)
	if err != nil {
		return err
	}
	if old := w.next.Swap(f); old != nil {
		_ = old.close() // nothing was written to it
	}
	w.Urge()
	return nil
}

// Flush waits until everything that was there when it was called is written, at most the given time, and reports
// whether it is.
func (w *Writer) Flush(wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	flushed := make(chan struct{})
	select {
	case w.sync <- flushed:
	case <-w.done:
		return true
	case <-t.C:
		return false
	}
	select {
	case <-flushed:
		return true
	case <-t.C:
		return false
	}
}

// Close writes what waits, closes the file and ends the goroutine, and reports whether that was done within the given
// time; it goes on in any case.
func (w *Writer) Close(wait time.Duration) bool {
	w.once.Do(func() { close(w.stop) })
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-w.done:
		return true
	case <-t.C:
		return false
	}
}

// Stats counts what a Writer has done.
type Stats struct {
	Written uint64 // bytes
	Errors  uint64 // writes that failed
	Lost    uint64 // lines of failed writes
}

// Stats returns the counts so far.
func (w *Writer) Stats() Stats {
	return Stats{Written: w.written.Load(), Errors: w.errors.Load(), Lost: w.lost.Load()}
}

func (w *Writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.signal:
			w.gather()
			w.flush()
		case flushed := <-w.sync:
			w.flush()
			close(flushed)
		case <-w.stop:
			w.flush()
			_ = w.out.close()
			return
		}
	}
}

// gather waits for more lines to come, unless somebody is in a hurry.
func (w *Writer) gather() {
	if w.interval <= 0 || w.state.Load() == urgent {
		return
	}
	w.timer.Reset(w.interval)
	defer w.timer.Stop()
	select {
	case <-w.timer.C:
	case <-w.signal:
	case <-w.stop:
	case flushed := <-w.sync:
		w.flush()
		close(flushed)
	}
}

func (w *Writer) flush() {
	w.state.Store(idle)
	for {
		// What waits when Reopen is called goes to the new file: it must not be lost when the old one is full.
		if f := w.next.Swap(nil); f != nil {
			_ = w.out.close()
			w.out, w.midLine = f, false
		}
		w.stage = w.drain(w.stage[:0])
		n := len(w.stage)
		if n > 0 {
			w.write(w.stage)
		}
		if n < MaxBatch {
			return
		}
	}
}

func (w *Writer) write(b []byte) {
	if w.midLine {
		// The last write broke off within a line.
		if _, err := io.WriteString(w.out, "\n"); err != nil {
			w.failed(err, b)
			return
		}
		w.midLine = false
	}
	n, err := w.out.Write(b)
	w.written.Add(uint64(n))
	if err != nil {
		w.midLine = n > 0 && b[n-1] != '\n'
		w.failed(err, b[n:])
		return
	}
	if w.failing {
		w.failing = false
		w.report(nil, w.lost.Load())
	}
}

// failed counts what is lost, and reports the first failure of a row.
func (w *Writer) failed(err error, rest []byte) {
	w.errors.Add(1)
	lost := w.lost.Add(uint64(bytes.Count(rest, []byte{'\n'})))
	if !w.failing {
		w.failing = true
		w.report(err, lost)
	}
}
