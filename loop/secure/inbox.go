package secure

import (
	"sync/atomic"

	"sluice/loop"
)

// An inbox takes handshakes from several threads, and gives them to one. It is a list without a lock, newest first.
//
//	asleep ──put: wake whoever takes──> list ──all──> empty ──sleep──> asleep
//	                                      └───────put────┘
type inbox struct{ last atomic.Pointer[handshake] }

// asleep is what an inbox holds when nothing will look into it without being woken.
var asleep = new(handshake)

// put reports whether that is so. Unless it is, h is somebody else's when put returns.
func (b *inbox) put(h *handshake) (wake bool) {
	for {
		last := b.last.Load()
		if wake = last == asleep; wake {
			h.behind = nil
		} else {
			h.behind = last
		}
		if b.last.CompareAndSwap(last, h) {
			return wake
		}
	}
}

// all takes everything out, oldest first; what follows a handshake is its behind.
func (b *inbox) all() (first *handshake) {
	last := b.last.Swap(nil)
	if last == asleep { // woken for something else
		return nil
	}
	for last != nil {
		last.behind, last, first = first, last.behind, last
	}
	return first
}

// sleep makes the next put tell that it must wake somebody; false when something is there.
func (b *inbox) sleep() bool { return b.last.CompareAndSwap(nil, asleep) }

// A home is where handshakes go after their steps: to the loop that they belong to.
type home struct {
	inbox   inbox
	loop    loop.Loop
	collect func() // posted to the loop
}

func newHome(l loop.Loop) *home {
	h := &home{loop: l}
	h.inbox.sleep()
	h.collect = h.take
	return h
}

// take gives the handshakes to their connections.
func (m *home) take() {
	for more := true; more; more = !m.inbox.sleep() {
		for h := m.inbox.all(); h != nil; {
			next := h.behind
			h.opening.back()
			h = next
		}
	}
}

// orphans ends the handshakes of a loop that has stopped: each by its own worker, as a coroutine never leaves its thread.
func (m *home) orphans() {
	for more := true; more; more = !m.inbox.sleep() {
		for h := m.inbox.all(); h != nil; {
			next := h.behind
			if !h.over {
				h.abort = true
				h.runner.run(h)
			}
			h = next
		}
	}
}
