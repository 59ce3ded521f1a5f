package secure

import (
	"crypto/tls"
	"fmt"
	"iter"

	"sluice/loop"
)

// A handshake is a coroutine in tls.Conn.Handshake. Between a call of runner.run and of back it belongs to a worker,
// otherwise to the loop.
//
//	parked ──(run)──> queued ──> running ──(wants records)──> parked
//	                                └──(done, failed, aborted)──> over
type handshake struct {
	tls     *tls.Conn
	opening *opening
	runner  runner
	home    *home  // where it goes after a step
	in      []byte // whole records from the peer
	read    int    // how much of in tls.Conn has had
	out     []byte // for the peer
	abort   bool   // the next step is the last
	// choice is what Choosing's callback returned, if there is one.
	choice *Config
	over   bool
	err    error

	behind *handshake // in an inbox

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

// step runs the coroutine until it wants records that are not there. It is always called on the same thread.
func (h *handshake) step() {
	defer func() {
		if p := recover(); p != nil {
			h.err = fmt.Errorf("%w: %v", loop.ErrPanicked, p)
			h.over = true
		}
	}()
	if h.next == nil {
		h.next, h.stop = iter.Pull(h.run)
	}
	if h.abort {
		h.stop()
		h.over = true
		return
	}
	_, parked := h.next()
	h.over = !parked
}

// run is the coroutine.
func (h *handshake) run(yield func(struct{}) bool) {
	h.yield = yield
	h.err = h.tls.Handshake()
}

// await parks the coroutine until a whole record is there; false means that it never will be.
func (h *handshake) await() bool {
	for record(h.in[h.read:]) == 0 {
		if !h.yield(struct{}{}) {
			return false
		}
	}
	return true
}

// record takes the next record.
func (h *handshake) record() []byte {
	n := record(h.in[h.read:])
	h.read += n
	return h.in[h.read-n : h.read]
}

// handBack is what a runner without a thread does after a step: it posts h to its loop. A loop that has stopped takes nothing:
// the coroutine is ended here.
func (h *handshake) handBack() {
	if !h.home.loop.Post(h.opening.back) && !h.over {
		h.abort = true
		h.step()
	}
}
