package upstream

import (
	"errors"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// defaultIdle is how long a connection may lie in a pool: less than the 5 s after which common servers close theirs.
const defaultIdle = 4 * time.Second

// connState is the life of a pooled connection.
//
//	dialling ──Opened──> leased or idle
//	idle <──> leased                       (lend, release)
//	leased ──release inside Decode──> releasing ──> idle or closing
//	any ──close, error──> closing ──Closed──> (gone)
type connState uint8

const (
	connDialling connState = iota
	connIdle
	connLeased
	connReleasing
	connClosing
)

// A conn is one upstream connection that carries one exchange at a time. It is the handler of its socket, the sink of
// its codec, and the carrier of its only lease.
type conn struct {
	link
	lease    Lease // its exchange is nil unless the connection is leased
	idleFor  time.Duration
	idleEnd  time.Duration // when an idle connection has been idle for long enough
	state    connState
	turns    uint8 // requests of this loop served in a row while another loop waits
	decoding bool  // inside Decode, where a release must wait for what Decode says of the bytes that follow
}

func newConn(h *host, ln *lane, env *protocols.Env) *conn {
	c := &conn{link: newLink(h, ln, env), idleFor: h.local.set.config.IdleTimeout}
	c.lease.on, c.lease.carrier = &c.link, c
	c.timer.Init(c)
	if c.idleFor == 0 {
		c.idleFor = defaultIdle
	}
	return c
}

// single reports that the connection can't carry another exchange.
func (c *conn) single() bool {
	s := c.codec.Status()
	return s.Phase != protocols.PhaseOpen || s.Room == 0 || c.ageEnd != never && c.now() >= c.ageEnd
}

// lend gives the connection to x.
func (c *conn) lend(x Exchange) *Lease {
	c.state = connLeased
	c.lease.exchange = x
	c.lease.stream = 0
	c.lease.answered = false
	return &c.lease
}

// encode implements carrier.
func (c *conn) encode(ev *protocols.Event) (int, error) { return c.codec.Encode(c.now(), ev, c.c) }

// resume implements carrier.
func (c *conn) resume(*Lease, int) { c.c.Resume() }

func (c *conn) becomeIdle() {
	c.state = connIdle
	c.lease.reused = true // from here on, the other side may close it at any time
	c.host.idle = append(c.host.idle, c)
	idle := c.idleFor
	if k, ok := c.codec.(interface{ KeepAliveTimeout() time.Duration }); ok {
		// The server says after how long it closes: stay a second below, so that no request meets its FIN.
		if t := k.KeepAliveTimeout(); t > 0 && (idle < 0 || t-time.Second < idle) {
			idle = max(t-time.Second, 0)
		}
	}
	c.idleEnd = c.ageEnd
	if idle >= 0 {
		c.idleEnd = min(c.now()+idle, c.ageEnd)
	}
	if c.idleEnd != never {
		// The timer stays armed while the connection is used: moving it costs a store.
		c.host.local.loop.Arm(&c.timer, c.idleEnd)
	}
}

// release implements carrier.
func (c *conn) release(l *Lease) {
	l.end()
	if c.decoding {
		c.state = connReleasing
		return
	}
	c.settle(true)
}

// settle puts a released connection where it belongs; clean says that nothing follows the answer.
func (c *conn) settle(clean bool) {
	h := c.host
	c.lease.reused = true
	if clean && c.state != connClosing && !c.single() && c.c.Buffered() == 0 {
		h.offer(c)
		return
	}
	c.closeAs(loop.CloseFlushed, nil)
	h.dialMore()
}

// abort implements carrier.
func (c *conn) abort(l *Lease, _ protocols.Reason) {
	l.end()
	if c.codec.Status().Phase == protocols.PhaseTunnel {
		c.closeAs(loop.CloseReset, nil) // a FIN would say that what came is all there is
		return
	}
	c.close(nil)
}

// close ends the connection; Closed follows from the loop.
func (c *conn) close(err error) { c.closeAs(loop.CloseNow, err) }

// part ends a connection that nobody uses. RFC 8446 section 6.1: "Each party MUST send a "close_notify" alert before closing
// its write side of the connection".
func (c *conn) part() { c.closeAs(loop.CloseFlushed, nil) }

func (c *conn) closeAs(how loop.CloseMode, err error) {
	if c.state == connClosing {
		return
	}
	if c.state == connIdle {
		c.host.removeIdle(c)
	}
	c.state = connClosing
	c.host.local.loop.Disarm(&c.timer)
	c.c.Close(how, err)
}

// lost tells the exchange, if there is one, that its connection has ended.
func (c *conn) lost(r protocols.Reason) {
	if c.lease.exchange != nil {
		c.lease.lose(r, false)
	}
}

// Opened implements loop.Handler.
func (c *conn) Opened(lc loop.Conn) {
	c.lane.dialling--
	c.opened(lc)
	c.state = connIdle
	c.host.offer(c)
}

// Received implements loop.Handler.
func (c *conn) Received(lc loop.Conn, b []byte) int {
	if c.state != connLeased {
		// RFC 9112 section 9.2: "a client that receives data on a connection without an outstanding request ...
		// SHOULD close": nobody asked for it, and it must not become somebody's answer.
		c.close(errUnasked)
		return len(b)
	}
	c.lease.answered = true
	c.decoding = true
	n, err := c.codec.Decode(c.now(), b, c, lc)
	c.decoding = false
	switch {
	case err != nil:
		c.fail(err)
		return len(b)
	case c.state == connReleasing:
		c.settle(n == len(b))
		return len(b)
	case c.state == connClosing:
		return len(b)
	}
	return n
}

// Event implements protocols.Sink.
func (c *conn) Event(ev *protocols.Event) protocols.Verdict {
	if c.lease.exchange == nil {
		return protocols.Pause
	}
	return c.lease.exchange.Event(ev)
}

// fail ends the connection after the codec refused what came.
func (c *conn) fail(err error) {
	if c.state == connReleasing {
		c.settle(false)
		return
	}
	c.close(err)
	c.lost(refusal(err))
}

// ReadClosed implements loop.Handler.
func (c *conn) ReadClosed(lc loop.Conn, rest []byte) {
	c.remote = true
	if c.state != connLeased {
		c.part()
		return
	}
	c.decoding = true
	err := c.decodeEnd(lc, rest)
	c.decoding = false
	switch {
	case c.state == connReleasing:
		c.settle(false)
	case c.state == connClosing:
	case err != nil:
		c.close(err)
		c.lost(endReason(err))
	case c.lease.exchange != nil && !c.ending():
		// A clean end between messages, but the answer has not come.
		c.close(nil)
		c.lost(protocols.ReasonNone)
	}
}

// ending reports that a FIN of the other side is as it should be: what passes the connection ends direction by direction.
func (c *conn) ending() bool {
	phase := c.codec.Status().Phase
	return phase == protocols.PhaseTunnel || phase == protocols.PhaseClosing
}

// Drained implements loop.Handler.
func (c *conn) Drained(loop.Conn) {
	if c.lease.exchange != nil {
		c.lease.exchange.Drained()
	}
}

// Closed implements loop.Handler.
func (c *conn) Closed(_ loop.Conn, err error) {
	h := c.host
	woken := c.closed()
	busy := c.lease.exchange != nil
	switch was := c.state; was {
	case connDialling:
		c.state = connClosing
		c.lane.dialling--
		c.dialFailed(err)
	case connIdle:
		h.removeIdle(c)
		fallthrough
	default:
		c.state = connClosing
		c.cause = err
		h.hooks().ConnClosed(h.local.loop, h.endpoint, was != connClosing || c.remote, busy)
		c.lost(protocols.ReasonNone)
	}
	if !woken {
		h.dialMore()
	}
	c.discard()
}

// Expired implements loop.Expirer: the connection was idle for long enough.
func (c *conn) Expired(_ *loop.Timer, now time.Duration) {
	if c.state == connIdle && now >= c.idleEnd {
		c.part()
	}
}

var errUnasked = errors.New("the upstream sent bytes that no request asked for")
