package loop

import (
	"syscall"
	"unsafe"
)

// phase is the life of a connection.
//
//	connecting ──(established)──> open ──(Close)──> flushing ──(sent)──> lingering ──(FIN, limits)──┐
//	    │                          │                    └──(sent, or 60 s without progress)────────┤
//	    └──(refused, timeout, Close)─┴──(error, CloseNow, CloseReset)──────────────────────────────> ended
type phase uint8

const (
	phaseConnecting phase = iota
	phaseOpen
	phaseFlushing
	phaseLingering
	phaseEnded // unlinked; Closed is due or has been called
)

// The flags of a connection are independent facts about it.
type connFlags uint32

const (
	flagPaused    connFlags = 1 << iota // the handler wants no Received
	flagEOF                             // the peer's FIN has been read
	flagEOFTold                         // ReadClosed has been called
	flagResumed                         // what is unconsumed must be offered again in the next Round
	flagUnread                          // the socket may hold bytes or a FIN that no event will tell of again
	flagEnded                           // with flagUnread: a short read does not empty it
	flagWatched                         // the poller knows the socket
	flagReady                           // on the ready list
	flagDirty                           // on the dirty list
	flagBlocked                         // the kernel took less than it was given
	flagHigh                            // output was above the high-water mark: Drained is owed
	flagFIN                             // a FIN is to follow the output
	flagFINSent                         // the FIN is sent
	flagConnected                       // connect was established at once: Opened is due
	flagReset                           // close(2) sends a RST
	flagReceiving                       // inside Received
)

// conn is one socket. It is never used for a second connection, so a reference that a handler keeps too long meets a
// connection that has ended and does nothing.
type conn struct {
	r        *Reactor
	h        Handler
	in       []byte // unconsumed input in a pooled buffer; nil when there is none
	out      []byte // a pooled buffer with output from sent on; nil when there is none
	sent     int
	err      error         // why it ends
	broken   syscall.Errno // a write failed: what can still be read is delivered, then the connection ends
	local    *Addr
	done     Releaser
	deadline *deadline
	remote   Addr
	id       uint64
	taken    uint64 // bytes read from the socket
	written  uint64 // bytes that the kernel took
	fd       int32
	flags    connFlags
	phase    phase
	how      CloseMode
}

func (r *Reactor) newConn(fd int, remote Addr) *conn {
	r.lastID++
	c := &conn{r: r, fd: int32(fd), remote: remote, id: r.lastID<<idBits | uint64(r.index)}
	for fd >= len(r.conns) {
		r.conns = append(r.conns, make([]*conn, max(64, len(r.conns)))...)
	}
	r.conns[fd] = c
	r.counters.open.Add(1)
	return c
}

// Loop implements Conn.
func (c *conn) Loop() Loop { return c.r }

// ID implements Conn.
func (c *conn) ID() uint64 { return c.id }

// Transferred implements Conn.
func (c *conn) Transferred() (received, sent uint64) { return c.taken, c.written }

// SetHandler implements Conn.
func (c *conn) SetHandler(h Handler) { c.h = h }

// RemoteAddr implements Conn.
func (c *conn) RemoteAddr() Addr { return c.remote }

// LocalAddr implements Conn. A listener on one address knows it; otherwise the system is asked once.
func (c *conn) LocalAddr() Addr {
	if c.local == nil {
		if c.phase == phaseEnded || c.phase == phaseConnecting {
			return Addr{}
		}
		a := c.r.sys.LocalAddr(int(c.fd))
		c.local = &a
	}
	return *c.local
}

// reading reports whether c takes input.
func (c *conn) reading() bool {
	switch c.phase {
	case phaseOpen:
		return c.flags&(flagPaused|flagEOF) == 0 && len(c.in) < c.r.maxUnread
	case phaseLingering:
		return true
	case phaseConnecting, phaseFlushing, phaseEnded:
	}
	return false
}

// watch makes events come, once and for all: nothing that happens later costs a call to change it.
func (c *conn) watch() {
	if err := c.r.sys.Watch(int(c.fd)); err != nil {
		c.end(err)
		return
	}
	c.flags |= flagWatched
}

// event is what the poller tells. It tells a change once, so what can't be used now is noted.
func (c *conn) event(ready Ready) {
	if ready&(Readable|Ended|Failed) != 0 {
		c.flags |= flagUnread
		if ready&(Ended|Failed) != 0 {
			c.flags |= flagEnded
		}
	}
	if c.phase == phaseConnecting && ready&(Writable|Failed) != 0 {
		c.connected()
	}
	if c.phase != phaseOpen {
		c.eventClosing(ready)
		return
	}
	if ready&Writable != 0 && c.flags&flagBlocked != 0 {
		c.flush()
		c.tellDrained()
	}
	if ready&Failed != 0 && c.phase == phaseOpen && !c.reading() {
		// Both FINs also look like a failure, but leave no error: there may be bytes to read after Resume.
		errno := c.r.sys.Error(int(c.fd))
		if errno == 0 {
			errno = c.broken // a write has taken it
		}
		if errno != 0 {
			c.end(errno)
		}
	}
	c.readSome()
}

// Pause implements Conn.
func (c *conn) Pause() { c.flags |= flagPaused }

// Resume implements Conn.
func (c *conn) Resume() {
	if c.phase > phaseOpen {
		return
	}
	c.flags &^= flagPaused
	if c.flags&flagReceiving != 0 {
		c.flags |= flagResumed // received sees whether anything is left
	} else if len(c.in) > 0 || c.flags&(flagEOF|flagEOFTold) == flagEOF {
		c.flags |= flagResumed
		c.r.enlist(c)
	}
	if c.broken != 0 || c.flags&flagUnread != 0 {
		c.r.enlist(c)
	}
}

// readSome reads once if there may be something and c takes input. If that leaves something, it goes on in the next
// Round: no event will come for it.
func (c *conn) readSome() {
	if c.flags&flagUnread == 0 || c.phase != phaseOpen || !c.reading() {
		return
	}
	c.read()
	if c.flags&flagUnread != 0 && c.phase == phaseOpen && c.reading() {
		c.r.enlist(c)
	}
}

// receive reads into b and notes when that has emptied the socket: see "Readiness" in doc.go.
func (c *conn) receive(b []byte) (int, syscall.Errno) {
	n, errno := c.r.sys.Read(int(c.fd), b)
	switch {
	case errno == errAgain:
		c.flags &^= flagUnread | flagEnded
	case n > 0 && n < len(b) && c.flags&flagEnded == 0 && c.remote.Path == "":
		// A unix socket may end a read early, behind bytes that came with a descriptor.
		c.flags &^= flagUnread
	}
	return n, errno
}

// read takes what the socket has, once, and reports whether there was anything, a FIN included.
func (c *conn) read() bool {
	r := c.r
	b, kept := r.readBuf, len(c.in)
	if kept > 0 {
		if cap(c.in)-kept < 4096 {
			c.in = r.bufs.Grow(c.in, 4096)
		}
		b = c.in[kept:cap(c.in)]
	}
	n, errno := c.receive(b[:min(len(b), r.readMost)])
	switch {
	case errno == errAgain:
		return false
	case errno != 0:
		c.end(errno)
		return true
	case n == 0:
		c.flags = c.flags&^(flagUnread|flagEnded) | flagEOF
		c.tellEOF()
		return true
	}
	c.taken += uint64(n)
	r.reads++
	if kept > 0 {
		c.in = c.in[:kept+n]
		c.offerKept()
		return true
	}
	c.flags |= flagReceiving
	used := c.h.Received(c, b[:n])
	if used < n && c.phase == phaseOpen {
		rest := b[max(used, 0):n]
		c.in = append(r.bufs.Get(len(rest)), rest...)
	}
	c.received()
	return true
}

// received ends a call of Received: if the handler asked for what it left, it gets its turn in the next Round.
func (c *conn) received() {
	c.flags &^= flagReceiving
	if c.flags&flagResumed == 0 {
		return
	}
	if len(c.in) > 0 && c.phase == phaseOpen {
		c.r.enlist(c)
	} else {
		c.flags &^= flagResumed
	}
}

// offerKept gives the handler what is unconsumed.
func (c *conn) offerKept() {
	b := c.in
	c.flags = c.flags&^flagResumed | flagReceiving
	used := c.h.Received(c, b)
	switch {
	case c.phase != phaseOpen: // the buffer is on its way back
	case used >= len(b):
		c.r.bufs.Put(c.in)
		c.in = nil
	case used > 0:
		c.in = b[:copy(b, b[used:])]
	}
	c.received()
}

// dropInput gives the buffer back when the running call ends: it may be lent to the handler that closes.
func (c *conn) dropInput() {
	if c.in != nil {
		c.r.limbo = append(c.r.limbo, c.in)
		c.in = nil
	}
}

// tellEOF calls ReadClosed once everything in front of the FIN has been offered and the handler wants input.
func (c *conn) tellEOF() {
	if c.flags&flagResumed != 0 && c.flags&flagPaused == 0 && len(c.in) > 0 {
		c.offerKept()
	}
	if c.phase == phaseOpen && c.flags&(flagPaused|flagEOFTold) == 0 {
		c.flags |= flagEOFTold
		c.h.ReadClosed(c, c.in)
	}
}

// serve is c's turn in a Round.
func (c *conn) serve() {
	if c.flags&flagConnected != 0 && c.phase == phaseConnecting {
		c.established()
	}
	if c.phase != phaseOpen {
		c.eventClosing(0)
		return
	}
	c.tellDrained()
	if c.phase == phaseOpen && c.flags&(flagResumed|flagPaused) == flagResumed {
		c.flags &^= flagResumed
		if len(c.in) > 0 {
			c.offerKept()
		}
		if c.phase == phaseOpen && c.flags&flagEOF != 0 {
			c.tellEOF()
		}
	}
	if c.phase == phaseOpen && c.broken != 0 {
		c.readLast()
	} else {
		c.readSome()
	}
}

// tellDrained calls Drained if it is owed and due.
func (c *conn) tellDrained() {
	if c.flags&flagHigh != 0 && c.phase == phaseOpen && c.Buffered() <= LowWater {
		c.flags &^= flagHigh
		c.h.Drained(c)
	}
}

// sameStart reports whether two slices begin at the same byte.
func sameStart(a, b []byte) bool { return unsafe.SliceData(a) == unsafe.SliceData(b) }
