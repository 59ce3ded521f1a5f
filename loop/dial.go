package loop

import (
	"fmt"
	"time"
)

const defaultConnectTimeout = 10 * time.Second

// Dial implements Loop.
func (r *Reactor) Dial(o DialOptions, h Handler) (Conn, error) {
	if r.stopping {
		return nil, ErrLoopStopped
	}
	if o.Addr.Path == "" && (!o.Addr.AddrPort.IsValid() || o.Addr.AddrPort.Port() == 0) {
		return nil, fmt.Errorf("dial %q: not an address with a port", o.Addr.String())
	}
	fd, done, err := r.sys.Connect(&o)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", o.Addr.String(), err)
	}
	if err = r.sys.Watch(fd); err != nil {
		r.sys.Close(fd, false)
		return nil, fmt.Errorf("dial %s: %w", o.Addr.String(), err)
	}
	c := r.newConn(fd, o.Addr)
	c.h = h
	c.flags |= flagWatched
	r.counters.dialled.Add(1)
	if done {
		c.flags |= flagConnected
		r.enlist(c)
		return c, nil
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultConnectTimeout
	}
	c.armDeadline(o.Timeout)
	return c, nil
}

// connected is called when a connect has ended, well or not.
func (c *conn) connected() {
	if errno := c.r.sys.Error(int(c.fd)); errno != 0 {
		c.end(errno)
		return
	}
	c.established()
}

func (c *conn) established() {
	c.phase = phaseOpen
	c.dropDeadline()
	c.h.Opened(c)
	if c.phase == phaseOpen && (c.Buffered() > 0 || c.flags&flagFIN != 0) {
		c.markDirty()
	}
}
