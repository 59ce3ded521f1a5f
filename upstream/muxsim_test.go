package upstream

import (
	"math/rand/v2"
	"testing"
	"time"

	"sluice/loop/looptest"
	"sluice/protocols"
	"sluice/protocols/http1"
)

// TestNothingIsLeftBehind lets random requests, servers and changes of the cluster meet. Every request comes to one end,
// no peer gets more streams than it allows for long, and everything that is counted comes back to zero.
func TestNothingIsLeftBehind(t *testing.T) {
	for seed := range uint64(300) {
		if simulate(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A simulation is one seed's rig.
type simulation struct {
	*rig
	rng   *rand.Rand
	loops []*looptest.Loop
	calls []*call
}

func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	cfg := rigConfig()
	cfg.Limits.Connections = rng.IntN(4)
	cfg.Limits.Requests = rng.IntN(2) * 20
	cfg.Multiplex.MaxStreams = rng.IntN(3) * 2
	cfg.MaxConnectionAge = time.Duration(rng.IntN(2)*20) * time.Second
	loops := []*looptest.Loop{looptest.New(t), looptest.New(t, looptest.WithIndex(1))}[:1+rng.IntN(2)]
	if len(loops) == 1 && rng.IntN(2) == 0 {
		loops[0].Inject(seed, looptest.Faults{ShortRead: 0.5, ShortWrite: 0.5, Again: 0.1, Reset: 0.01})
	}
	s := &simulation{rig: newRig(t, cfg, loops...), rng: rng, loops: loops}
	s.wire.room = 1 + rng.IntN(5)
	s.wire.window = 1 + rng.IntN(10)
	s.wire.yield = rng.IntN(3)
	s.wire.silence = time.Duration(rng.IntN(2)*7) * time.Second
	for range 150 {
		s.step(cfg)
		if rng.IntN(3) > 0 {
			s.run()
			s.check()
		}
	}
	s.finish()
}

func (s *simulation) run() {
	for busy := true; busy; {
		busy = false
		for _, l := range s.loops { // one may post to the other
			busy = l.Step() || busy
		}
	}
}

// check fails the test if a request waits for what is there, or for nothing at all.
func (s *simulation) check() {
	for _, l := range s.loops {
		for _, h := range s.local(l).hosts {
			limit := h.local.set.config.Limits.Connections
			atLimit := limit > 0 && h.endpoint.Connections() >= limit
			for _, ln := range h.lanes {
				if ln.waiting > 0 && ln.roomy() != nil {
					s.t.Errorf("%d requests wait though there is room", ln.waiting)
				}
				if ln.hungry() && !atLimit {
					s.t.Errorf("%d requests wait, %d connections are being made", ln.waiting, ln.dialling)
				}
				if ln.dialling < 0 || ln.waiting < 0 || ln.inside != nil || ln.serving {
					s.t.Errorf("%+v", ln)
				}
			}
		}
	}
}

func (s *simulation) step(cfg ClusterConfig) {
	switch s.rng.IntN(16) {
	case 0, 1, 2, 3:
		s.request()
	case 4, 5, 6, 7, 8, 9:
		if len(s.servers) > 0 {
			s.act(s.servers[s.rng.IntN(len(s.servers))])
		}
	case 10:
		if c := s.any(); c != nil && c.wait != nil {
			c.l.Do(func() {
				if c.wait != nil {
					c.wait.Cancel()
					c.wait, c.done = nil, true
				}
			})
		} else if c != nil && c.lease != nil {
			c.l.Do(func() {
				if c.lease != nil {
					c.abort()
				}
			})
		}
	case 11:
		if s.rng.IntN(3) == 0 {
			cfg.Hosts = []HostConfig{{Address: []string{rigAddr, "10.0.0.2:80"}[s.rng.IntN(2)]}}
			s.manager.Update([]ClusterConfig{cfg})
		}
	case 12:
		place := looptest.Addr("10.0.0.1", 80)
		for _, l := range s.loops {
			switch s.rng.IntN(6) {
			case 0:
				l.Refuse(place)
			case 1:
				l.Hang(place)
			case 2:
				l.FailDial(place, 101, true)
			default:
				l.Listen(place, func(p *looptest.Peer) { s.servers = append(s.servers, &server{t: s.t, Peer: p, l: l}) })
			}
		}
	default:
		for _, l := range s.loops {
			l.Advance(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		}
	}
}

func (s *simulation) any() *call {
	if len(s.calls) == 0 {
		return nil
	}
	return s.calls[s.rng.IntN(len(s.calls))]
}

// request starts a call that behaves in a random way.
func (s *simulation) request() {
	c := &call{l: s.loops[s.rng.IntN(len(s.loops))]}
	if s.rng.IntN(8) == 0 {
		c.proto = http1.Protocol()
		for _, o := range s.calls {
			if !o.proto.Multiplexed {
				c.proto = o.proto // a protocol is known by its pointer
			}
		}
	}
	if s.rng.IntN(3) == 0 && (c.proto == nil) {
		c.body = "a body that does not fit a window"
	}
	s.calls = append(s.calls, c)
	meddle := func() {
		c.onEvent, c.onDrain = nil, nil
		switch o := s.any(); s.rng.IntN(4) {
		case 0:
			if c.lease != nil {
				c.abort()
			}
		case 1:
			if o.lease != nil && o.l == c.l {
				o.abort()
			}
		case 2:
			if o.wait != nil && o.l == c.l {
				o.wait.Cancel()
				o.wait, o.done = nil, true
			}
		case 3:
			n := &call{l: c.l}
			n.prepare(s.rig)
			s.calls = append(s.calls, n)
			n.acquire()
		}
	}
	switch s.rng.IntN(8) {
	case 0:
		c.onEvent = meddle
	case 1:
		c.onLost = meddle
	case 2:
		c.onDrain = meddle
	case 3:
		c.onReady = func() {
			c.onReady = nil
			c.send()
			meddle()
		}
	case 4:
		c.verdict = protocols.Pause
	}
	s.start(c)
}

// act lets a server do something.
func (s *simulation) act(p *server) {
	id := uint32(1 + 2*s.rng.IntN(12))
	switch s.rng.IntN(24) {
	case 0:
		p.Close()
	case 1:
		p.Reset()
	case 2:
		p.CloseWrite()
	case 3:
		p.Window(0)
	case 4, 5:
		p.Window(-1)
	case 6:
		p.send('?', 0, 0, nil)
	case 7:
		p.send(frameGoAway, 0, 0, number(id))
	case 8, 9:
		p.send(frameSettings, 0, 0, number(uint32(s.rng.IntN(6))))
	case 10, 11, 12:
		p.send(frameCredit, 0, id, number(uint32(1+s.rng.IntN(20))))
	case 13:
		p.send(frameReset, byte(s.rng.IntN(2)*flagUnprocessed), id, nil)
	case 14:
		p.send(framePing, flagEnd, 0, nil)
	case 15:
		p.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	case 16:
		p.send(frameHead, 0, id, nil)
	case 17:
		p.send(frameData, 0, id, []byte("data"))
	default:
		for _, c := range s.calls {
			if c.lease != nil && c.lease.Multiplexed() && c.lease.stream != 0 {
				id = uint32(c.lease.stream)
			}
		}
		p.send(frameHead, flagEnd, id, nil)
	}
}

// finish ends it all and counts.
func (s *simulation) finish() {
	s.run()
	var locals []*Local
	for _, l := range s.loops {
		locals = append(locals, s.local(l))
	}
	s.wire.silence = 0
	for range 3 {
		for _, p := range s.servers {
			p.Reset()
		}
		s.run()
		for _, c := range s.calls {
			if c.wait != nil {
				c.l.Do(func() {
					c.wait.Cancel()
					c.wait, c.done = nil, true
				})
			}
		}
		for _, l := range s.loops {
			l.Advance(3 * time.Minute)
		}
		s.run()
	}
	for i, c := range s.calls {
		if c.lease != nil || c.wait != nil {
			s.t.Errorf("call %d: %s", i, c.state())
		}
		ends := len(c.lost)
		for _, ended := range []bool{c.done, c.failed != 0, c.refused != 0} {
			if ended {
				ends++
			}
		}
		if ends > 1 {
			s.t.Errorf("call %d has ended %d times: lost %v, done %v, failed %v, refused %v", i, ends, c.lost, c.done, c.failed, c.refused)
		}
	}
	for i, l := range locals {
		if err := l.CheckIdle(); err != nil {
			s.t.Errorf("loop %d: %v", i, err)
		}
	}
	if s.wire.closed != len(s.wire.codecs) {
		s.t.Errorf("%d of %d codecs were told of their end", s.wire.closed, len(s.wire.codecs))
	}
	for _, l := range s.loops {
		if err := s.idle(l); err != nil {
			s.t.Error(err)
		}
	}
}
