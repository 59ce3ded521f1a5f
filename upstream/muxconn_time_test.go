package upstream

import (
	"slices"
	"testing"
	"time"

	"sluice/loop/looptest"
	"sluice/protocols"
	"sluice/protocols/http1"
)

func TestIdleConnectionIsClosed(t *testing.T) {
	for _, c := range []struct {
		name       string
		idle, open time.Duration // of the configuration; until when it is certainly open
		after      time.Duration // until when it is certainly closed; 0: never
	}{
		{"default", 0, 59 * time.Second, 61 * time.Second},
		{"chosen", 10 * time.Second, 9 * time.Second, 11 * time.Second},
		{"never", -1, 1000 * time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := rigConfig()
			cfg.IdleTimeout = c.idle
			r := newRig(t, cfg)
			r.call()
			s := r.server(0)
			r.l.Advance(5 * time.Minute) // a busy one is not closed
			s.answer(1)
			r.l.Advance(c.open)
			again := r.call()
			r.l.Advance(time.Minute)
			s.answer(3)
			want(t, []*call{again}, "done")
			s.frames()
			r.l.Advance(c.open)
			if s.Closed() {
				t.Fatal("closed too early")
			}
			if c.after > 0 {
				r.l.Advance(c.after - c.open)
				if got := s.frames(); !s.EOF() || !slices.Equal(got, []frame{{kind: frameGoAway}}) {
					t.Errorf("the server got %v, EOF %v, want a goaway and EOF", got, s.EOF())
				}
			}
			r.checkIdle()
		})
	}
}

// TestIdleTimerIsArmedOnce: what comes and goes does not touch the timer.
func TestIdleTimerIsArmedOnce(t *testing.T) {
	r := newRig(t, rigConfig())
	r.call()
	r.server(0).answer(1)
	r.l.Calls()
	for id := uint32(3); id < 203; id += 2 {
		r.call()
		r.l.Advance(time.Millisecond)
		r.server(0).answer(id)
	}
	if n := r.l.Calls().Alarms; n > 1 {
		t.Errorf("the alarm was set %d times for 100 requests", n)
	}
}

func TestAge(t *testing.T) {
	cfg := rigConfig()
	cfg.MaxConnectionAge = time.Minute
	r := newRig(t, cfg)
	long := r.call()
	s := r.server(0)
	r.l.Advance(54*time.Second - time.Millisecond)
	r.call()
	if ids := s.streams(); len(ids) != 2 {
		t.Fatalf("%d streams before the age, want 2", len(ids))
	}
	r.l.Advance(12*time.Second + 10*time.Millisecond)
	if got := s.frames(); !slices.Equal(got, []frame{{kind: frameGoAway}}) {
		t.Errorf("the server got %v, want a goaway", got)
	}
	young := r.call()
	r.wantServers(2)
	s.answer(1, 3)
	if !s.EOF() {
		t.Error("the old connection is open after its last stream")
	}
	r.server(1).answer(1)
	want(t, []*call{long, young}, "done")
	r.l.Advance(66*time.Second + 10*time.Millisecond) // an idle one is closed too
	if !r.server(1).EOF() {
		t.Error("an old idle connection is open")
	}
	r.checkIdle()
}

func TestAgeOfExclusiveConnections(t *testing.T) {
	cfg := rigConfig()
	cfg.MaxConnectionAge, cfg.IdleTimeout = time.Minute, -1
	r := newRig(t, cfg)
	p := http1.Protocol()
	exchange := func(i int) {
		t.Helper()
		c := r.start(&call{proto: p})
		r.server(i).Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		r.l.Run()
		want(t, []*call{c}, "done")
	}
	exchange(0)
	r.l.Advance(50 * time.Second)
	exchange(0)
	late := r.start(&call{proto: p})
	r.l.Advance(20 * time.Second)
	if r.server(0).Closed() {
		t.Fatal("a connection was closed within an exchange")
	}
	r.server(0).Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	r.l.Run()
	want(t, []*call{late}, "done")
	if !r.server(0).EOF() {
		t.Error("an old connection is reused")
	}
	exchange(1)
	r.l.Advance(67 * time.Second)
	if !r.server(1).EOF() {
		t.Error("an old connection lies in the pool")
	}
	r.checkIdle()
}

// TestReusedWithoutUse: a connection that was made for a request which has gone may be stale, too.
func TestReusedWithoutUse(t *testing.T) {
	for _, p := range []*protocols.Protocol{nil, http1.Protocol()} {
		r := newRig(t, rigConfig())
		c := &call{proto: p}
		c.prepare(r)
		r.l.Do(func() {
			c.acquire()
			c.wait.Cancel()
			c.wait = nil
		})
		r.wantServers(1)
		r.l.Advance(time.Second)
		late := r.start(&call{proto: p})
		if r.wantServers(1); !late.lease.Reused() {
			t.Errorf("%s: a connection that lay idle counts as a new one", late.proto.Name)
		}
	}
}

// TestPings lets the codec's own timer run.
func TestPings(t *testing.T) {
	r := newRig(t, rigConfig())
	r.wire.silence = 10 * time.Second
	calls := r.calls(2)
	s := r.server(0)
	s.streams()
	r.l.Advance(9 * time.Second)
	s.send(frameHead, 0, 1, nil) // puts the ping off
	r.l.Advance(9 * time.Second)
	if got := s.frames(); len(got) != 0 {
		t.Fatalf("the server got %v", got)
	}
	r.l.Advance(2 * time.Second)
	if got := s.frames(); !slices.Equal(got, []frame{{kind: framePing}}) {
		t.Fatalf("the server got %v, want a ping", got)
	}
	s.send(framePing, flagEnd, 0, nil)
	r.l.Run()
	r.l.Advance(11 * time.Second)
	if got := s.frames(); len(got) != 2 { // the answer to ours, and one more
		t.Fatalf("the server got %v", got)
	}
	r.l.Advance(11 * time.Second)
	want(t, calls[:1], "lost upstream_silent unprocessed=false answered=true")
	want(t, calls[1:], "lost upstream_silent unprocessed=false answered=false")
	if !s.Closed() {
		t.Error("a silent connection is open")
	}
	r.checkIdle()
}

func TestPingSettingsOfTheCluster(t *testing.T) {
	cfg := rigConfig()
	r := newRig(t, cfg)
	r.server0Env(t, r.env)
	cfg.Multiplex.PingInterval = 7 * time.Second
	r.update(cfg)
	r.server0Env(t, nil)
	l := r.local(r.l)
	env := l.env(r.env)
	if env.Limits.PingInterval != 7*time.Second || env.Limits.PingTimeout != 20*time.Second {
		t.Errorf("pings every %v, timeout %v", env.Limits.PingInterval, env.Limits.PingTimeout)
	}
	if l.env(r.env) != env {
		t.Error("another Env for the same settings")
	}
	if got := r.wire.codecs[1].env; got != env {
		t.Error("the codec has another Env")
	}
	// The pings that a listener asks for are not its upstreams'.
	pinging := protocols.NewEnv(protocols.Limits{PingInterval: time.Second, HeadFields: 5})
	cfg.Multiplex = MultiplexConfig{}
	r.update(cfg)
	if got := l.env(pinging).Limits; got.PingInterval != 0 || got.HeadFields != 5 {
		t.Errorf("limits %+v", got)
	}
}

// server0Env makes a connection with env and, if env is not nil, expects the codec to have it.
func (r *rig) server0Env(t *testing.T, env *protocols.Env) {
	t.Helper()
	r.call()
	last := r.wire.codecs[len(r.wire.codecs)-1]
	if env != nil && last.env != env {
		t.Error("the codec has another Env than the request")
	}
	s := r.server(len(r.servers) - 1)
	s.answer(1)
	s.Close()
	r.l.Run()
}

// TestRetire takes the endpoint away while streams run, requests wait and connections lie idle or are being made.
func TestRetire(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	r.wire.room = 2
	calls := r.calls(3)
	local := r.local(r.l)
	other := cfg
	other.Hosts = []HostConfig{{Address: "10.0.0.2:80"}}
	r.l.Listen(looptest.Addr("10.0.0.2", 80), func(p *looptest.Peer) {
		r.servers = append(r.servers, &server{t: t, Peer: p, l: r.l})
	})
	r.update(other)
	want(t, calls[:2], "leased")
	want(t, calls[2:], "failed no_healthy_endpoint")
	next := r.call()
	r.wantServers(2)
	want(t, []*call{next}, "leased")
	s := r.server(0)
	s.answer(1)
	if s.Closed() {
		t.Error("closed while a stream was open")
	}
	s.answer(3)
	want(t, calls[:2], "done")
	if !s.EOF() {
		t.Error("the connection to an endpoint that is gone is open")
	}
	r.server(1).answer(1)
	r.update(cfg) // the idle one goes
	if !r.server(1).EOF() {
		t.Error("the idle connection to an endpoint that is gone is open")
	}
	// While it is being made:
	dialling := &call{}
	dialling.prepare(r)
	r.l.Post(dialling.acquire)
	r.update(other) // in the same round
	want(t, []*call{dialling}, "failed no_healthy_endpoint")
	r.l.Run()
	if !r.server(2).EOF() {
		t.Error("a connection that was made for nobody is open")
	}
	if err := local.CheckIdle(); err != nil {
		t.Error(err)
	}
}

// TestYield: a codec that stops for the sake of others goes on in the next round, also in front of a FIN.
func TestYield(t *testing.T) {
	r := newRig(t, rigConfig())
	r.wire.yield = 3
	calls := r.calls(20)
	s := r.server(0)
	ids := s.streams()
	s.answer(ids[:10]...)
	want(t, calls[:10], "done")
	for _, id := range ids[10:] {
		s.send(frameHead, flagEnd, id, nil)
	}
	s.Close()
	r.l.Run()
	want(t, calls[10:], "done")
	r.checkIdle()
}

// TestLoopsTakeTurns: two loops, one connection. Both get it in the end, however busy the other is.
func TestLoopsTakeTurns(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	loops := []*looptest.Loop{looptest.New(t), looptest.New(t, looptest.WithIndex(1))}
	r := newRig(t, cfg, loops...)
	run := func(d time.Duration) {
		for range 3 {
			for _, l := range loops {
				l.Advance(d / 3)
			}
		}
	}
	calls := []*call{r.start(&call{l: loops[0]}), r.start(&call{l: loops[1]})}
	want(t, calls[:1], "leased")
	want(t, calls[1:], "waits")
	served := [2]int{}
	for range 200 {
		for i, c := range calls {
			if c.lease == nil {
				continue
			}
			// A new one begins before the last has ended: the connection is never idle.
			calls[i] = r.start(&call{l: loops[i]})
			id := uint32(c.lease.stream)
			for _, s := range r.servers {
				if s.l == loops[i] && !s.Closed() {
					s.answer(id)
				}
			}
			want(t, []*call{c}, "done")
			served[i]++
		}
		run(10 * time.Millisecond)
	}
	if served[0] < 50 || served[1] < 50 {
		t.Errorf("the loops were served %v times", served)
	}
	if n := len(r.servers); n > 30 {
		t.Errorf("%d connections were made: the turns are too short", n)
	}
	if n := r.manager.Cluster("c").Endpoints()[0].Connections(); n > 1 {
		t.Errorf("%d connections", n)
	}
	for i, c := range calls {
		if c.wait != nil {
			loops[i].Do(c.wait.Cancel)
		}
	}
}

// TestIdleConnectionGoesToAnotherLoop: at the limit an idle one is given up at once.
func TestIdleConnectionGoesToAnotherLoop(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	loops := []*looptest.Loop{looptest.New(t), looptest.New(t, looptest.WithIndex(1))}
	r := newRig(t, cfg, loops...)
	r.start(&call{l: loops[0]})
	r.server(0).answer(1)
	c := r.start(&call{l: loops[1]})
	want(t, []*call{c}, "waits")
	loops[0].Run()
	loops[1].Run()
	want(t, []*call{c}, "leased")
	r.server(1).answer(1)
	want(t, []*call{c}, "done")
}

// TestProtocolsTakeTurns: at the limit of connections one protocol does not keep the other waiting for ever.
func TestProtocolsTakeTurns(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newRig(t, cfg)
	h1 := http1.Protocol()
	first := r.call()
	exclusive := r.start(&call{proto: h1})
	want(t, []*call{exclusive}, "waits")
	for id := uint32(1); exclusive.wait != nil && id < 100; id += 2 { // never idle
		r.call()
		r.server(0).answer(id)
		r.l.Advance(10 * time.Millisecond)
	}
	want(t, []*call{first}, "done")
	last := r.server(0)
	for _, id := range last.streams() {
		last.answer(id)
	}
	r.wantServers(2)
	want(t, []*call{exclusive}, "leased")
	// The other way round: the exclusive one goes when it is released.
	stream := r.call()
	want(t, []*call{stream}, "waits")
	r.server(1).Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	r.l.Run()
	want(t, []*call{exclusive}, "done")
	want(t, []*call{stream}, "leased")
	r.server(2).answer(r.server(2).streams()...)
	// And an idle one goes at once.
	exclusive = r.start(&call{proto: h1})
	r.l.Run()
	want(t, []*call{exclusive}, "leased")
	r.server(3).Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	r.l.Run()
	stream = r.call()
	want(t, []*call{stream}, "leased")
	r.server(4).answer(1)
	r.checkIdle()
}
