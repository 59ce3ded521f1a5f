package secure

import (
	"crypto/tls"
	"slices"
	"time"
)

// A loop takes steps of handshakes itself, rather than to hand them to a worker and back, as long as others hardly notice:
// changing threads costs as much as a resumed handshake, and most loops see a few new connections in a second. What others
// notice is how long they wait for a step to end, which is its length times how likely they meet it: its length squared. So
// that is what a step costs of the loop's allowance, beyond what is as short as serving a few requests.
const (
	freeStep  = 50 * time.Microsecond
	usualStep = 250 * time.Microsecond // beyond a free one, costs its length; one of twice the length costs four times as much
	// A part of the time is saved, one in so many, and at most mostSaved is kept. In a second that makes a thousand
	// steps of 100 us, or 250 of 150, or one that is longer than 2 ms; a tenth of the loop's time at the most.
	saveOne   = 100
	mostSaved = 500 * time.Microsecond
	mostOwed  = 10 * time.Millisecond
)

// A thrift is the allowance of one loop.
type thrift struct {
	credit time.Duration
	at     time.Duration // when it was counted
}

// allows reports whether the loop may take a handshake. One that seems short may be taken when others may not, unless
// some that seemed so were not.
func (t *thrift) allows(now time.Duration, short bool) bool {
	t.credit = min(t.credit+(now-t.at)/saveOne, mostSaved)
	t.at = now
	if short {
		return t.credit > -usualStep
	}
	return t.credit > 0
}

// pay takes a step from the allowance.
func (t *thrift) pay(step time.Duration) {
	if dear := min(step-freeStep, time.Second); dear > 0 {
		t.credit = max(t.credit-dear*dear/usualStep, -mostOwed)
	}
}

// seemsShort reports whether a handshake that begins with b is likely to need no public-key cryptography: it resumes a
// session of TLS 1.2.
func seemsShort(b []byte) bool {
	hello, _, ok := PeekHello(b)
	return ok && hello.Ticket && len(hello.Versions) > 0 && slices.Max(hello.Versions) == tls.VersionTLS12
}

// onLoop runs steps on their loop. The worker only counts the handshake.
type onLoop struct {
	worker *worker
	engine *Engine
}

// run implements runner.
func (r *onLoop) run(h *handshake) {
	before := now()
	h.step()
	r.engine.thrift.pay(now().since(before))
	if h.over {
		r.worker.leave()
	}
	h.opening.back()
}
