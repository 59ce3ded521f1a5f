package secure

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMaxHandshakes is how many handshakes may be under way in a process.
const DefaultMaxHandshakes = 8192

// WorkersOptions configure Workers.
type WorkersOptions struct {
	// Threads is how many steps may run at a time; 0 means one for each processor.
	Threads int
	// MaxHandshakes is how many handshakes may be under way, those included that wait for their peers, at about 10 KiB
	// each; 0 means DefaultMaxHandshakes. More are refused.
	MaxHandshakes int
}

// Workers run handshakes beside the loops, on threads of the lowest priority, so that established connections keep
// their latency. All loops share them.
type Workers struct {
	all     []*worker
	running sync.WaitGroup
}

// NewWorkers starts the threads.
func NewWorkers(o WorkersOptions) *Workers {
	if o.Threads <= 0 {
		o.Threads = runtime.NumCPU()
	}
	if o.MaxHandshakes <= 0 {
		o.MaxHandshakes = DefaultMaxHandshakes
	}
	each := int64(max(1, o.MaxHandshakes/o.Threads))
	w := &Workers{}
	for range o.Threads {
		k := &worker{max: each}
		w.all = append(w.all, k)
		w.running.Go(k.serve)
	}
	return w
}

// Active is how many handshakes are under way.
func (w *Workers) Active() (n int) {
	for _, k := range w.all {
		n += int(k.active.Load())
	}
	return n
}

// Close waits until no handshake is under way, and ends the threads: the loops must have been stopped, or they must be
// left to their time limit. It may be called once.
func (w *Workers) Close() {
	for _, k := range w.all {
		k.end()
	}
	w.running.Wait()
}

// admit implements Executor: a loop has its worker, as connections are spread evenly over loops; a full one's
// neighbours help. What the loop can afford it does itself.
func (w *Workers) admit(e *Engine, hello []byte, verifies bool) runner {
	for i := range w.all {
		k := w.all[(e.loop.Index()+i)%len(w.all)]
		if k.active.Add(1) > k.max {
			k.leave()
			continue
		}
		if !verifies && e.thrift.allows(e.loop.Now(), e.loop.ReadCount(), seemsShort(hello)) {
			return &onLoop{worker: k, engine: e}
		}
		return k
	}
	return nil
}

// heldBack is how long a worker keeps what it has done, while it has more to do. It is of low priority: the loop that it
// tells takes the processor at once, and switching to and fro for each step costs as much as a resumed handshake.
const heldBack = 200 * time.Microsecond

// A worker is one thread. It runs first what has begun: a handshake that is nearly done should not wait for all that
// would like to begin.
//
// The thread may be kept from the processor at any point, so nothing here makes a loop wait for it: what is handed over, in
// both directions, goes through inboxes, which have no lock. Nor does it wait in Go's scheduler: to wake a goroutine that is
// locked to its thread takes another thread.
type worker struct {
	max    int64
	active atomic.Int64
	inbox  inbox
	bell   bell
	ending atomic.Bool

	// What follows is the thread's own.
	begun, fresh queue
	done         []*handshake // not handed back yet
	since        time.Time    // when the first of done was
}

// run implements runner.
func (k *worker) run(h *handshake) {
	if k.inbox.put(h) {
		k.bell.ring()
	}
}

// serve is the thread. It is never unlocked, so it ends with the goroutine.
func (k *worker) serve() {
	runtime.LockOSThread()
	lowerPriority()
	for h := k.take(); h != nil; h = k.take() {
		h.step()
		if h.over {
			k.leave()
		}
		if k.done = append(k.done, h); len(k.done) == 1 {
			k.since = time.Now()
		} else if time.Since(k.since) > heldBack {
			k.handBack()
		}
	}
}

// take waits for the next step; nil means that there will be none.
func (k *worker) take() *handshake {
	for {
		for h := k.inbox.all(); h != nil; {
			next := h.behind
			if h.next == nil {
				k.fresh.push(h)
			} else {
				k.begun.push(h)
			}
			h = next
		}
		if h := k.begun.pop(); h != nil {
			return h
		}
		if h := k.fresh.pop(); h != nil {
			return h
		}
		k.handBack()
		if k.ending.Load() && k.active.Load() == 0 {
			return nil
		}
		if k.inbox.sleep() {
			k.bell.wait()
		}
	}
}

// handBack gives the loops what is done: all of it before the first of them is woken.
func (k *worker) handBack() {
	wake := k.done[:0]
	for _, h := range k.done {
		if h.home.inbox.put(h) {
			wake = append(wake, h)
		}
	}
	for i, h := range wake {
		if home := h.home; !home.loop.Post(home.collect) {
			home.orphans()
		}
		wake[i] = nil
	}
	clear(k.done[len(wake):])
	k.done = k.done[:0]
}

// leave is called when a handshake of the worker's is over.
func (k *worker) leave() {
	if k.active.Add(-1) == 0 && k.ending.Load() {
		k.bell.ring()
	}
}

// end makes the thread end once no handshake is under way.
func (k *worker) end() {
	k.ending.Store(true)
	k.bell.ring()
}

// queue is a ring of handshakes; it is as long as it ever had to be.
type queue struct {
	ring []*handshake
	head int
	n    int
}

func (q *queue) push(h *handshake) {
	if q.n == len(q.ring) {
		grown := make([]*handshake, max(16, 2*q.n))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%q.n]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = h
	q.n++
}

func (q *queue) pop() *handshake {
	if q.n == 0 {
		return nil
	}
	h := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return h
}
