package secure

import (
	"crypto/tls"
	"slices"
	"time"
)

// A loop takes steps of handshakes itself, rather than to hand them to a worker and back, as long as others hardly notice:
// changing threads costs as much as a resumed handshake. It does so for either of two reasons.
//
// One is that hardly anybody else is there. A step makes those wait who come while it lasts, half of it on average: if that is
// less waiting, all together, than the processor time that changing threads costs, the step is cheaper here.
//
// The other is that steps are few. What others notice is how long they wait for a step to end, which is its length times how
// likely they meet it: its length squared. So that is what a step costs of the loop's allowance, beyond what is as short as
// serving a few requests.

// What a loop takes with hardly anybody else there.
const (
	changing  = 50 * time.Microsecond // of processor time, to change threads and back
	window    = 10 * time.Millisecond // over which others are counted, at least
	ownReads  = 3                     // of one connection, for its handshake and what comes with it
	mostAtOne = time.Millisecond      // of steps without a pause, if hardly anybody is there
	// ... and this part of the time: somebody may come.
	atMost, ofTime = 3, 4
)

// The allowance for few steps.
const (
	freeStep  = 50 * time.Microsecond
	usualStep = 250 * time.Microsecond // beyond a free one, costs its length; one of twice the length costs four times as much
	// A part of the time is saved, one in so many, and at most mostSaved is kept. In a second that makes a thousand
	// steps of 100 us, or 250 of 150, or one that is longer than 2 ms; a tenth of the loop's time at the most.
	saveOne   = 100
	mostSaved = 500 * time.Microsecond
	mostOwed  = 10 * time.Millisecond
)

// A thrift says which handshakes one loop may take.
type thrift struct {
	at     time.Duration // when credit and spare were counted
	credit time.Duration
	spare  time.Duration // of the time that steps may take while hardly anybody is there
	long   time.Duration // a step that is longer than most

	since  time.Duration // when the window began
	reads  uint64        // until then
	begun  uint64        // handshakes in the window
	others float64       // reads a second that were not of handshakes, in the window before
}

// allows reports whether the loop, which has made so many reads, may take a handshake. One that seems short may be taken when
// others may not, unless some that seemed so were not.
func (t *thrift) allows(now time.Duration, reads uint64, short bool) bool {
	t.credit = min(t.credit+(now-t.at)/saveOne, mostSaved)
	t.spare = min(t.spare+(now-t.at)*atMost/ofTime, mostAtOne)
	t.at = now
	t.begun++
	if passed := now - t.since; passed >= window {
		t.others = max(0, float64(reads-t.reads)-float64(ownReads*t.begun)) / passed.Seconds()
		t.since, t.reads, t.begun = now, reads, 0
	}
	if long := t.long.Seconds(); t.spare > 0 && t.others*long*long/2 < changing.Seconds() {
		return true
	}
	if short {
		return t.credit > -usualStep
	}
	return t.credit > 0
}

// pay takes a step from the allowances.
func (t *thrift) pay(step time.Duration) {
	t.long = max(step, t.long-t.long/16)
	t.spare = max(t.spare-step, -mostOwed)
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
