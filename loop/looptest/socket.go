package looptest

import (
	"syscall"

	"sluice/loop"
)

// socketState is the life of a simulated socket.
//
//	connecting ──> established ──> broken (reset or refused)
type socketState uint8

const (
	connecting socketState = iota
	established
	broken
)

// socket is the loop's end of a connection, as the kernel keeps it.
type socket struct {
	sys     *system
	peer    *Peer
	fd      int
	state   socketState
	watched bool
	changed bool   // something has happened since the last report
	inStore []byte // in from its beginning
	in      []byte // sent by the peer, not yet read
	fin     bool   // the peer's FIN follows in
	finRead bool
	shut    bool // our FIN is sent
	errno   syscall.Errno
	window  int  // how many more bytes the peer takes; -1 without limit
	cramped bool // a write was cut short: only then does room that comes make an event
	closed  bool
	aborted bool // closed with a RST
}

func (k *socket) ready() (ready loop.Ready) {
	if k.state == connecting {
		return 0
	}
	if len(k.in) > 0 || k.fin || k.state == broken {
		ready |= loop.Readable
	}
	if k.fin || k.state == broken {
		ready |= loop.Ended
	}
	if k.window != 0 || k.state == broken {
		ready |= loop.Writable
	}
	if k.errno != 0 || k.state == broken || k.fin && k.shut {
		ready |= loop.Failed
	}
	return ready
}

// poll says what an edge-triggered poller reports of k now: each change once, with all the bits that hold by then.
func (k *socket) poll() (ready loop.Ready, ok bool) {
	if !k.watched || !k.changed || k.state == connecting {
		return 0, false
	}
	k.changed = false
	ready = k.ready()
	return ready, ready != 0
}

func (k *socket) read(b []byte) (int, syscall.Errno) {
	if len(k.in) == 0 {
		switch {
		case k.fin:
			k.finRead = true
			return 0, 0
		case k.errno != 0:
			errno := k.errno
			k.errno = 0
			return 0, errno
		case k.state == broken:
			return 0, 0
		}
		return 0, syscall.EAGAIN
	}
	n := min(len(b), len(k.in), k.sys.readLimit(len(k.in)))
	if n == 0 {
		k.changed = true
		return 0, syscall.EAGAIN
	}
	copy(b, k.in[:n])
	if k.in = k.in[n:]; len(k.in) == 0 {
		k.in = k.inStore[:0] // so that a steady exchange of bytes allocates nothing
	}
	if n < len(b) && len(k.in) > 0 {
		k.changed = true // the rest of a chosen read size "arrives" afterwards
	}
	return n, 0
}

func (k *socket) write(a, b []byte) (int, syscall.Errno) {
	switch {
	case k.shut:
		return 0, syscall.EPIPE
	case k.state == broken:
		errno := k.errno
		k.errno = 0
		if errno == 0 {
			errno = syscall.EPIPE
		}
		return 0, errno
	}
	n := len(a) + len(b)
	limit := k.sys.writeLimit(n)
	if k.window >= 0 {
		limit = min(limit, k.window)
	}
	if limit < n {
		k.cramped = limit == k.window
		if n = limit; !k.cramped {
			k.changed = true // the kernel makes room at once
		}
		if n == 0 {
			return 0, syscall.EAGAIN
		}
	}
	if k.window > 0 {
		k.window -= n
	}
	k.peer.take(a, b, n)
	return n, 0
}
