package secure_test

import (
	"crypto/tls"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// rig is a server of ours on a simulated loop.
type rig struct {
	t              testing.TB
	l              *looptest.Loop
	ca             *authority
	engine         *secure.Engine
	server, client *tls.Config
	cfg            *secure.Config
	lobby          loop.Lobby
}

func newRig(t testing.TB, version uint16) *rig {
	r := &rig{t: t, l: looptest.New(t), ca: newAuthority(t)}
	r.engine = secure.NewEngine(r.l.Loop, secure.EngineOptions{Executor: secure.Inline{}, Lobby: &r.lobby})
	r.server, r.client = r.ca.pair(t, version)
	r.cfg = &secure.Config{TLS: r.server}
	return r
}

// accept is the listener's part.
func (r *rig) accept(a loop.Acceptor) loop.Acceptor {
	return acceptor(func(c loop.Conn) loop.Handler { return r.engine.Server(c, r.cfg, a) })
}

// open connects a client to h and shakes hands.
func (r *rig) open(h *endpoint) *script {
	r.t.Helper()
	s := tlsClient(r.t, r.l.Connect(r.accept(h)), r.client)
	r.l.Run()
	if !s.ready || h.conn == nil {
		r.t.Fatalf("the handshake failed: %v; counters %+v", s.err, r.engine.Counters())
	}
	return s
}

// failures are the counted reasons of failed handshakes.
func failures(e *secure.Engine) map[secure.Reason]int64 {
	all := map[secure.Reason]int64{}
	c := e.Counters()
	for _, r := range secure.Reasons() {
		if n := c.HandshakeErrors[r]; n != 0 {
			all[r] = n
		}
	}
	return all
}

// wantFailure checks that one handshake failed, for the reason.
func (r *rig) wantFailure(want secure.Reason) {
	r.t.Helper()
	if got := failures(r.engine); len(got) != 1 || got[want] != 1 {
		r.t.Errorf("failed handshakes %v, want one with %v", got, want)
	}
	if n := r.engine.Counters().Waiting; n != 0 {
		r.t.Errorf("%d connections wait for a handshake", n)
	}
}

// countRecords returns how many records b holds and the longest payload.
func countRecords(b []byte) (n, longest int) {
	for len(b) >= 5 {
		size := int(b[3])<<8 | int(b[4])
		n, longest = n+1, max(longest, size)
		b = b[5+size:]
	}
	return n, longest
}
