package gateway

import (
	"sluice/loop"
	"sluice/protocols"
)

// A hold is what a stream keeps of one direction because its receiver takes no more: body bytes, and what ends them. What
// the sender may still send is bounded by its window (multiplexed) or by one read (it stops at once), so the hold is, too.
type hold struct {
	data    []byte // what waits is data[off:]
	off     int
	end     bool              // the direction ends behind data
	trailer *protocols.Header // the fields that end it, if there are any
}

// empty reports that nothing waits.
func (h *hold) empty() bool { return h.off == len(h.data) && !h.end }

// waiting is the number of body bytes that wait.
func (h *hold) waiting() int { return len(h.data) - h.off }

// add keeps what ev says, except the first taken bytes of its data. It refuses when the loop's streams hold too much.
func (h *hold) add(w *worker, ev *protocols.Event, taken int) bool {
	if rest := ev.Data[taken:]; len(rest) > 0 {
		if w.holds.held+len(rest) > w.holds.most {
			return false
		}
		w.holdMore(len(rest))
		h.data = w.holds.grow(h.data, &h.off, len(rest))
		h.data = append(h.data, rest...)
	}
	if ev.End {
		h.end = true
		if ev.Kind == protocols.KindTrailer {
			h.trailer = new(protocols.Header)
			h.trailer.CopyFrom(ev.Header)
		}
	}
	return true
}

// fill makes ev the next thing to encode of what waits.
func (h *hold) fill(ev *protocols.Event) {
	*ev = protocols.Event{Kind: protocols.KindData, Data: h.data[h.off:], End: h.end && h.trailer == nil}
	if len(ev.Data) == 0 && h.trailer != nil {
		ev.Kind, ev.Header, ev.End = protocols.KindTrailer, h.trailer, true
	}
}

// took notes that the receiver has taken n bytes, and with end everything.
func (h *hold) took(w *worker, n int, end bool) {
	w.holdMore(-n)
	if h.off += n; h.off == len(h.data) {
		w.holds.put(h.data)
		h.data, h.off = nil, 0
	}
	if end {
		h.end, h.trailer = false, nil
	}
}

// drop forgets what waits.
func (h *hold) drop(w *worker) {
	w.holdMore(-h.waiting())
	w.holds.put(h.data)
	*h = hold{}
}

// holdClasses are the sizes of hold buffers: 4 KiB, 16 KiB, 64 KiB; what is larger is left to the collector.
const (
	holdClasses  = 3
	holdSmallest = 4 << 10
	// maxFreeHolds is how many bytes of free buffers of a class a loop keeps for later: slow readers give buffers back and
	// want others all the time.
	maxFreeHolds = 4 << 20
)

// What one read takes may have to be held whole. The more a loop holds, the less it reads at once, so that many slow readers
// cost little each: 10 000 of them less than 70 MiB. Readers of HTTP/1 are slow one by one, each with a connection of its own that
// has taken what it could: what they leave counts a quarter, and a connection then takes less (loop.Conn's Full), 10 000 of them
// 300 MiB.
const (
	stalledPart         = 4
	manyHeld, manyReads = 16 << 20, 16 << 10
	mostHeld, mostReads = 32 << 20, 4 << 10
)

// holdMore notes that the streams of the loop hold n bytes more, or less.
func (w *worker) holdMore(n int) {
	if n == 0 {
		return
	}
	before := w.holds.reads()
	w.holds.held += n
	w.limitReads(before)
}

// stallMore notes that the output that clients of HTTP/1 do not take has grown by n bytes.
func (w *worker) stallMore(n int) {
	before := w.holds.reads()
	w.holds.stalled += n
	w.limitReads(before)
}

func (w *worker) limitReads(before int) {
	if now := w.holds.reads(); now != before {
		w.loop.LimitReads(now)
	}
}

// reads is what one read of the loop may take.
func (p *holdBuffers) reads() int {
	switch much := p.held + p.stalled/stalledPart; {
	case much >= mostHeld:
		return mostReads
	case much >= manyHeld:
		return manyReads
	}
	return loop.MaxRead
}

// holdBuffers are a loop's free buffers of holds, and the account of all holds.
type holdBuffers struct {
	held    int
	most    int // that all holds of the loop may have: past it, the streams that want more end
	stalled int // output of HTTP/1 connections whose clients do not read
	free    [holdClasses][][]byte
}

// holdClass is the class, and the size, of a buffer for n bytes.
func holdClass(n int) (class, size int) {
	size = holdSmallest
	for size < n {
		class++
		size *= 4
	}
	return class, size
}

// grow returns b with room for n more bytes: moved to its front, or to a larger buffer.
func (p *holdBuffers) grow(b []byte, off *int, n int) []byte {
	waiting := len(b) - *off
	if len(b)+n <= cap(b) {
		return b
	}
	if waiting+n <= cap(b) {
		copy(b, b[*off:])
		*off = 0
		return b[:waiting]
	}
	class, size := holdClass(waiting + n)
	var to []byte
	if class < holdClasses && len(p.free[class]) > 0 {
		last := len(p.free[class]) - 1
		to = p.free[class][last]
		p.free[class] = p.free[class][:last]
	} else {
		to = make([]byte, 0, size)
	}
	to = append(to[:0], b[*off:]...)
	*off = 0
	p.put(b)
	return to
}

// put takes back a buffer that grow gave.
func (p *holdBuffers) put(b []byte) {
	if cap(b) == 0 {
		return
	}
	if class, size := holdClass(cap(b)); class < holdClasses && size == cap(b) && len(p.free[class])*size < maxFreeHolds {
		p.free[class] = append(p.free[class], b)
	}
}
