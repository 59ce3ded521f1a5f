package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

// TestBoltSimulation: clients, upstreams that answer out of order, late, twice, for nobody, in garbage or not at all, and
// connections that are lost. Every call has exactly one answer, its own, with a status and a reason that what happened
// explains; and nothing is left behind.
func TestBoltSimulation(t *testing.T) {
	want := 100_000
	if testing.Short() || raceEnabled {
		want = 10_000
	}
	total := simulationCounts{}
	for seed := uint64(1); total.exchanges < want; seed++ {
		s := newBoltSimulation(t, seed)
		s.run()
		total.add(s.simulationCounts)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", total)
	for what, n := range map[string]int{
		"answers": total.answers, "late answers": total.late, "second answers": total.twice, "answers for nobody": total.unknown,
		"garbage": total.garbage, "lost connections": total.losses, "timeouts": total.reasons["request_timeout"],
		"resets": total.reasons["upstream_reset"], "protocol errors": total.reasons["upstream_protocol_error"], "one-way calls": total.oneWay,
		"clients that left": total.left, "goaways": total.goaways,
	} {
		if n == 0 {
			t.Errorf("there were no %s", what)
		}
	}
}

type simulationCounts struct {
	exchanges, answers, late, twice, unknown, garbage, losses, oneWay, left, goaways int
	reasons                                                                          map[string]int
}

func (c *simulationCounts) add(o simulationCounts) {
	c.exchanges += o.exchanges
	c.answers += o.answers
	c.late += o.late
	c.twice += o.twice
	c.unknown += o.unknown
	c.garbage += o.garbage
	c.losses += o.losses
	c.oneWay += o.oneWay
	c.left += o.left
	c.goaways += o.goaways
	if c.reasons == nil {
		c.reasons = map[string]int{}
	}
	for r, n := range o.reasons {
		c.reasons[r] += n
	}
}

type boltSimulation struct {
	simulationCounts
	*rig
	rng     *rand.Rand
	clients []*simulatedClient
	ups     []*simulatedUpstream
	serial  int
}

// A simulatedClient remembers what it waits for: content by id.
type simulatedClient struct {
	*looptest.Peer
	waits  map[uint32]string
	next   uint32
	broken bool // it has sent garbage, or left: its answers are nobody's
	rest   []byte
}

// A simulatedUpstream has calls that it has not answered.
type simulatedUpstream struct {
	*looptest.Peer
	calls []boltFrame
	done  []boltFrame
	rest  []byte
	lost  bool
}

func newBoltSimulation(t *testing.T, seed uint64) *boltSimulation {
	rng := rand.New(rand.NewPCG(seed, 4))
	doc := boltDoc{
		route:   []string{``, `,"timeout":"3s"`, `,"timeout":"2s","retry_policy":{"retry_on":true,"num_retries":1,"retry_timeout":"1s","status_codes":[503]}`}[rng.IntN(3)],
		cluster: []string{``, `,"circuit_breakers":[{"max_connections":2}]`, `,"keepalive":{"interval":"2s","timeout":"1s"}`}[rng.IntN(3)],
		proxy:   []string{``, `,"extend_config":{"bolt":{"enable_bolt_goaway":true}},"bolt":{"max_connection_age":"20s"}`}[rng.IntN(2)],
		speaks:  []string{"bolt", "Http1,bolt"}[rng.IntN(2)],
	}.String()
	s := &boltSimulation{rig: newRig(t, strings.Replace(doc, `{"address":"10.0.0.1:80"}`, `{"address":"10.0.0.1:80"},{"address":"10.0.0.2:80"}`, 1)), rng: rng}
	s.reasons = map[string]int{}
	for _, addr := range []loop.Addr{s.up, looptest.Addr("10.0.0.2", 80)} {
		s.l.Listen(addr, func(p *looptest.Peer) { s.ups = append(s.ups, &simulatedUpstream{Peer: p}) })
	}
	return s
}

func (s *boltSimulation) run() {
	for range 400 {
		for range 1 + s.rng.IntN(4) {
			s.step()
		}
		if s.rng.IntN(3) > 0 {
			s.l.Run()
		} else {
			s.l.Step()
		}
		s.read()
	}
	// Everybody is well again, and answers what is left.
	for range 6 {
		s.l.Run()
		s.read()
		for _, u := range s.ups {
			for len(u.calls) > 0 {
				s.reply(u, 0)
			}
		}
	}
	s.l.Run()
	s.l.Advance(200 * time.Second)
	s.read()
	for i, c := range s.clients {
		if !c.broken && len(c.waits) > 0 {
			s.t.Errorf("client %d waits for %d answers; its connection is closed: %v", i, len(c.waits), c.Closed())
		}
		c.Reset()
	}
	s.l.Run()
	s.l.Advance(400 * time.Second)
	s.idle()
	s.l.Do(func() {
		if err := s.g.clusters.Cluster("c").On(s.l).CheckIdle(); err != nil {
			s.t.Error(err)
		}
	})
	s.late = int(s.g.listeners[0].locals[0].env.Counts.Late)
	if owed := s.g.listeners[0].locals[0].env.Owed; owed != 0 {
		s.t.Errorf("%d bytes are owed by nobody", owed)
	}
}

// step is something that happens.
func (s *boltSimulation) step() {
	switch n := s.rng.IntN(1000); {
	case n < 8 || len(s.clients) == 0:
		s.clients = append(s.clients, &simulatedClient{Peer: s.connect(), waits: map[uint32]string{}})
	case n < 500:
		s.call(s.clients[s.rng.IntN(len(s.clients))])
	case n < 503:
		s.leave(s.clients[s.rng.IntN(len(s.clients))])
	case n < 510:
		s.l.Advance(time.Duration(s.rng.IntN(1500)) * time.Millisecond)
	case len(s.ups) > 0:
		s.act(s.ups[s.rng.IntN(len(s.ups))])
	}
}

// call sends a few calls.
func (s *boltSimulation) call(c *simulatedClient) {
	if c.broken || c.Closed() || c.EOF() {
		return
	}
	for range 1 + s.rng.IntN(8) {
		s.serial++
		c.next += uint32(1 + s.rng.IntN(3))
		content := fmt.Sprintf("call %d ", s.serial)
		if s.rng.IntN(60) == 0 {
			content += strings.Repeat("x", s.rng.IntN(100<<10))
		}
		f := call(c.next, "s", content)
		f.version = byte(1 + s.rng.IntN(2))
		f.summed = f.version == 2 && s.rng.IntN(2) == 0
		if s.rng.IntN(4) == 0 {
			f.value = uint32(1 + s.rng.IntN(3000))
		}
		s.exchanges++
		if s.rng.IntN(10) == 0 {
			f.kind = boltOneWay
			s.oneWay++
		} else {
			c.waits[f.id] = content
		}
		sendBolt(c.Peer, f)
	}
}

// leave is the end of a client.
func (s *boltSimulation) leave(c *simulatedClient) {
	if c.broken {
		return
	}
	s.left++
	c.broken = true
	switch s.rng.IntN(3) {
	case 0:
		c.Reset()
	case 1:
		c.Close()
	case 2:
		c.Send("GET / HTTP/1.1\r\n\r\n")
	}
}

// act is what an upstream does.
func (s *boltSimulation) act(u *simulatedUpstream) {
	if u.lost || u.Closed() {
		return
	}
	switch n := s.rng.IntN(150); {
	case n == 0:
		u.lost = true
		s.losses++
		[]func(){u.Close, u.Reset, u.CloseWrite}[s.rng.IntN(3)]()
	case n == 1:
		u.lost = true
		s.garbage++
		u.Send([]string{"HTTP/1.1 200 OK\r\n\r\n", "\x01\x07", "\x02\x01\x00\x00\x09" + strings.Repeat("\x00", 20), "\x00"}[s.rng.IntN(4)])
	case n == 2 && len(u.calls) > 0:
		// Half an answer, and then nothing more.
		u.lost = true
		s.losses++
		b := u.calls[0].answer(0, "half of it").bytes()
		u.SendBytes(b[:len(b)/2])
		u.Close()
	case n == 3:
		s.goaways++
		sendBolt(u.Peer, boltFrame{kind: boltRequest, command: boltGoAway})
	case n < 8 && len(u.done) > 0:
		s.twice++
		sendBolt(u.Peer, u.done[s.rng.IntN(len(u.done))].answer(0, "twice"))
	case n < 12:
		s.unknown++
		sendBolt(u.Peer, boltFrame{command: boltReply, id: s.rng.Uint32(), content: "who?"})
	case n < 25 && len(u.calls) > 0:
		// This one comes late, or never.
		i := s.rng.IntN(len(u.calls))
		f := u.calls[i]
		u.calls = append(slices.Delete(u.calls, i, i+1), f)
	default:
		for range min(len(u.calls), 1+s.rng.IntN(8)) {
			s.reply(u, s.rng.IntN(len(u.calls)))
		}
	}
}

// reply answers the i-th call that is open.
func (s *boltSimulation) reply(u *simulatedUpstream, i int) {
	f := u.calls[i]
	u.calls = slices.Delete(u.calls, i, i+1)
	if f.kind == boltOneWay {
		if s.rng.IntN(20) > 0 {
			return
		}
		s.unknown++
	}
	sendBolt(u.Peer, f.answer(uint32(s.rng.IntN(10)/9*2), "to "+f.content))
	if u.done = append(u.done, f); len(u.done) > 16 {
		u.done = u.done[1:]
	}
}

// explained are the failures that the faults bring about, with their status.
var explained = map[string]uint32{"upstream_reset": 6, "upstream_cut": 6, "upstream_protocol_error": 6, "request_timeout": 7, "try_timeout": 7, "connect_failed": 6}

// read looks at everything that has come.
func (s *boltSimulation) read() {
	for _, u := range s.ups {
		for _, f := range s.frames(u.Peer, &u.rest) {
			switch {
			case f.command == boltHeartbeat && f.kind == boltRequest:
				sendBolt(u.Peer, boltFrame{kind: boltResponse, command: boltHeartbeat, id: f.id})
			case f.command == boltCall:
				u.calls = append(u.calls, f)
			}
		}
	}
	for i, c := range s.clients {
		if c.broken {
			c.Discard()
			continue
		}
		for _, f := range s.frames(c.Peer, &c.rest) {
			if f.command == boltGoAway {
				continue
			}
			s.check(i, c, f)
		}
		if c.Closed() && len(c.waits) > 0 && len(c.rest) == 0 {
			s.closed(i, c)
		}
	}
}

// closed: a connection that ends under its calls is the answer to all of them. That happens when an answer had begun.
func (s *boltSimulation) closed(i int, c *simulatedClient) {
	c.broken = true
	s.left++
	if !c.WasReset() {
		s.t.Errorf("client %d: the connection has ended well with %d calls open", i, len(c.waits))
	}
}

func (s *boltSimulation) check(i int, c *simulatedClient, f boltFrame) {
	content, ok := c.waits[f.id]
	if !ok {
		s.t.Errorf("client %d: %s, which it does not wait for", i, f)
		return
	}
	delete(c.waits, f.id)
	reason := f.fields["sluice-reason"]
	switch {
	case reason == "":
		s.answers++
		if f.content != "to "+content || f.value != 0 && f.value != 2 {
			s.t.Errorf("client %d: %.60s to %.60s", i, f, content)
		}
	case explained[reason] == f.value && f.value != 0:
		s.reasons[reason]++
	default:
		s.t.Errorf("client %d: %.60s, which nothing explains", i, f)
	}
}

// frames takes whole frames of what p has received; the rest waits.
func (s *boltSimulation) frames(p *looptest.Peer, rest *[]byte) (all []boltFrame) {
	b := append(*rest, p.Take()...)
	for {
		f, n, err := parseBolt(b)
		if err != nil {
			s.t.Fatalf("%v: %.100q", err, b)
		}
		if n == 0 {
			*rest = slices.Clone(b)
			return all
		}
		all, b = append(all, f), b[n:]
	}
}
