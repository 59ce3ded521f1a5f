package bolt

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"sluice/protocols"
)

// The simulation is a gateway in small: clients with a server codec each share one client codec, whose upstream answers
// in any order, twice, unasked, never, with garbage, or is lost. Bytes move in pieces of any size, readers are slow, and
// calls are given up. Every call must get exactly one answer, with its own id, and what it asked for or an error.
type simulation struct {
	t     *testing.T
	rng   *rand.Rand
	downs []*simClient
	up    *link
	peer  simUpstream
	queue []*call // those that wait for room
	calls int     // answered
	good  int     // answered well
}

// A call is what the gateway knows of one.
type call struct {
	client   *simClient
	id, upID protocols.StreamID
	oneWay   bool
	head     protocols.Header
	body     []byte // of the request, not yet sent
	bodyEnd  bool
	sent     bool // the head is out
	done     bool // given up, or answered
	answer   protocols.Header
	back     []byte // of the answer, not yet sent
	backEnd  bool
	answered bool // a head has come
	backSent bool // it is out
}

func (c *simClient) event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead {
		x := &call{client: c, id: ev.Stream, oneWay: ev.Header.OneWay}
		x.head.Take(ev.Header)
		ev.Owner = x
		c.calls = append(c.calls, x)
		x.bodyEnd = ev.End
		c.s.queue = append(c.s.queue, x)
		c.s.dispatch()
		return protocols.More
	}
	x := ev.Owner.(*call)
	switch ev.Kind {
	case protocols.KindCredit:
		c.s.sendBack(x)
	case protocols.KindData:
		if x.done {
			return protocols.More
		}
		x.body = append(x.body, ev.Data...)
		x.bodyEnd = ev.End
		c.s.dispatch()
		c.s.send(x)
		if len(x.body) > 0 && !x.done {
			return protocols.Pause
		}
	default:
		c.s.t.Fatalf("event %s", ev.Kind)
	}
	return protocols.More
}

// dispatch begins calls while there is room.
func (s *simulation) dispatch() {
	for len(s.queue) > 0 && s.up.codec.Status().Room > 0 {
		x := s.queue[0]
		s.queue = s.queue[1:]
		if x.done {
			continue
		}
		ev := protocols.Event{Kind: protocols.KindHead, Header: &x.head, End: x.bodyEnd && len(x.body) == 0, Owner: x}
		if x.head.ContentLength == 0 {
			ev.End = true
		}
		x.upID = s.up.encode(ev)
		x.sent = true
		s.up.note()
		s.send(x)
	}
}

// send sends what there is of x's body.
func (s *simulation) send(x *call) {
	if !x.sent || x.done || len(x.body) == 0 {
		return
	}
	ev := protocols.Event{Kind: protocols.KindData, Stream: x.upID, Data: x.body, End: x.bodyEnd}
	n, err := s.up.codec.Encode(1, &ev, &s.up.out)
	if err != nil {
		s.t.Fatal(err)
	}
	s.up.note()
	x.body = x.body[n:]
	if n > 0 {
		s.credit(x, n)
	}
	if x.oneWay && x.bodyEnd && len(x.body) == 0 {
		s.finish(x)
	}
}

func (s *simulation) credit(x *call, n int) {
	if !x.oneWay {
		x.client.encode(protocols.Event{Kind: protocols.KindCredit, Stream: x.id, N: n})
	}
}

func (s *simulation) finish(x *call) {
	x.done = true
	x.client.calls = slices.DeleteFunc(x.client.calls, func(y *call) bool { return x == y })
}

// upEvent is an event of the upstream connection.
func (s *simulation) upEvent(ev *protocols.Event) protocols.Verdict {
	x, ok := ev.Owner.(*call)
	if !ok || x.done {
		s.t.Fatalf("%s of nobody, or of a call that is over", ev.Kind)
	}
	switch ev.Kind {
	case protocols.KindCredit:
		s.send(x)
		return protocols.More
	case protocols.KindHead:
		x.answer.Take(ev.Header)
		x.answered = true
	case protocols.KindData:
		x.back = append(x.back, ev.Data...)
	default:
		s.t.Fatalf("event %s", ev.Kind)
	}
	x.backEnd = ev.End
	s.sendBack(x)
	if len(x.back) > 0 {
		return protocols.Pause
	}
	return protocols.More
}

// sendBack sends what there is of an answer.
func (s *simulation) sendBack(x *call) {
	c := x.client
	defer c.note()
	if !x.answered || x.done {
		return
	}
	if !x.backSent {
		ev := protocols.Event{Kind: protocols.KindHead, Stream: x.id, Header: &x.answer, End: x.answer.ContentLength == 0}
		switch _, err := c.codec.Encode(1, &ev, &c.out); {
		case errors.Is(err, protocols.ErrWait):
			return
		case err != nil:
			s.t.Fatal(err)
		}
		x.backSent = true
		if ev.End {
			s.finish(x)
			return
		}
	}
	if len(x.back) == 0 {
		return
	}
	ev := protocols.Event{Kind: protocols.KindData, Stream: x.id, Data: x.back, End: x.backEnd}
	n, err := c.codec.Encode(1, &ev, &c.out)
	if err != nil {
		s.t.Fatal(err)
	}
	x.back = x.back[n:]
	if x.upID != 0 {
		s.up.encode(protocols.Event{Kind: protocols.KindCredit, Stream: x.upID, N: n})
	}
	if x.backEnd && len(x.back) == 0 {
		s.finish(x)
	}
}

// giveUp is the timeout of a call whose answer has not begun.
func (s *simulation) giveUp(x *call, reason protocols.Reason) {
	if x.done || x.answered {
		return
	}
	if x.sent && x.upID != 0 {
		s.up.encode(protocols.Event{Kind: protocols.KindReset, Stream: x.upID, Reason: reason})
	}
	s.finish(x)
	x.client.encode(protocols.Event{Kind: protocols.KindReset, Stream: x.id, Reason: reason})
	x.client.note()
}

// lose ends the upstream connection, and every call on it that has no whole answer.
func (s *simulation) lose() {
	old := s.up
	for _, c := range s.downs {
		for _, x := range slices.Clone(c.calls) {
			switch {
			case !x.sent || x.answered && x.backEnd:
				x.upID = 0
			case x.answered && x.backSent:
				s.t.Fatal("the simulated upstream is lost between answers only")
			default:
				x.answered, x.upID = false, 0
				s.giveUp(x, protocols.ReasonUpstreamReset)
			}
		}
	}
	old.codec.(protocols.Closer).Closed()
	if old.env.Owed != 0 {
		s.t.Fatalf("%d bytes owed to nobody", old.env.Owed)
	}
	s.connect()
}

func (s *simulation) connect() {
	s.up = newLink(s.t, false)
	s.up.sink.then = s.upEvent
	s.peer = simUpstream{s: s}
}

func (s *simulation) piece(most int) int { return 1 + s.rng.IntN(1<<s.rng.IntN(18))%most }

// step lets one thing happen.
func (s *simulation) step() {
	c := s.downs[s.rng.IntN(len(s.downs))]
	switch s.rng.IntN(8) {
	case 0:
		if len(c.wants) < 60 {
			c.ask()
		}
	case 1, 2:
		n := min(s.piece(1<<17), len(c.toSend), max(0, protocols.OutputHigh-len(c.left)))
		b := c.toSend[:n]
		c.toSend = c.toSend[n:]
		c.turn(b)
	case 3:
		c.hear(c.takeOut(s.piece(1 << 17)))
		c.turn(nil)
	case 4:
		s.peer.receive(s.up.takeOut(s.piece(1 << 17)))
		s.dispatch()
	case 5:
		s.peer.say()
	case 6:
		n := min(s.piece(1<<17), len(s.peer.out), max(0, protocols.OutputHigh-len(s.up.left)))
		b := s.peer.out[:n]
		s.peer.out = s.peer.out[n:]
		s.up.turn(b)
		s.dispatch()
	case 7:
		s.fault(c)
	}
}

func (s *simulation) fault(c *simClient) {
	switch s.rng.IntN(300) {
	case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9:
		if len(c.calls) > 0 {
			s.giveUp(c.calls[s.rng.IntN(len(c.calls))], protocols.ReasonRequestTimeout)
		}
	case 10:
		// The upstream is lost, or speaks garbage, where no answer is half passed on.
		if len(s.up.left) == 0 && !s.up.codec.(*client).Within() && !s.halfAnswered() {
			if s.rng.IntN(2) == 0 {
				s.up.receive([]byte("garbage"))
				if s.up.err == nil {
					s.t.Fatal("garbage is taken")
				}
			}
			s.lose()
		}
	}
	if p := s.up.codec.Status().Phase; p == protocols.PhaseAbort && !s.halfAnswered() {
		s.lose() // a call was given up within its request
	}
	s.dispatch()
}

func (s *simulation) giveUpAll(c *simClient) {
	for _, x := range slices.Clone(c.calls) {
		s.giveUp(x, protocols.ReasonRequestTimeout)
	}
}

// halfAnswered reports whether an answer has come in part.
func (s *simulation) halfAnswered() bool {
	for _, c := range s.downs {
		for _, x := range c.calls {
			if x.answered && !x.backEnd {
				return true
			}
		}
	}
	return false
}

func simulate(t *testing.T, seed uint64, steps int) *simulation {
	s := &simulation{t: t, rng: rand.New(rand.NewPCG(seed, 7))}
	s.connect()
	for i := range 5 {
		c := &simClient{link: *newLink(t, true), s: s, name: i, wants: map[uint32]string{}}
		c.sink.then = c.event
		s.downs = append(s.downs, c)
	}
	for range steps {
		s.step()
		s.clearLines()
	}
	// Everything is delivered, then what nobody answers is given up.
	for i := range 20000 {
		for _, c := range s.downs {
			if i%100 == 99 && len(s.peer.pending) == 0 {
				s.giveUpAll(c)
			}
			b := c.toSend[:min(len(c.toSend), 30000, max(0, protocols.OutputHigh-len(c.left)))]
			c.toSend = c.toSend[len(b):]
			c.turn(b)
			c.hear(c.takeOut(1 << 20))
			c.turn(nil)
		}
		s.peer.receive(s.up.takeOut(1 << 20))
		s.peer.say()
		b := s.peer.out[:min(len(s.peer.out), max(0, protocols.OutputHigh-len(s.up.left)))]
		s.peer.out = s.peer.out[len(b):]
		s.up.turn(b)
		if p := s.up.codec.Status().Phase; p == protocols.PhaseAbort || p == protocols.PhaseDraining && len(s.peer.pending) == 0 && !s.halfAnswered() {
			s.lose()
		}
		s.dispatch()
		s.clearLines()
		if s.settled() {
			break
		}
	}
	for _, c := range s.downs {
		if len(c.wants) > 0 || len(c.got) > 0 || c.err != nil || len(c.toSend) > 0 {
			t.Fatalf("client %d: %d calls without an answer, %d bytes of one, %d not sent, error %v, %+v", c.name, len(c.wants), len(c.got), len(c.toSend), c.err, c.codec.Status())
		}
		if st := c.codec.Status(); !st.Idle || c.env.Owed != 0 {
			t.Fatalf("client %d: %+v, %d owed", c.name, st, c.env.Owed)
		}
	}
	return s
}

// settled reports whether nothing is left to do.
func (s *simulation) settled() bool {
	if len(s.queue) > 0 || len(s.peer.pending) > 0 || len(s.peer.out) > 0 || len(s.up.left) > 0 || s.up.out.Buffered() > 0 {
		return false
	}
	for _, c := range s.downs {
		if len(c.toSend) > 0 || len(c.left) > 0 || c.out.Buffered() > 0 || len(c.calls) > 0 {
			return false
		}
	}
	return true
}

func (s *simulation) clearLines() {
	s.up.sink.take()
	for _, c := range s.downs {
		c.sink.take()
	}
}

func TestSimulation(t *testing.T) {
	seeds, steps := uint64(12), 20000
	if testing.Short() {
		seeds = 2
	}
	calls, good := 0, 0
	var counts protocols.Counts
	for seed := range seeds {
		s := simulate(t, seed, steps)
		calls, good = calls+s.calls, good+s.good
		counts.Late += s.up.env.Counts.Late
		counts.Unknown += s.up.env.Counts.Unknown
	}
	t.Logf("%d answers, %d good ones and one-way calls, of the last connections: %+v", calls, good, counts)
	if good < calls/2 || counts.Late == 0 || counts.Unknown == 0 {
		t.Error("the simulation does not see what it should")
	}
}
