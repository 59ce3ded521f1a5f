package accesslog

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/gateway/telemetry/logfile"
)

// flushInterval is the least time from the first line after a quiet time to its writing, unless a buffer fills up.
const flushInterval = 100 * time.Millisecond

// A File is one access log: every loop has a [Buffer] for it, and one goroutine writes them. It is safe on any
// goroutine.
type File struct {
	path     string
	writer   *logfile.Writer
	disabled atomic.Bool
	closed   atomic.Bool

	mu      sync.Mutex
	buffers []*Buffer
	first   int // the buffer that the next drain begins with: the writer's
}

// Path is the file's, in its normal form: "stdout", "stderr" or absolute.
func (f *File) Path() string { return f.path }

// attach makes the writer look at b.
func (f *File) attach(b *Buffer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffers = append(f.buffers, b)
}

func (f *File) list() []*Buffer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buffers[:len(f.buffers):len(f.buffers)]
}

// drain takes what the loops have left, beginning with the loop that the last drain did not come to.
func (f *File) drain(dst []byte) []byte {
	all := f.list()
	for range all {
		if len(dst) >= logfile.MaxBatch {
			break
		}
		f.first = (f.first + 1) % len(all)
		dst = all[f.first].ring.take(dst)
	}
	return dst
}

// dropped is how many lines found their buffer full.
func (f *File) dropped() (n uint64) {
	for _, b := range f.list() {
		n += b.dropped.Load()
	}
	return n
}
