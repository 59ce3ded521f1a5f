package loop

import "math/bits"

const (
	minBufferBits = 9  // 512 B
	maxBufferBits = 18 // 256 KiB; larger buffers are not kept
	bufferClasses = maxBufferBits - minBufferBits + 1
	// keepPerClass is how many bytes of free buffers of one size a loop keeps.
	keepPerClass = 2 << 20
)

// Buffers are free buffers of one loop, in powers of two. They are not a sync.Pool, because a GC empties that. The zero
// value is ready; all methods belong to one goroutine.
type Buffers struct {
	free [bufferClasses][][]byte
}

// class is the smallest class that holds n bytes; bufferClasses or more if none does.
func bufferClass(n int) int {
	if n <= 1<<minBufferBits {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufferBits
}

// Get returns an empty buffer with room for n bytes.
func (p *Buffers) Get(n int) []byte {
	k := bufferClass(n)
	if k >= bufferClasses {
		return make([]byte, 0, n)
	}
	if free := p.free[k]; len(free) > 0 {
		b := free[len(free)-1]
		free[len(free)-1] = nil
		p.free[k] = free[:len(free)-1]
		return b
	}
	return make([]byte, 0, 1<<(k+minBufferBits))
}

// Put takes b back; a buffer of odd size, or one too many, is left to the garbage collector.
func (p *Buffers) Put(b []byte) {
	k := bufferClass(cap(b))
	if k >= bufferClasses || cap(b) != 1<<(k+minBufferBits) {
		return
	}
	if keep := max(2, keepPerClass>>(k+minBufferBits)); len(p.free[k]) < keep {
		p.free[k] = append(p.free[k], b[:0])
	}
}

// Grow returns a buffer with the content of b and room for n more bytes, and takes b back.
func (p *Buffers) Grow(b []byte, n int) []byte {
	g := append(p.Get(max(len(b)+n, 2*cap(b))), b...)
	p.Put(b)
	return g
}
