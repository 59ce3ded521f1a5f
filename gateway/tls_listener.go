package gateway

import (
	"time"

	"sluice/loop"
	"sluice/loop/secure"
)

// localTLS is a listener's TLS on one loop.
type localTLS struct {
	l         *localListener
	engine    *secure.Engine
	cfg       *secure.Config
	inspector bool // connections that do not begin with TLS are plaintext
}

// accept takes a connection whose first bytes have not come.
func (t *localTLS) accept(c loop.Conn) loop.Handler {
	if !t.inspector {
		return t.engine.Server(c, t.cfg, t)
	}
	i := &inspector{t: t, conn: c}
	i.timer.Init(i)
	t.l.w.loop.Arm(&i.timer, t.l.w.loop.Now()+detectTimeout)
	return i
}

// Accept implements loop.Acceptor: the handshake is done. A drain that has begun meanwhile did not see the connection: its
// client has not sent anything yet, and is sent elsewhere like those that come too late.
func (t *localTLS) Accept(c loop.Conn) loop.Handler {
	if t.l.w.draining != drainOff {
		return nil
	}
	return t.l.openTLS(c.(*secure.Conn))
}

// openTLS starts a session on a connection with TLS. What the client and we have agreed on is spoken; a client that knows no
// ALPN is met as on a connection without TLS.
func (l *localListener) openTLS(c *secure.Conn) loop.Handler {
	s := l.newSession(c)
	s.secure = true
	if p := speaking(l.protocols, c.State().NegotiatedProtocol); p != nil {
		return s.speak(p)
	}
	return s.meet()
}

// scheme is that of URLs that lead here.
func (s *session) scheme() string {
	if s.secure {
		return "https"
	}
	return "http"
}

// An inspector is a connection of a listener for TLS and plaintext on which nothing has come yet.
type inspector struct {
	t     *localTLS
	conn  loop.Conn
	timer loop.Timer
}

// Opened implements loop.Handler; an accepted connection is open already.
func (i *inspector) Opened(loop.Conn) {}

// Received implements loop.Handler: the first byte tells.
func (i *inspector) Received(c loop.Conn, b []byte) int {
	if secure.LooksLikeTLS(b) {
		i.t.l.w.loop.Disarm(&i.timer)
		h := i.t.engine.Server(c, i.t.cfg, i.t)
		c.SetHandler(h)
		return h.Received(c, b)
	}
	if h := i.plain(); h != nil {
		return h.Received(c, b)
	}
	return len(b)
}

// plain makes the connection one without TLS; nil when it is closed instead.
func (i *inspector) plain() loop.Handler {
	i.t.l.w.loop.Disarm(&i.timer)
	if i.t.l.w.draining != drainOff {
		i.conn.Close(loop.CloseFlushed, nil)
		return nil
	}
	h := i.t.l.open(i.conn)
	i.conn.SetHandler(h)
	return h
}

// ReadClosed implements loop.Handler.
func (i *inspector) ReadClosed(c loop.Conn, _ []byte) { c.Close(loop.CloseFlushed, nil) }

// Drained implements loop.Handler.
func (i *inspector) Drained(loop.Conn) {}

// Closed implements loop.Handler.
func (i *inspector) Closed(loop.Conn, error) { i.t.l.w.loop.Disarm(&i.timer) }

// Expired implements loop.Expirer. In what a tcp_proxy carries the server may be the one that speaks first.
func (i *inspector) Expired(*loop.Timer, time.Duration) {
	if i.t.l.tcp == nil {
		i.conn.Close(loop.CloseNow, nil)
		return
	}
	if i.plain() != nil {
		i.conn.Resume()
	}
}
