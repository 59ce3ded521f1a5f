package gateway

import (
	"sluice/loop"
	"sluice/loop/secure"
)

// localTLS is a listener's TLS on one loop.
type localTLS struct {
	l         *localListener
	engine    *secure.Engine
	server    *tlsServer
	inspector bool // connections that do not begin with TLS are plaintext
}

// on reports whether there is TLS, and a certificate for it: see TLSContext.FallBack.
func (t *localTLS) on() bool { return t != nil && t.server.store.Ready() }

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
	state := c.State()
	s.serverName = state.ServerName
	s.client = l.clientOf(c.Choice(), &state)
	if p := speaking(l.protocols, state.NegotiatedProtocol); p != nil {
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
