package secure_test

import (
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/loop/secure"
)

// TestEndsAtEveryStage ends connections after each batch of events of a handshake, in several ways: no coroutine is left
// behind, and the counters balance.
func TestEndsAtEveryStage(t *testing.T) {
	for name, end := range map[string]func(l *looptest.Loop, p *looptest.Peer, c loop.Conn){
		"the loop stops": func(l *looptest.Loop, _ *looptest.Peer, _ loop.Conn) { l.Stop() },
		"RST":            func(l *looptest.Loop, p *looptest.Peer, _ loop.Conn) { p.Reset(); l.Run() },
		"FIN":            func(l *looptest.Loop, p *looptest.Peer, _ loop.Conn) { p.Close(); l.Run() },
		"our Close": func(l *looptest.Loop, _ *looptest.Peer, c loop.Conn) {
			l.Do(func() {
				if c != nil {
					c.Close(loop.CloseNow, nil)
				}
			})
		},
	} {
		for stage := range 30 {
			r := newRig(t, 0)
			steps := &secure.Counting{}
			r.engine = secure.NewEngine(r.l.Loop, secure.EngineOptions{Executor: steps})
			var raw loop.Conn
			p := r.l.Connect(acceptor(func(c loop.Conn) loop.Handler {
				raw = c
				return r.engine.Server(c, r.cfg, &endpoint{})
			}))
			tlsClient(t, p, r.client)
			for range stage {
				r.l.Step()
			}
			end(r.l, p, raw)
			if c := r.engine.Counters(); steps.Active != 0 || c.Waiting != 0 {
				t.Errorf("%s at stage %d: %d coroutines are left, %d connections wait", name, stage, steps.Active, c.Waiting)
			}
			if n := r.l.Counters().Panics; n != 0 {
				t.Errorf("%s at stage %d: %d panics", name, stage, n)
			}
		}
	}
}
