package looptest_test

import (
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

func TestContract(t *testing.T) {
	looptest.Contract(t, func(t *testing.T) looptest.World { return newWorld(t) })
}

func TestContractUnderFaults(t *testing.T) {
	for seed := range uint64(6) {
		looptest.Contract(t, func(t *testing.T) looptest.World {
			w := newWorld(t)
			w.l.Inject(seed, looptest.Faults{ShortRead: 0.3, ShortWrite: 0.3, Again: 0.2})
			return splitting{w}
		})
	}
}

// splitting is a world that cuts what is sent into pieces.
type splitting struct{ *world }

func (splitting) Splits() {}

// world is the simulated looptest.World.
type world struct {
	t    *testing.T
	l    *looptest.Loop
	port uint16
}

func newWorld(t *testing.T) *world {
	return &world{t: t, l: looptest.New(t)}
}

func (w *world) Loop() loop.Loop { return w.l.Loop }

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

func (w *world) Connect(a loop.Acceptor) looptest.Remote { return remote{w.l.Connect(a)} }

func (w *world) Serve() (loop.Addr, func() looptest.Remote) {
	at := w.place()
	var peers []*looptest.Peer
	w.l.Listen(at, func(p *looptest.Peer) { peers = append(peers, p) })
	return at, func() looptest.Remote {
		w.t.Helper()
		w.Until("a connection arrives", func() bool { return len(peers) > 0 })
		p := peers[0]
		peers = peers[1:]
		return remote{p}
	}
}

func (w *world) place() loop.Addr {
	w.port++
	return looptest.Addr("192.0.2.9", w.port)
}

func (w *world) Refusing() loop.Addr {
	at := w.place()
	w.l.Refuse(at)
	return at
}

func (w *world) Hanging() loop.Addr {
	at := w.place()
	w.l.Hang(at)
	return at
}

func (w *world) Limit(n int) {
	w.l.Reads(n)
	w.l.Writes(n)
}

type remote struct{ p *looptest.Peer }

func (r remote) Send(b []byte) { r.p.SendBytes(b) }
func (r remote) CloseWrite()   { r.p.CloseWrite() }
func (r remote) Close()        { r.p.Close() }
func (r remote) Reset()        { r.p.Reset() }
func (r remote) Stall()        { r.p.Window(100_000) }
func (r remote) Unstall()      { r.p.Window(-1) }
func (r remote) Got() []byte   { return r.p.Bytes() }
func (r remote) Ended() bool   { return r.p.EOF() || r.p.WasReset() }
func (r remote) Broken() bool  { return r.p.WasReset() }
