//go:build !linux

package secure

import "sync"

// A bell wakes one thread that waits for it.
type bell struct {
	mu   sync.Mutex
	cond *sync.Cond // made by the first wait
	rung bool
}

// ring wakes the thread, now or when it waits the next time.
func (b *bell) ring() {
	b.mu.Lock()
	b.rung = true
	if b.cond != nil {
		b.cond.Signal()
	}
	b.mu.Unlock()
}

// wait returns when the bell has been rung since the last time.
func (b *bell) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cond == nil {
		b.cond = sync.NewCond(&b.mu)
	}
	for !b.rung {
		b.cond.Wait()
	}
	b.rung = false
}
