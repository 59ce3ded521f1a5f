package loop

import "time"

const (
	lingerBytes  = 256 << 10
	lingerTime   = 2 * time.Second
	stallTimeout = 60 * time.Second // a close that waits for output gives up when no byte has moved for this long
)

// A deadline is the timer of a connection that is connecting or closing; others have none.
type deadline struct {
	Timer
	c     *conn
	moved bool // bytes were sent since it was armed
	drop  int  // lingering: how many more bytes are read
}

// Expired implements Expirer.
func (d *deadline) Expired(_ *Timer, now time.Duration) {
	c := d.c
	switch {
	case c.phase == phaseConnecting:
		c.end(ErrConnectTimeout)
	case c.phase == phaseFlushing && d.moved:
		d.moved = false
		c.r.Arm(&d.Timer, now+stallTimeout)
	default:
		c.end(c.err)
	}
}

// armDeadline arms c's deadline, giving it one if it has none.
func (c *conn) armDeadline(after time.Duration) {
	r := c.r
	if c.deadline == nil {
		if n := len(r.deadlines); n > 0 {
			c.deadline = r.deadlines[n-1]
			r.deadlines = r.deadlines[:n-1]
		} else {
			c.deadline = &deadline{}
			c.deadline.Init(c.deadline)
		}
		c.deadline.c = c
	}
	c.deadline.moved = false
	r.Arm(&c.deadline.Timer, r.now+after)
}

func (c *conn) dropDeadline() {
	d := c.deadline
	if d == nil {
		return
	}
	c.r.Disarm(&d.Timer)
	c.deadline, d.c = nil, nil
	if len(c.r.deadlines) < 1024 {
		c.r.deadlines = append(c.r.deadlines, d)
	}
}

// progress notes that n bytes were sent.
func (c *conn) progress(n int) {
	c.written += uint64(n)
	if n > 0 && c.deadline != nil {
		c.deadline.moved = true
	}
}

// Close implements Conn.
func (c *conn) Close(how CloseMode, err error) {
	switch {
	case c.phase == phaseEnded || c.phase > phaseOpen && how <= c.how:
		return
	case c.phase == phaseConnecting && how < CloseNow:
		how = CloseNow
	}
	c.err, c.how = err, how
	if how == CloseReset {
		c.flags |= flagReset
	}
	if how >= CloseNow || c.phase == phaseLingering {
		c.end(err)
		return
	}
	if c.phase == phaseFlushing {
		return // now it ends with the last byte
	}
	c.phase = phaseFlushing
	c.dropInput()
	if c.broken != 0 {
		c.end(err)
		return
	}
	if c.flags&flagBlocked == 0 {
		c.markDirty()
		return
	}
	c.armDeadline(stallTimeout)
}

// flushedClosing goes on when the last byte of a closing connection is sent.
func (c *conn) flushedClosing() {
	if c.how != CloseLingering || c.flags&flagEOF != 0 {
		c.end(c.err)
		return
	}
	if c.flags&flagFINSent == 0 {
		c.flags |= flagFINSent
		if c.r.sys.ShutdownWrite(int(c.fd)) != 0 {
			c.end(c.err)
			return
		}
	}
	c.phase = phaseLingering
	c.armDeadline(lingerTime)
	c.deadline.drop = lingerBytes
	if c.flags&flagUnread != 0 {
		c.r.enlist(c)
	}
}

// eventClosing is event in the phases that follow Close.
func (c *conn) eventClosing(ready Ready) {
	switch c.phase {
	case phaseFlushing:
		if ready&Failed != 0 && c.r.sys.Error(int(c.fd)) != 0 {
			c.end(c.err)
		} else if ready&Writable != 0 && c.flags&flagBlocked != 0 {
			c.flush()
		}
	case phaseLingering:
		c.linger()
	case phaseConnecting, phaseOpen, phaseEnded:
	}
}

// linger reads and drops what the peer still sends.
func (c *conn) linger() {
	if c.flags&flagUnread == 0 {
		return
	}
	n, errno := c.receive(c.r.readBuf)
	if errno == errAgain {
		return
	}
	c.deadline.drop -= n
	if errno != 0 || n == 0 || c.deadline.drop <= 0 {
		c.end(c.err)
	} else if c.flags&flagUnread != 0 {
		c.r.enlist(c)
	}
}

// end unlinks c: no event reaches it any more, and Closed follows when the running call returns. A connection that was
// closed before keeps the reason that Close was given.
func (c *conn) end(err error) {
	if c.phase == phaseEnded {
		return
	}
	if c.phase <= phaseOpen {
		c.err = err
	}
	c.phase = phaseEnded
	if c.flags&flagWatched != 0 {
		c.flags &^= flagWatched
		c.r.sys.Unwatch(int(c.fd))
	}
	c.r.conns[c.fd] = nil
	c.dropInput()
	c.dropOutput()
	c.dropDeadline()
	c.r.giveUp(int(c.fd), c.flags&flagReset != 0)
	c.r.finished = append(c.r.finished, c)
}

// tellClosed is the last thing that happens to c.
func (c *conn) tellClosed() {
	h := c.h
	c.h = nobody{}
	c.r.counters.open.Add(-1)
	if c.done != nil {
		c.done.Release()
		c.done = nil
	}
	h.Closed(c, c.err)
}
