package loop

import "syscall"

const errAgain = syscall.EAGAIN

// Buffered implements Conn.
func (c *conn) Buffered() int { return len(c.out) - c.sent }

// Full implements Conn.
func (c *conn) Full() bool {
	n := c.Buffered()
	if n <= LowWater || n <= c.r.readMost && n <= HighWater {
		return false
	}
	c.flags |= flagHigh
	return true
}

// Reserve implements Conn.
func (c *conn) Reserve(n int) []byte {
	switch {
	case c.out == nil:
		c.out, c.sent = c.r.bufs.Get(n), 0
	case cap(c.out)-len(c.out) < n:
		if c.sent > 0 {
			c.out = c.out[:copy(c.out, c.out[c.sent:])]
			c.sent = 0
		}
		if cap(c.out)-len(c.out) < n {
			c.out = c.r.bufs.Grow(c.out, n)
		}
	}
	return c.out[c.sent:]
}

// Commit implements Conn.
func (c *conn) Commit(b []byte) {
	if !c.sending() {
		if c.Buffered() == 0 {
			c.dropOutput()
		}
		return
	}
	if c.out != nil && sameStart(b, c.out[c.sent:]) {
		c.out = c.out[:c.sent+len(b)]
	} else {
		if c.out != nil {
			c.r.bufs.Put(c.out)
		}
		c.out, c.sent = b, 0
	}
	c.wrote()
}

// Write implements Conn.
func (c *conn) Write(b []byte) {
	if len(b) == 0 || !c.sending() {
		return
	}
	if len(b) >= WriteThrough && c.phase == phaseOpen && c.flags&flagBlocked == 0 {
		b = c.writeThrough(b)
		if len(b) == 0 || !c.sending() {
			return
		}
	}
	c.Commit(append(c.Reserve(len(b)), b...))
}

// sending reports whether output is still accepted.
func (c *conn) sending() bool {
	return c.phase <= phaseOpen && c.broken == 0 && c.flags&flagFIN == 0
}

// wrote is called when output was added. What fills a segment does not wait for the end of the batch: a socket that takes it
// leaves room, and nobody has to be paused.
func (c *conn) wrote() {
	n := c.Buffered()
	if n > MaxRead && c.phase == phaseOpen && c.flags&flagBlocked == 0 {
		if c.flush(); c.phase != phaseOpen {
			return
		}
		n = c.Buffered()
	}
	if n == 0 {
		c.dropOutput()
		return
	}
	if n > HighWater {
		c.flags |= flagHigh
	}
	if c.phase != phaseOpen || c.flags&(flagBlocked|flagDirty) != 0 {
		return // a connect, an event or the end of the batch will flush it
	}
	c.markDirty()
}

func (c *conn) markDirty() {
	if c.flags&flagDirty == 0 {
		c.flags |= flagDirty
		c.r.dirty = append(c.r.dirty, c)
	}
}

func (c *conn) dropOutput() {
	if c.out != nil {
		c.r.bufs.Put(c.out)
		c.out, c.sent = nil, 0
	}
}

// writeThrough sends what waits and then b in one call, and returns what of b is left.
func (c *conn) writeThrough(b []byte) []byte {
	waiting := c.out[c.sent:]
	n, errno := c.r.sys.Write(int(c.fd), waiting, b)
	if errno != 0 && errno != errAgain {
		c.writeFailed(errno)
		return nil
	}
	if errno == errAgain {
		n = 0
	}
	c.progress(n)
	if n < len(waiting)+len(b) {
		c.flags |= flagBlocked
	}
	if n < len(waiting) {
		c.sent += n
		return b
	}
	c.dropOutput()
	return b[n-len(waiting):]
}

// flushSoon is the flush at the end of a call. Drained waits for the next Round, so that a fast reader and an eager
// producer can't keep the loop to themselves.
func (c *conn) flushSoon() {
	if c.phase == phaseEnded || c.phase == phaseConnecting || c.flags&flagBlocked != 0 {
		return
	}
	c.flush()
	if c.flags&flagHigh != 0 && c.phase == phaseOpen && c.Buffered() <= LowWater {
		c.r.enlist(c)
	}
}

// flush sends what waits. A short write means that the socket is full: the event that room has come makes the next try.
func (c *conn) flush() {
	if waiting := c.out[c.sent:]; len(waiting) > 0 {
		n, errno := c.r.sys.Write(int(c.fd), waiting, nil)
		if errno != 0 && errno != errAgain {
			c.writeFailed(errno)
			return
		}
		if errno == errAgain {
			n = 0
		}
		c.progress(n)
		c.sent += n
		if n < len(waiting) {
			c.compact()
			if c.phase == phaseFlushing && c.deadline == nil {
				c.armDeadline(stallTimeout)
			}
			c.flags |= flagBlocked
			return
		}
	}
	c.dropOutput()
	c.flags &^= flagBlocked
	c.flushed()
}

// compact moves what is left of a large, mostly sent buffer to a smaller one.
func (c *conn) compact() {
	left := c.out[c.sent:]
	if cap(c.out) > 4096 && len(left) <= cap(c.out)/4 {
		small := append(c.r.bufs.Get(len(left)), left...)
		c.r.bufs.Put(c.out)
		c.out, c.sent = small, 0
	}
}

// flushed is what follows the last byte: a FIN, or the end.
func (c *conn) flushed() {
	if c.flags&(flagFIN|flagFINSent) == flagFIN {
		c.flags |= flagFINSent
		c.r.sys.ShutdownWrite(int(c.fd)) // an error shows when reading
	}
	if c.phase == phaseFlushing {
		c.flushedClosing()
	}
}

// writeFailed is called when the peer takes no more. What it sent before it went (an early answer to an upload) is
// still read; with an ended reading direction there is nothing to wait for.
func (c *conn) writeFailed(errno syscall.Errno) {
	c.dropOutput()
	c.flags &^= flagBlocked | flagHigh
	if c.phase != phaseOpen || c.flags&flagEOF != 0 {
		c.end(errno)
		return
	}
	c.broken = errno
	c.r.enlist(c)
}

// readLast reads once from a connection that can't be written, and ends it when nothing more comes. While it is paused
// the bytes stay in the kernel, which reports nothing any more: Resume brings it back here.
func (c *conn) readLast() {
	switch {
	case c.flags&flagEOF != 0:
		c.end(c.broken)
	case !c.reading():
	case !c.read() && c.phase == phaseOpen:
		c.end(c.broken)
	case c.phase == phaseOpen:
		c.r.enlist(c)
	}
}

// CloseWrite implements Conn.
func (c *conn) CloseWrite() {
	if c.phase > phaseOpen || c.flags&flagFIN != 0 {
		return
	}
	c.flags |= flagFIN
	if c.phase == phaseOpen && c.flags&flagBlocked == 0 {
		c.markDirty()
	}
}
