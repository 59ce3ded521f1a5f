package secure_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// TestContract runs the loop's own contract over TLS: a Conn is a loop.Conn.
func TestContract(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			looptest.Contract(t, func(t *testing.T) looptest.World { return newWorld(t, version) })
		})
	}
}

func TestContractUnderFaults(t *testing.T) {
	looptest.Contract(t, func(t *testing.T) looptest.World {
		w := newWorld(t, tls.VersionTLS13)
		w.l.Inject(1, looptest.Faults{ShortRead: 0.3, ShortWrite: 0.3, Again: 0.2})
		return splitting{w}
	})
}

// splitting is a world that cuts what is sent into pieces.
type splitting struct{ *world }

func (splitting) Splits() {}

// world is a simulated looptest.World with TLS on every connection.
type world struct {
	t              *testing.T
	l              *looptest.Loop
	engine         *secure.Engine
	server, client *tls.Config
	port           uint16
}

func newWorld(t *testing.T, version uint16) *world {
	for part, why := range map[string]string{
		"LimitReads":                   "a record is not divisible",
		"opens_and_carries_bytes_both": "compares the loop, which is wrapped here",
	} {
		if strings.Contains(t.Name(), part) {
			t.Skip(why)
		}
	}
	l := looptest.New(t)
	w := &world{t: t, l: l, engine: secure.NewEngine(l.Loop, secure.EngineOptions{Executor: secure.Inline{}})}
	w.server, w.client = newAuthority(t).pair(t, version)
	return w
}

// secureLoop is a loop that dials with TLS.
type secureLoop struct {
	loop.Loop
	w *world
}

func (s secureLoop) Dial(o loop.DialOptions, h loop.Handler) (loop.Conn, error) {
	return s.w.engine.Dial(o, &secure.Config{TLS: s.w.client}, h)
}

func (w *world) Loop() loop.Loop { return secureLoop{w.l.Loop, w} }

func (w *world) Do(f func()) { w.l.Do(f) }

func (w *world) Until(what string, cond func() bool) {
	w.t.Helper()
	for range 1000 {
		w.l.Run()
		if cond() {
			return
		}
		w.l.Advance(10 * time.Millisecond)
	}
	w.t.Fatalf("never: %s", what)
}

func (w *world) Pass(d time.Duration) { w.l.Advance(d) }

func (w *world) Connect(a loop.Acceptor) looptest.Remote {
	p := w.l.Connect(acceptor(func(c loop.Conn) loop.Handler {
		return w.engine.Server(c, &secure.Config{TLS: w.server}, a)
	}))
	return remote{p, tlsClient(w.t, p, w.client)}
}

func (w *world) Serve() (loop.Addr, func() looptest.Remote) {
	place := w.place()
	var peers []remote
	w.l.Listen(place, func(p *looptest.Peer) { peers = append(peers, remote{p, tlsServer(w.t, p, w.server)}) })
	return place, func() looptest.Remote {
		w.t.Helper()
		w.Until("a connection arrives", func() bool { return len(peers) > 0 })
		p := peers[0]
		peers = peers[1:]
		return p
	}
}

func (w *world) place() loop.Addr {
	w.port++
	return looptest.Addr("192.0.2.9", w.port)
}

func (w *world) Refusing() loop.Addr {
	place := w.place()
	w.l.Refuse(place)
	return place
}

func (w *world) Hanging() loop.Addr {
	place := w.place()
	w.l.Hang(place)
	return place
}

func (w *world) Limit(n int) {
	w.l.Reads(n)
	w.l.Writes(n)
}

// remote is a peer with TLS.
type remote struct {
	p *looptest.Peer
	s *script
}

func (r remote) Send(b []byte) {
	b = append([]byte(nil), b...)
	r.s.then(func() { _, _ = r.s.tls.Write(b) })
}

func (r remote) CloseWrite() {
	r.s.then(func() { _ = r.s.tls.CloseWrite(); r.p.CloseWrite() })
}

func (r remote) Close() {
	r.s.then(func() { _ = r.s.tls.CloseWrite(); r.p.Close() })
}

func (r remote) Reset()      { r.s.then(r.p.Reset) }
func (r remote) Stall()      { r.p.Window(100_000) }
func (r remote) Unstall()    { r.p.Window(-1) }
func (r remote) Got() []byte { return r.s.got }
func (r remote) Ended() bool {
	return r.p.EOF() && r.s.err != nil || r.p.WasReset()
}
func (r remote) Broken() bool { return r.p.WasReset() }
