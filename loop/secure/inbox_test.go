package secure

import (
	"sync/atomic"
	"testing"
)

// Each sender's handshakes come in order, and whoever sleeps is woken once.
func TestInbox(t *testing.T) {
	var b inbox
	const senders, each = 4, 1000
	if b.all() != nil || !b.sleep() {
		t.Fatal("it is not empty")
	}
	rung := make(chan struct{}, senders*each)
	for i := range senders {
		go func() {
			for n := range each {
				if b.put(&handshake{read: i*each + n}) {
					rung <- struct{}{}
				}
			}
		}()
	}
	last := map[int]int{}
	for got := 0; got < senders*each; {
		h := b.all()
		for ; h != nil; h = h.behind {
			i, n := h.read/each, h.read%each
			if before, ok := last[i]; ok != (n > 0) || n > 0 && before != n-1 {
				t.Fatalf("of %d: %d follows %d", i, n, before)
			}
			last[i] = n
			got++
		}
		if got < senders*each && b.sleep() {
			<-rung // every sleep is ended by one put
		}
	}
	if len(rung) != 0 {
		t.Errorf("%d more have woken it", len(rung))
	}
}

// A bell that is rung behind work never leaves it lying.
func TestBell(t *testing.T) {
	const all = 2000
	var there, back bell
	var asked, answered atomic.Int64
	go func() {
		for answered.Load() < all {
			there.wait()
			answered.Store(asked.Load())
			back.ring()
		}
	}()
	for n := int64(1); n <= all; n++ {
		asked.Store(n)
		there.ring()
		if n%3 == 0 {
			there.ring() // once too often does no harm
		}
		for answered.Load() < n {
			back.wait()
		}
	}
}
