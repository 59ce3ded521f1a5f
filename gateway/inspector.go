package gateway

import (
	"time"

	"sluice/gateway/config"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/loop/secure"
)

// maxServerName is the longest name that a client may ask for, which is longer than any that exists (RFC 1035, 2.3.4).
const maxServerName = 255

// localChains are the filter chains of a listener on one loop, if it takes a look at a connection to choose one.
type localChains struct {
	table *chainTable
	all   []*localListener // by index; the last is the listener's own
}

// An inspector is a connection whose first bytes tell which filter chain serves it. It reads them, and takes none: what
// serves the connection gets them all. Nothing is sent meanwhile.
//
//	waiting ──(enough)──> the handler of a chain
//	   └──(end, too much, too late, no chain)──> closed
type inspector struct {
	l      *localListener // the listener's own chain
	conn   loop.Conn
	timer  loop.Timer
	guest  loop.Guest
	unread int // bytes that have come
	need   int // fewer tell nothing new
}

func newInspector(l *localListener, c loop.Conn) *inspector {
	i := &inspector{l: l, conn: c}
	i.timer.Init(i)
	l.w.loop.Arm(&i.timer, l.w.loop.Now()+detectTimeout)
	return i
}

// Opened implements loop.Handler; an accepted connection is open already.
func (i *inspector) Opened(loop.Conn) {}

// Received implements loop.Handler.
func (i *inspector) Received(_ loop.Conn, b []byte) int {
	i.unread = len(b)
	table := i.l.chains.table
	switch {
	case len(b) < i.need:
		return i.wait()
	case !secure.LooksLikeTLS(b):
		return i.plain(b)
	case !table.hello:
		return i.encrypted(b, &secure.Hello{})
	}
	// No more is looked at than a ClientHello may have, so that it does not matter how much comes at once.
	hello, more, ok := secure.PeekHello(b[:min(len(b), secure.DefaultMaxHello)])
	switch {
	case ok && len(hello.ServerName) > maxServerName, more > secure.DefaultMaxHello:
		return i.refuse(metrics.InspectionTooLarge)
	case ok:
		return i.encrypted(b, &hello)
	case more > 0:
		i.need = more
		return i.wait()
	default:
		return i.plain(b) // a record that happens to begin like TLS
	}
}

// wait leaves what has come with the loop, as far as there is room.
func (i *inspector) wait() int {
	i.l.w.lobby.Hold(&i.guest, i, loop.KeptSize(i.unread))
	return 0
}

// encrypted goes on with a connection that begins with TLS.
func (i *inspector) encrypted(b []byte, hello *secure.Hello) int {
	chains := i.l.chains
	index := chains.table.choose(config.TLSTransport, hello.ServerName, hello.Protocols)
	if index == noChain {
		return i.refuse(metrics.InspectionNoChain)
	}
	outcome := metrics.InspectionMatched
	if index == len(chains.all)-1 {
		outcome = metrics.InspectionDefault
	}
	l := chains.all[index]
	return i.hand(b, outcome, l, l.tls.on(), hello.ServerName)
}

// plain goes on with a connection that does not begin with TLS. A chain with TLS refuses it, unless it is told to take both.
func (i *inspector) plain(b []byte) int {
	chains := i.l.chains
	index := chains.table.choose(config.PlainTransport, "", nil)
	if index == noChain {
		return i.refuse(metrics.InspectionNoChain)
	}
	l := chains.all[index]
	return i.hand(b, metrics.InspectionPlain, l, l.tls.on() && !l.tls.inspector, "")
}

// hand gives the connection, on which b has come, to a chain.
func (i *inspector) hand(b []byte, outcome metrics.Inspection, l *localListener, terminate bool, name string) int {
	w := i.l.w
	i.stop()
	if w.draining != drainOff { // it has come too late, like those that are not accepted any more
		i.conn.Close(loop.CloseFlushed, nil)
		return len(b)
	}
	w.shard.Inc(i.l.counters.Inspected[outcome])
	var h loop.Handler
	switch {
	case !l.serves():
		w.shard.Inc(l.counters.Unserved)
		i.conn.Close(loop.CloseFlushed, nil)
		return len(b)
	case terminate:
		h = l.tls.engine.Server(i.conn, l.tls.server.cfg, l.tls)
	default:
		h = l.open(i.conn, name)
	}
	i.conn.SetHandler(h)
	if len(b) == 0 {
		i.conn.Resume()
		return 0
	}
	return h.Received(i.conn, b)
}

// refuse closes the connection.
func (i *inspector) refuse(outcome metrics.Inspection) int {
	i.stop()
	i.l.w.shard.Inc(i.l.counters.Inspected[outcome])
	i.conn.Close(loop.CloseFlushed, nil)
	return i.unread
}

// ReadClosed implements loop.Handler. What had come was not enough, and no more comes.
func (i *inspector) ReadClosed(loop.Conn, []byte) {
	if i.unread > 0 {
		i.refuse(metrics.InspectionIncomplete)
		return
	}
	i.conn.Close(loop.CloseFlushed, nil)
}

// Drained implements loop.Handler.
func (i *inspector) Drained(loop.Conn) {}

// Closed implements loop.Handler.
func (i *inspector) Closed(loop.Conn, error) { i.stop() }

func (i *inspector) stop() {
	i.l.w.loop.Disarm(&i.timer)
	i.l.w.lobby.Leave(&i.guest)
}

// Expired implements loop.Expirer. In what a tcp_proxy carries the server may be the one that speaks first.
func (i *inspector) Expired(*loop.Timer, time.Duration) {
	chains := i.l.chains
	if index := chains.table.choose(config.PlainTransport, "", nil); i.unread == 0 && index != noChain {
		if l := chains.all[index]; l.tcp != nil && (!l.tls.on() || l.tls.inspector) {
			i.plain(nil)
			return
		}
	}
	i.refuse(metrics.InspectionTimeout)
}
