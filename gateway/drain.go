package gateway

import (
	"fmt"
	"sync"
	"time"
)

// drainWatch knows when every loop has finished what it had to do.
type drainWatch struct {
	once  sync.Once
	loops sync.WaitGroup
	done  chan struct{} // closed when every loop has finished; made by the first Drain
}

// check is called on w's loop whenever a session or stream has ended during a drain.
func (d *drainWatch) check(w *worker) {
	if w.draining == drainStarted && w.active == 0 && w.sessions.count == 0 {
		w.draining = drainFinished
		d.loops.Done()
	}
}

// drainState is how far a loop's drain is.
//
//	off ──Drain──> started ──no session left──> finished
type drainState uint8

const (
	drainOff drainState = iota
	drainStarted
	drainFinished
)

// Drain stops accepting, lets every request that has been sent be answered, tells clients to go elsewhere, and stops
// when all connections have ended, or after timeout. The error says how many connections were cut by the timeout.
func (g *Gateway) Drain(timeout time.Duration) error {
	g.drained.once.Do(g.startDrain)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-g.drained.done:
		g.Stop()
		return nil
	case <-timer.C:
		left := g.countSessions()
		g.Stop()
		return fmt.Errorf("%d connections were still open after %s and have been closed", left, timeout)
	}
}

// startDrain closes the listening sockets, behind what the kernel has accepted already, and starts the loops' drains.
func (g *Gateway) startDrain() {
	g.mu.Lock()
	if !g.state.CompareAndSwap(int32(StateRunning), int32(StateGracefulStopping)) {
		g.state.CompareAndSwap(int32(StateStarting), int32(StateGracefulStopping))
	}
	for _, l := range g.listeners {
		if l.socket != nil {
			l.socket.Close()
		}
	}
	g.mu.Unlock()
	g.drained.loops.Add(len(g.workers))
	for _, w := range g.workers {
		if !w.loop.Post(w.startDrain) {
			g.drained.loops.Done()
		}
	}
	g.drained.done = make(chan struct{})
	go func() {
		g.drained.loops.Wait()
		close(g.drained.done)
	}()
}

// startDrain runs on the loop.
func (w *worker) startDrain() {
	w.draining = drainStarted
	now := w.loop.Now()
	for s := w.sessions.first; s != nil; {
		next := s.next
		s.kind.drain(now)
		s = next
	}
	w.g.drained.check(w)
}

// countSessions asks the loops for their connections.
func (g *Gateway) countSessions() int {
	total := 0
	for _, w := range g.workers {
		n := make(chan int, 1)
		if w.loop.Post(func() { n <- w.sessions.count }) {
			total += <-n
		}
	}
	return total
}
