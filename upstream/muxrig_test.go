package upstream

import (
	"encoding/binary"
	"fmt"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/protocols"
)

// A rig is a cluster of one endpoint on looptest, with servers that the test plays.
type rig struct {
	t       testing.TB
	l       *looptest.Loop
	manager *Manager
	wire    *wire
	proto   *protocols.Protocol
	env     *protocols.Env
	servers []*server
	closes  []string // what ConnClosed told
	waiting int
	failed  int
	inUse   map[*Endpoint]bool // added, and not yet gone
}

const rigAddr = "10.0.0.1:80"

func rigConfig() ClusterConfig {
	return ClusterConfig{Name: "c", Hosts: []HostConfig{{Address: rigAddr}}}
}

func newRig(t testing.TB, cfg ClusterConfig, loops ...*looptest.Loop) *rig {
	t.Helper()
	if len(loops) == 0 {
		loops = []*looptest.Loop{looptest.New(t)}
	}
	r := &rig{t: t, l: loops[0], wire: &wire{room: 100, window: 1 << 20}, env: protocols.NewEnv(protocols.Limits{}),
		inUse: make(map[*Endpoint]bool)}
	r.proto = r.wire.protocol()
	var all []loop.Loop
	for _, l := range loops {
		all = append(all, l)
		l.Listen(looptest.Addr("10.0.0.1", 80), func(p *looptest.Peer) {
			r.servers = append(r.servers, &server{t: t, Peer: p, l: l})
		})
	}
	r.manager = NewManager(all, Hooks{
		EndpointAdded: func(e *Endpoint) any { r.inUse[e] = true; return nil },
		EndpointGone: func(_ loop.Loop, e *Endpoint) {
			if !r.inUse[e] || e.Connections() != 0 {
				t.Errorf("the endpoint %s is gone with %d connections; it was in use: %v", e.Name, e.Connections(), r.inUse[e])
			}
			delete(r.inUse, e)
		},
		ConnClosed: func(_ loop.Loop, _ *Endpoint, remote, busy bool) {
			r.closes = append(r.closes, fmt.Sprintf("remote=%v busy=%v", remote, busy))
		},
		ConnFailed: func(loop.Loop, *Endpoint, error) { r.failed++ },
		Waiting:    func(_ loop.Loop, _ *Cluster, n int) { r.waiting += n },
	})
	r.update(cfg)
	for _, l := range loops {
		l.Run()
	}
	t.Cleanup(func() {
		for _, l := range loops {
			if err := r.idle(l); err != nil {
				t.Errorf("loop %d: %v", l.Index(), err)
			}
		}
		if len(r.inUse) != 0 {
			t.Errorf("%d endpoints are not gone in the end", len(r.inUse))
		}
	})
	return r
}

// idle ends everything and says what is left.
func (r *rig) idle(l *looptest.Loop) error {
	if n := l.Counters().Panics; n != 0 {
		return fmt.Errorf("%d panics", n)
	}
	r.manager.Update(nil)
	for _, s := range r.servers {
		s.Reset()
	}
	l.Run()
	if r.waiting != 0 {
		return fmt.Errorf("%d requests are still said to wait", r.waiting)
	}
	return nil
}

func (r *rig) update(cfgs ...ClusterConfig) {
	r.manager.Update(cfgs)
	r.l.Run()
}

func (r *rig) local(l *looptest.Loop) *Local { return r.manager.Cluster("c").On(l) }

// server returns the i-th server that was connected to.
func (r *rig) server(i int) *server {
	r.t.Helper()
	if i >= len(r.servers) {
		r.t.Fatalf("there are %d connections, want number %d", len(r.servers), i+1)
	}
	return r.servers[i]
}

func (r *rig) wantServers(n int) {
	r.t.Helper()
	if len(r.servers) != n {
		r.t.Fatalf("%d connections were made, want %d", len(r.servers), n)
	}
}

// checkIdle closes what is idle and fails the test if anything is counted as in progress.
func (r *rig) checkIdle() {
	r.t.Helper()
	for _, h := range r.local(r.l).hosts {
		for range len(r.servers) {
			r.l.Do(func() { h.evict(nil) })
		}
	}
	if err := r.local(r.l).CheckIdle(); err != nil {
		r.t.Errorf("%v", err)
	}
}

// A server is the other end of a connection.
type server struct {
	t testing.TB
	l *looptest.Loop
	*looptest.Peer
}

// frames takes what has arrived.
func (s *server) frames() (all []frame) {
	s.t.Helper()
	b := []byte(s.Take())
	for len(b) > 0 {
		size := int(binary.BigEndian.Uint32(b[6:]))
		all = append(all, frame{b[0], b[1], binary.BigEndian.Uint32(b[2:]), string(b[frameLen : frameLen+size])})
		b = b[frameLen+size:]
	}
	return all
}

// streams takes what has arrived and returns the streams that it opens.
func (s *server) streams() (ids []uint32) {
	s.t.Helper()
	for _, f := range s.frames() {
		if f.kind == frameHead {
			ids = append(ids, f.stream)
		}
	}
	return ids
}

func (s *server) send(kind, flags byte, id uint32, payload []byte) {
	s.SendBytes(appendFrame(nil, kind, flags, id, payload))
}

// answer completes streams.
func (s *server) answer(ids ...uint32) {
	for _, id := range ids {
		s.send(frameHead, flagEnd, id, nil)
	}
	s.l.Run()
}

// A call is an exchange that the test plays.
type call struct {
	r       *rig
	l       *looptest.Loop
	proto   *protocols.Protocol
	lease   *Lease
	wait    *Wait
	ev      protocols.Event
	head    protocols.Header
	body    string // offered when the stream opens and whenever it is drained
	refused protocols.Reason
	failed  protocols.Reason
	lost    []Loss
	got     string // heads as "H", data as it is, the end as "."
	verdict protocols.Verdict
	drained int
	done    bool
	text    [4]byte // method and path
	quiet   bool    // got is not kept: it allocates
	onEvent func()
	onLost  func()
	onReady func()
	onDrain func()
}

// call starts an exchange on the rig's first loop.
func (r *rig) call() *call { return r.start(&call{}) }

// calls starts n of them.
func (r *rig) calls(n int) []*call {
	all := make([]*call, n)
	for i := range all {
		all[i] = r.call()
	}
	return all
}

func (r *rig) start(c *call) *call {
	r.t.Helper()
	c.prepare(r)
	c.l.Do(c.acquire)
	return c
}

func (c *call) prepare(r *rig) {
	c.r = r
	copy(c.text[:], "GET/")
	if c.l == nil {
		c.l = r.l
	}
	if c.proto == nil {
		c.proto = r.proto
	}
}

func (c *call) acquire() {
	lease, wait, reason := c.r.local(c.l).Acquire(&Request{Protocol: c.proto, Env: c.r.env}, c)
	c.wait, c.refused = wait, reason
	if lease != nil {
		c.Ready(lease)
	}
}

func (c *call) Ready(l *Lease) {
	c.wait = nil
	c.lease = l
	if c.onReady != nil {
		c.onReady()
		return
	}
	c.send()
}

// send encodes the request.
func (c *call) send() {
	c.head.Reset()
	c.head.SetMethod(c.text[:3])
	c.head.SetPath(c.text[3:])
	c.head.SetAuthorityString("c")
	c.ev = protocols.Event{Kind: protocols.KindHead, End: c.body == "", Header: &c.head}
	if _, err := c.lease.Encode(&c.ev); err != nil {
		l := c.lease
		c.lease = nil
		l.Abort(protocols.ReasonInternal)
		return
	}
	c.sendBody()
}

func (c *call) sendBody() {
	if c.body == "" || c.lease == nil {
		return
	}
	c.ev = protocols.Event{Kind: protocols.KindData, End: true, Data: []byte(c.body)}
	n, err := c.lease.Encode(&c.ev)
	if err != nil {
		c.r.t.Errorf("encode: %v", err)
	}
	c.body = c.body[n:]
}

func (c *call) Failed(r protocols.Reason, _ *Endpoint) {
	c.wait = nil
	c.failed = r
}

func (c *call) Event(ev *protocols.Event) protocols.Verdict {
	if !c.quiet {
		if ev.Kind == protocols.KindHead {
			c.got += "H"
		}
		if c.got += string(ev.Data); ev.End {
			c.got += "."
		}
	}
	if c.onEvent != nil {
		c.onEvent()
	}
	if ev.End && c.lease != nil {
		c.release()
	}
	return c.verdict
}

func (c *call) release() {
	l := c.lease
	c.lease, c.done = nil, true
	l.Release()
}

func (c *call) abort() {
	l := c.lease
	c.lease = nil
	l.Abort(protocols.ReasonClientGone)
}

func (c *call) Drained() {
	c.drained++
	if c.onDrain != nil {
		c.onDrain()
		return
	}
	c.sendBody()
}

func (c *call) Lost(how Loss) {
	c.lease = nil
	c.lost = append(c.lost, how)
	if c.onLost != nil {
		c.onLost()
	}
}

// state is what has become of the call.
func (c *call) state() string {
	switch {
	case len(c.lost) > 0:
		return fmt.Sprintf("lost %s unprocessed=%v answered=%v", c.lost[0].Reason, c.lost[0].Unprocessed, c.lost[0].Answered)
	case c.failed != protocols.ReasonNone:
		return "failed " + c.failed.String()
	case c.refused != protocols.ReasonNone:
		return "refused " + c.refused.String()
	case c.wait != nil:
		return "waits"
	case c.done:
		return "done"
	case c.lease != nil:
		return "leased"
	}
	return "aborted"
}

func want(t testing.TB, calls []*call, state string) {
	t.Helper()
	for i, c := range calls {
		if got := c.state(); got != state {
			t.Errorf("call %d: %s, want %s", i, got, state)
		}
	}
}
