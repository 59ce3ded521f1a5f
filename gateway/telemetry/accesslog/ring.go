package accesslog

import "sync/atomic"

// A ring carries whole lines from one loop to one writer: one side only puts, the other only takes, and neither waits
// for the other. head and tail count all bytes ever taken and put; tail is stored behind the bytes it announces, and
// head behind the bytes it frees.
//
//	     head            tail
//	free |  lines to take  | free
type ring struct {
	buf  []byte // made by the first put, of a power of two bytes
	size uint64
	seen uint64 // the loop's last look at head
	tail atomic.Uint64
	_    [64]byte // the two ends are written by different threads
	head atomic.Uint64
}

// put adds a line and returns how many bytes wait to be taken at most, or false when there is no room. It is the loop's.
func (r *ring) put(line []byte) (waiting int, ok bool) {
	if r.buf == nil {
		r.buf = make([]byte, r.size)
	}
	tail, n := r.tail.Load(), uint64(len(line))
	if tail-r.seen+n > r.size {
		if r.seen = r.head.Load(); tail-r.seen+n > r.size {
			return 0, false
		}
	}
	at := tail & (r.size - 1)
	copy(r.buf, line[copy(r.buf[at:], line):])
	r.tail.Store(tail + n)
	return int(tail - r.seen + n), true
}

// take appends all that waits to dst. It is the writer's.
func (r *ring) take(dst []byte) []byte {
	head, tail := r.head.Load(), r.tail.Load()
	if head == tail {
		return dst
	}
	from, to := head&(r.size-1), tail&(r.size-1)
	if from < to {
		dst = append(dst, r.buf[from:to]...)
	} else {
		dst = append(append(dst, r.buf[from:]...), r.buf[:to]...)
	}
	r.head.Store(tail)
	return dst
}
