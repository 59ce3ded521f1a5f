package secure

import (
	"runtime"
	"sync"
	"sync/atomic"
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
		k.work.L = &k.mu
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
		k.mu.Lock()
		k.closing = true
		k.mu.Unlock()
		k.work.Signal()
	}
	w.running.Wait()
}

// admit implements Executor: a loop has its worker, as connections are spread evenly over loops; a full one's
// neighbours help.
func (w *Workers) admit(index int) runner {
	for i := range w.all {
		k := w.all[(index+i)%len(w.all)]
		if k.active.Add(1) <= k.max {
			return k
		}
		k.active.Add(-1)
	}
	return nil
}

// A worker is one thread. It runs first what has begun: a handshake that is nearly done should not wait for all that
// would like to begin.
type worker struct {
	max    int64
	active atomic.Int64

	mu      sync.Mutex
	work    sync.Cond
	begun   queue
	fresh   queue
	closing bool
}

// run implements runner.
func (k *worker) run(h *handshake) {
	k.mu.Lock()
	if h.next == nil {
		k.fresh.push(h)
	} else {
		k.begun.push(h)
	}
	k.mu.Unlock()
	k.work.Signal()
}

// serve is the thread. It is never unlocked, so it ends with the goroutine.
func (k *worker) serve() {
	runtime.LockOSThread()
	lowerPriority()
	for h := k.take(); h != nil; h = k.take() {
		h.step()
		if h.handBack() {
			k.active.Add(-1)
		}
	}
}

// take waits for the next step; nil means that there will be none.
func (k *worker) take() *handshake {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		if h := k.begun.pop(); h != nil {
			return h
		}
		if h := k.fresh.pop(); h != nil {
			return h
		}
		if k.closing && k.active.Load() == 0 {
			return nil
		}
		k.work.Wait()
	}
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
