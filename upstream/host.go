package upstream

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// A host is an endpoint on one loop: its idle connections and the requests that wait for one.
//
// A waiting request is served by whichever connection comes first: one that is released, or one of those being dialled.
// There are never more dials under way than requests waiting.
type host struct {
	local    *Local
	endpoint *Endpoint
	index    int   // in local.own and local.set.endpoints; -1 when the endpoint is gone
	inFlight int32 // only while index is -1

	idle           []*conn // last used last
	oldest, newest *Wait
	lanes          []lane // one for each protocol that was ever asked for: one, as a rule
}

// A lane counts what concerns one protocol.
type lane struct {
	protocol          *protocols.Protocol
	waiting, dialling int
}

func (h *host) lane(p *protocols.Protocol) *lane {
	for i := range h.lanes {
		if h.lanes[i].protocol == p {
			return &h.lanes[i]
		}
	}
	h.lanes = append(h.lanes, lane{protocol: p})
	return &h.lanes[len(h.lanes)-1]
}

// hungry reports whether more requests wait than connections are being made.
func (h *host) hungry() bool {
	for i := range h.lanes {
		if h.lanes[i].waiting > h.lanes[i].dialling {
			return true
		}
	}
	return false
}

func (h *host) hooks() *Hooks { return &h.local.cluster.manager.hooks }

// drop ends a request in flight.
func (h *host) drop() {
	if h.index >= 0 {
		h.local.own[h.index]--
	} else {
		h.inFlight--
	}
	h.local.requests.release()
}

// popIdle takes the idle connection that was used last: the others may then grow old and be closed.
func (h *host) popIdle(p *protocols.Protocol) *conn {
	for i := len(h.idle) - 1; i >= 0; i-- {
		if c := h.idle[i]; c.protocol == p {
			h.idle = append(h.idle[:i], h.idle[i+1:]...)
			return c
		}
	}
	return nil
}

func (h *host) removeIdle(c *conn) {
	for i, o := range h.idle {
		if o == c {
			h.idle = append(h.idle[:i], h.idle[i+1:]...)
			return
		}
	}
}

func (h *host) push(w *Wait) {
	h.lane(w.protocol).waiting++
	h.hooks().Waiting(h.local.loop, h.local.cluster, 1)
	if w.prev = h.newest; w.prev != nil {
		w.prev.next = w
	} else {
		h.oldest = w
	}
	h.newest = w
}

func (h *host) remove(w *Wait) {
	h.lane(w.protocol).waiting--
	h.hooks().Waiting(h.local.loop, h.local.cluster, -1)
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		h.oldest = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		h.newest = w.prev
	}
}

// next takes the oldest waiting request that speaks p (nil: any).
func (h *host) next(p *protocols.Protocol) *Wait {
	for w := h.oldest; w != nil; w = w.next {
		if p == nil || w.protocol == p {
			h.remove(w)
			return w
		}
	}
	return nil
}

// dialMore starts as many connections as there are requests waiting without one, within the endpoint's limit.
func (h *host) dialMore() {
	for w := h.oldest; w != nil && h.hungry(); w = w.next {
		if l := h.lane(w.protocol); l.dialling >= l.waiting {
			continue
		}
		if !h.takeConn() {
			return
		}
		h.dial(w.protocol, w.env)
	}
}

func (h *host) dial(p *protocols.Protocol, env *protocols.Env) {
	cfg := &h.local.set.config
	c := newConn(h, p, env)
	h.lane(p).dialling++
	lc, err := h.local.loop.Dial(loop.DialOptions{
		Addr: h.endpoint.Addr, Source: cfg.Source, Mark: cfg.Mark, Timeout: cfg.ConnectTimeout,
		KeepAlive: keepAlive,
	}, c)
	c.c = lc
	if err != nil {
		// Failing from inside Acquire would call back into the stream that is just asking: it is told a round later.
		c.state = connFailing
		h.local.loop.Post(func() { c.Closed(nil, err) })
	}
}

// keepAlive is how long a connection is silent before the system asks whether its peer is still there.
const keepAlive = 30 * time.Second

// maxTurns is how many requests of its own loop a connection serves in a row while another loop waits for one.
const maxTurns = 16

// offer gives a fresh or released connection to the request that waits longest, or keeps it idle, unless another loop
// needs it more: then it is closed, and Closed wakes that loop.
func (h *host) offer(c *conn) {
	starving := h.endpoint.starvesElsewhere(h.local.loop.Index())
	if starving && c.turns >= maxTurns {
		c.close(nil)
		return
	}
	if w := h.next(c.protocol); w != nil {
		c.turns++
		if !starving {
			c.turns = 0
		}
		x := w.exchange
		h.local.freeWait(w)
		x.Ready(c.lend(x))
		return
	}
	if h.index < 0 || starving || c.single() {
		c.close(nil)
		return
	}
	h.sated()
	c.becomeIdle()
}

// sated takes it back that this loop waits for a connection. Where loops share bits, the others' wait is not to be lost.
func (h *host) sated() {
	if len(h.local.cluster.locals) <= 64 {
		h.endpoint.sated(h.local.loop.Index())
	}
}

// takeConn counts a connection that is about to be made. At the endpoint's limit it asks the other loops for one instead.
func (h *host) takeConn() bool {
	e, limit, i := h.endpoint, h.local.set.config.Limits.Connections, h.local.loop.Index()
	if e.takeConn(limit) {
		return true
	}
	first := e.starve(i)
	// What was closed just before the bit was there to be seen wakes nobody.
	if e.takeConn(limit) {
		h.sated()
		return true
	}
	h.hooks().Starved(h.local.loop, e)
	if first {
		for _, l := range h.local.cluster.locals {
			if l != h.local {
				l.loop.Post(func() { l.yield(e) })
			}
		}
	}
	return false
}

// yield closes an idle connection to e for the sake of another loop.
func (l *Local) yield(e *Endpoint) {
	for _, h := range l.hosts {
		if h.endpoint == e && len(h.idle) > 0 {
			h.idle[0].close(nil)
			return
		}
	}
}

// freed counts a connection that has closed, and gives its place to a loop that waits for one. It reports whether there
// was one: then this loop, if it waits too, has its turn later.
func (h *host) freed() bool {
	h.endpoint.dropConn()
	if i := h.local.loop.Index(); h.hungry() && h.endpoint.starvesElsewhere(i) {
		h.endpoint.starve(i)
	}
	return h.wake()
}

// wake lets a loop that waits for a connection dial.
func (h *host) wake() bool {
	i, ok := h.endpoint.takeStarving(h.local.loop.Index())
	if !ok {
		return false
	}
	e := h.endpoint
	for _, l := range h.local.cluster.locals {
		if l.loop.Index()&63 == i {
			l.loop.Post(func() { l.pump(e) })
		}
	}
	return true
}

// pump dials for the requests that wait for e; when there are none, it is the next loop's turn.
func (l *Local) pump(e *Endpoint) {
	for _, h := range l.hosts {
		if h.endpoint != e {
			continue
		}
		if h.hungry() {
			h.dialMore()
		} else {
			h.wake()
		}
	}
}

// retire ends what is idle or waiting when the endpoint is gone; what runs finishes.
func (h *host) retire() {
	for len(h.idle) > 0 {
		c := h.idle[len(h.idle)-1]
		h.idle = h.idle[:len(h.idle)-1]
		c.close(nil)
	}
	h.failAll(protocols.ReasonNoHealthyEndpoint)
}

func (h *host) failAll(r protocols.Reason) {
	for w := h.next(nil); w != nil; w = h.next(nil) {
		h.fail(w, r)
	}
}

// fail tells w, which is no longer in the queue, that there is no connection for it.
func (h *host) fail(w *Wait, r protocols.Reason) {
	x := w.exchange
	h.local.freeWait(w)
	h.drop()
	x.Failed(r, h.endpoint)
}
