package secure

import (
	"crypto/tls"
	"errors"
	"time"

	"sluice/loop"
)

// An opening is what a connection needs until it is established.
type opening struct {
	s         *Conn
	cfg       *Config
	accept    loop.Acceptor // nil for a dialled connection
	timer     loop.Timer
	runner    runner
	handshake *handshake // nil until it has begun
	running   bool       // the handshake is a worker's
	atLeast   int        // a shorter ClientHello is not complete
	total     int        // bytes that the handshake has had
	counted   bool       // among those waiting
	guest     loop.Guest // of the engine's lobby, unless we dial
}

func newOpening(s *Conn, cfg *Config) *opening {
	o := &opening{s: s, cfg: cfg}
	o.timer.Init(o)
	return o
}

// arm starts the time limit.
func (o *opening) arm() {
	timeout := o.cfg.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	o.counted = true
	o.s.engine.counters.waiting.Add(1)
	o.s.engine.loop.Arm(&o.timer, o.s.engine.loop.Now()+timeout)
}

// Expired implements loop.Expirer.
func (o *opening) Expired(*loop.Timer, time.Duration) {
	if o.s.phase < phaseOpen {
		o.fail(ReasonTimeout, loop.CloseNow)
	}
}

// hold counts what the connection costs, n bytes of which wait with the loop. It may be too much: the connection has failed then.
func (o *opening) hold(n int) {
	if o.accept == nil {
		return
	}
	cost := o.total
	if n > 0 {
		cost += loop.KeptSize(n)
	}
	if o.handshake != nil {
		cost += handshakeCost
	}
	o.s.engine.lobby.Hold(&o.guest, o, cost)
}

// Evict implements loop.Evictable.
func (o *opening) Evict() {
	if o.s.phase < phaseOpen {
		o.fail(ReasonOverload, loop.CloseNow)
	}
}

func (o *opening) fail(r Reason, how loop.CloseMode) {
	o.s.fail(&Error{Reason: r, Handshake: true}, how)
}

// hello waits for a whole ClientHello.
func (o *opening) hello(b []byte) int {
	limit := o.cfg.MaxHello
	if limit <= 0 {
		limit = DefaultMaxHello
	}
	if len(b) < o.atLeast && len(b) <= limit {
		o.hold(len(b))
		return 0
	}
	_, length, ok := helloMessage(b)
	switch {
	case length > limit || !ok && len(b) > limit:
		o.fail(ReasonTooLarge, loop.CloseFlushed)
	case ok:
		o.begin(b)
	case length == 0:
		o.fail(ReasonNotTLS, loop.CloseFlushed)
	default:
		o.atLeast = length
		o.hold(len(b))
	}
	return 0
}

// begin starts the handshake, with the records that are there.
func (o *opening) begin(b []byte) {
	s := o.s
	if o.runner = s.engine.executor.admit(s.engine, b, o.accept == nil || o.cfg.AsksClients); o.runner == nil {
		o.fail(ReasonOverload, loop.CloseNow)
		return
	}
	s.phase = phaseHandshake
	s.engine.counters.begun.Add(1)
	_ = s.raw.LocalAddr() // now it is known, and the worker's asking for it changes nothing
	s.wire.s = s
	if o.accept != nil {
		s.tls = tls.Server(&s.wire, o.cfg.TLS)
	} else {
		s.tls = tls.Client(&s.wire, o.cfg.TLS)
	}
	o.handshake = &handshake{tls: s.tls, opening: o, runner: o.runner, home: s.engine.home}
	s.wire.handshake = o.handshake
	o.run(b)
}

// run gives the whole records of b to the next step.
func (o *opening) run(b []byte) {
	h := o.handshake
	bufs := &o.s.engine.bufs
	n := records(b)
	if o.total += n; o.total > maxHandshake {
		o.fail(ReasonTooLarge, loop.CloseFlushed)
		return
	}
	o.hold(0)
	if o.s.phase != phaseHandshake {
		return // there was no room
	}
	o.s.engine.lobby.Serve(&o.guest) // it is not the peer who is waited for
	h.in, h.read = append(bufs.Get(n), b[:n]...), 0
	h.out = bufs.Get(4096)
	o.running = true
	o.runner.run(h)
}

// feed is called with what the peer has sent. It stays with the socket until a step has had it.
func (o *opening) feed(b []byte) int {
	s := o.s
	if o.running {
		return 0
	}
	skip := s.skip
	s.skip = 0
	switch {
	case records(b[skip:]) > 0:
		o.run(b[skip:])
	case s.flags&flagFIN != 0:
		o.fail(ReasonPeerClosed, loop.CloseNow)
	default:
		o.hold(len(b) - skip)
	}
	return skip
}

// back is called on the loop after a step. What follows may call handlers, so it waits for a Turn: a panic must cost
// this connection.
func (o *opening) back() {
	if o.s.phase == phaseHandshake {
		o.s.yield()
		return
	}
	o.running = false
	o.abandon()
}

// abandon ends the coroutine of a connection that has ended, unless it is a worker's: then back comes here again.
func (o *opening) abandon() {
	h := o.handshake
	if h == nil || o.running {
		return
	}
	o.takeBuffers()
	if !h.over {
		h.abort = true
		o.running = true
		o.runner.run(h)
	}
}

func (o *opening) takeBuffers() {
	h := o.handshake
	o.s.drop(&h.in)
	o.s.drop(&h.out)
}

// stepped goes on after a step.
func (o *opening) stepped() {
	s, h := o.s, o.handshake
	o.running = false
	if len(h.out) > 0 {
		s.raw.Write(h.out)
	}
	s.skip += h.read
	o.takeBuffers()
	h.read = 0
	switch {
	case h.err != nil:
		e := classify(h.err, true)
		s.fail(e, loop.CloseLingering)
	case h.over:
		s.established()
	default:
		o.hold(0)
		s.raw.Resume() // more records may be there, and those that were read are to be consumed
	}
}

// established is the beginning of what the handler sees.
func (s *Conn) established() {
	o := s.opening
	o.end()
	s.opening = nil
	s.wire.handshake = nil
	s.phase = phaseOpen
	s.release()
	s.engine.counters.done.Add(1)
	if s.tls.ConnectionState().DidResume {
		s.engine.counters.resumed.Add(1)
	}
	if o.accept == nil {
		s.h.Opened(s)
	} else {
		s.accepted(o)
	}
	if s.phase != phaseOpen {
		return
	}
	if len(s.out) > 0 {
		s.wrote()
	}
	if s.flags&flagShut != 0 {
		s.flags &^= flagShut
		s.CloseWrite()
	}
	if s.flags&flagPaused != 0 {
		s.raw.Pause()
	} else {
		s.raw.Resume()
	}
}

// accepted asks for the handler of what is inside.
func (s *Conn) accepted(o *opening) {
	e := s.engine
	e.accepting, e.choice = s, o.cfg
	if choice := o.handshake.choice; choice != nil {
		e.choice = choice
	}
	defer func() { e.accepting, e.choice = nil, nil }()
	if h := o.accept.Accept(s); h != nil {
		s.h = h
	} else {
		s.Close(loop.CloseFlushed, nil)
	}
}

// end stops the time limit.
func (o *opening) end() {
	o.s.engine.loop.Disarm(&o.timer)
	o.s.engine.lobby.Leave(&o.guest)
	if o.counted {
		o.counted = false
		o.s.engine.counters.waiting.Add(-1)
	}
}

// closed is called when the connection ends before it was established; was is the phase it had.
func (o *opening) closed(was phase, err error) {
	if o.counted { // otherwise fail was here
		r := ReasonPeerClosed
		if was >= phaseClosing || errors.Is(err, loop.ErrLoopStopped) {
			r = ReasonClosed
		}
		o.s.engine.counters.failed(&Error{Reason: r, Handshake: true})
	}
	o.end()
	if o.s.flags&flagYielded != 0 {
		o.running = false // it is back; a loop that stops gives no more turns
	}
	o.abandon()
}
