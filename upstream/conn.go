package upstream

import (
	"errors"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// defaultIdle is how long a connection may lie in a pool: less than the 5 s after which common servers close theirs.
const defaultIdle = 4 * time.Second

// never is a time beyond the life of a process.
const never = time.Duration(1<<63 - 1)

// connState is the life of a pooled connection.
//
//	dialling ──Opened──> leased or idle
//	idle <──> leased                       (lend, release)
//	leased ──release inside Decode──> releasing ──> idle or closing
//	any ──close, error──> closing ──Closed──> (gone)
//	failing: Dial refused at once; Closed follows by Post
type connState uint8

const (
	connDialling connState = iota
	connFailing
	connIdle
	connLeased
	connReleasing
	connClosing
)

// A conn is one upstream connection that carries one exchange at a time. It is the handler of its socket, the sink of
// its codec, and the lease of its exchange.
type conn struct {
	lease    Lease
	host     *host
	protocol *protocols.Protocol
	codec    protocols.Codec
	c        loop.Conn
	exchange Exchange // whose answer is awaited; nil unless leased
	timer    loop.Timer
	idleFor  time.Duration
	idleEnd  time.Duration // when an idle connection has been idle for long enough
	state    connState
	turns    uint8 // requests of this loop served in a row while another loop waits
	decoding bool  // inside Decode, where a release must wait for what Decode says of the bytes that follow
	reused   bool
	answered bool // bytes arrived for this exchange
	remote   bool // the other side closed its sending direction
}

func newConn(h *host, p *protocols.Protocol, env *protocols.Env) *conn {
	c := &conn{host: h, protocol: p, codec: p.Client(env), idleFor: h.local.set.config.IdleTimeout}
	c.lease.c = c
	c.timer.Init(c)
	if c.idleFor == 0 {
		c.idleFor = defaultIdle
	}
	return c
}

// single reports that the connection can't carry another exchange.
func (c *conn) single() bool {
	s := c.codec.Status()
	return s.Phase != protocols.PhaseOpen || s.Room == 0
}

// lend gives the connection to x.
func (c *conn) lend(x Exchange) *Lease {
	c.state = connLeased
	c.exchange = x
	c.answered = false
	return &c.lease
}

func (c *conn) becomeIdle() {
	c.state = connIdle
	c.host.idle = append(c.host.idle, c)
	idle := c.idleFor
	if k, ok := c.codec.(interface{ KeepAliveTimeout() time.Duration }); ok {
		// The server says after how long it closes: stay a second below, so that no request meets its FIN.
		if t := k.KeepAliveTimeout(); t > 0 && (idle < 0 || t-time.Second < idle) {
			idle = max(t-time.Second, 0)
		}
	}
	if idle >= 0 {
		// The timer stays armed while the connection is used: moving it costs a store.
		l := c.host.local.loop
		c.idleEnd = l.Now() + idle
		l.Arm(&c.timer, c.idleEnd)
	} else {
		c.idleEnd = never
	}
}

// release ends the exchange, whose both directions are complete.
func (c *conn) release() {
	c.exchange = nil
	if c.decoding {
		c.state = connReleasing
		return
	}
	c.settle(true)
}

// settle puts a released connection where it belongs; clean says that nothing follows the answer.
func (c *conn) settle(clean bool) {
	h := c.host
	h.drop()
	c.reused = true
	if clean && c.state != connClosing && !c.single() && c.c.Buffered() == 0 {
		h.offer(c)
		return
	}
	c.closeAs(loop.CloseFlushed, nil)
	h.dialMore()
}

// abort ends the exchange before its time.
func (c *conn) abort(protocols.Reason) {
	if c.exchange == nil {
		return
	}
	c.exchange = nil
	c.host.drop()
	c.close(nil)
}

// close ends the connection; Closed follows from the loop.
func (c *conn) close(err error) { c.closeAs(loop.CloseNow, err) }

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

// lost tells the exchange that its connection has ended.
func (c *conn) lost(r protocols.Reason) {
	x := c.exchange
	if x == nil {
		return
	}
	c.exchange = nil
	c.host.drop()
	x.Lost(Loss{Reason: r, Reused: c.reused, Answered: c.answered})
}

// Opened implements loop.Handler.
func (c *conn) Opened(lc loop.Conn) {
	c.c = lc
	c.host.lane(c.protocol).dialling--
	c.host.hooks().ConnOpened(c.host.local.loop, c.host.endpoint)
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
	c.answered = true
	c.decoding = true
	n, err := c.codec.Decode(c.host.local.loop.Now(), b, c, lc)
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
	if c.exchange == nil {
		return protocols.Pause
	}
	return c.exchange.Event(ev)
}

// fail ends the connection after the codec refused what came.
func (c *conn) fail(err error) {
	reason := protocols.ReasonUpstreamProtocol
	var pe *protocols.Error
	if errors.As(err, &pe) {
		reason = pe.Reason
	}
	if c.state == connReleasing {
		c.settle(false)
		return
	}
	c.close(err)
	c.lost(reason)
}

// ReadClosed implements loop.Handler.
func (c *conn) ReadClosed(lc loop.Conn, rest []byte) {
	c.remote = true
	if c.state != connLeased {
		c.close(nil)
		return
	}
	c.decoding = true
	err := c.codec.DecodeEOF(c.host.local.loop.Now(), rest, c, lc)
	c.decoding = false
	switch {
	case c.state == connReleasing:
		c.settle(false)
	case c.state == connClosing:
	case err != nil:
		c.close(err)
		c.lost(c.cutReason())
	case c.exchange != nil && !c.lease.Tunnel() && c.codec.Status().Phase != protocols.PhaseClosing:
		// A clean end between messages, but the answer has not come.
		c.close(nil)
		c.lost(c.cutReason())
	}
}

func (c *conn) cutReason() protocols.Reason {
	if c.answered {
		return protocols.ReasonUpstreamCut
	}
	return protocols.ReasonUpstreamReset
}

// Drained implements loop.Handler.
func (c *conn) Drained(loop.Conn) {
	if c.exchange != nil {
		c.exchange.Drained()
	}
}

// Closed implements loop.Handler.
func (c *conn) Closed(lc loop.Conn, err error) {
	h := c.host
	woken := h.freed()
	h.local.loop.Disarm(&c.timer)
	busy := c.exchange != nil
	switch was := c.state; was {
	case connDialling, connFailing:
		c.state = connClosing
		c.dialFailed(err)
	case connIdle:
		h.removeIdle(c)
		fallthrough
	default:
		c.state = connClosing
		h.hooks().ConnClosed(h.local.loop, h.endpoint, was != connClosing || c.remote, busy)
		c.lost(c.cutReason())
	}
	if !woken {
		h.dialMore()
	}
}

// dialFailed tells the request that waits longest.
func (c *conn) dialFailed(err error) {
	h := c.host
	h.lane(c.protocol).dialling--
	h.hooks().ConnFailed(h.local.loop, h.endpoint, err)
	reason := protocols.ReasonConnectFailed
	if errors.Is(err, loop.ErrConnectTimeout) {
		reason = protocols.ReasonConnectTimeout
	}
	if w := h.next(c.protocol); w != nil {
		h.fail(w, reason)
	}
}

// Expired implements loop.Expirer: the connection was idle for long enough.
func (c *conn) Expired(_ *loop.Timer, now time.Duration) {
	if c.state == connIdle && now >= c.idleEnd {
		c.close(nil)
	}
}

var errUnasked = errors.New("the upstream sent bytes that no request asked for")
