package accesslog

import (
	"slices"
	"sync/atomic"
)

// BufferSize is how many bytes of lines one loop can have waiting for one file.
const BufferSize = 256 << 10

// maxScratch is the largest scratch that is kept from one line to the next.
const maxScratch = 64 << 10

// Buffers are one loop's ways to the files; they belong to that loop.
type Buffers struct {
	scratch []byte
	all     []*Buffer
}

// Buffer returns the loop's buffer for a file, always the same one. It is for the compilation of a snapshot: Log is
// what the path of a request calls.
func (b *Buffers) Buffer(f *File) *Buffer {
	b.all = slices.DeleteFunc(b.all, func(o *Buffer) bool { return o.file.closed.Load() })
	for _, o := range b.all {
		if o.file == f {
			return o
		}
	}
	o := &Buffer{file: f, loop: b}
	o.ring.size = BufferSize
	f.attach(o)
	b.all = append(b.all, o)
	return o
}

// A Buffer is where one loop leaves its lines for one file. Several listeners may use it.
type Buffer struct {
	file    *File
	loop    *Buffers
	ring    ring
	dropped atomic.Uint64 // written by the loop only
}

// Log formats r and leaves the line to the file's writer. It does not block; when the buffer is full the line is
// dropped, which is counted, and Log returns false.
func (b *Buffer) Log(f *Format, r *Record) bool {
	if b.file.disabled.Load() {
		return true
	}
	line := f.Append(b.loop.scratch[:0], r)
	if cap(line) <= maxScratch {
		b.loop.scratch = line
	}
	waiting, ok := b.ring.put(line)
	switch {
	case !ok:
		b.dropped.Store(b.dropped.Load() + 1)
		b.file.writer.Urge()
	case waiting > BufferSize/2:
		b.file.writer.Urge()
	default:
		b.file.writer.Wake()
	}
	return ok
}

// Enabled reports whether Log would write, so that a caller may spare itself the filling of a Record.
func (b *Buffer) Enabled() bool { return !b.file.disabled.Load() }
