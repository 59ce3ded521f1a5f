package upstream

import (
	"sluice/loop"
	"sluice/protocols"
)

// A host is an endpoint on one loop: its idle connections and the requests that wait for one.
//
// A waiting request is served by whichever connection comes first: one that is released, one that a stream on it leaves,
// or one of those being dialled. There are never more dials under way than the requests waiting need.
type host struct {
	local    *Local
	endpoint *Endpoint
	index    int   // in local.own and local.set.endpoints; -1 when the endpoint is gone
	inFlight int32 // only while index is -1
	links    int   // connections on this loop, established or not

	idle           []*conn // last used last
	oldest, newest *Wait
	lanes          []*lane // one for each protocol that was ever asked for: one, as a rule
}

func (h *host) lane(p *protocols.Protocol) *lane {
	for _, ln := range h.lanes {
		if ln.protocol == p {
			return ln
		}
	}
	ln := newLane(p, h.local)
	h.lanes = append(h.lanes, ln)
	return ln
}

// hungry reports whether more requests wait than the connections that are being made will serve, in any lane but the
// given one (nil: in any).
func (h *host) hungry(but *lane) bool {
	for _, ln := range h.lanes {
		if ln != but && ln.hungry() {
			return true
		}
	}
	return false
}

// wanted reports whether a connection of ln keeps its place from another loop, or another protocol.
func (h *host) wanted(ln *lane) bool {
	return h.endpoint.starvesElsewhere(h.local.loop.Index()) || h.hungry(ln)
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
		if c := h.idle[i]; c.lane.protocol == p {
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
	w.lane.waiting++
	h.hooks().Waiting(h.local.loop, h.local.cluster, 1)
	if w.prev = h.newest; w.prev != nil {
		w.prev.next = w
	} else {
		h.oldest = w
	}
	h.newest = w
}

func (h *host) remove(w *Wait) {
	w.lane.waiting--
	h.local.pending.release()
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

// next takes the oldest waiting request of ln (nil: of any).
func (h *host) next(ln *lane) *Wait {
	for w := h.oldest; w != nil; w = w.next {
		if ln == nil || w.lane == ln {
			h.remove(w)
			return w
		}
	}
	return nil
}

// dialMore starts as many connections as the requests that wait need, within the endpoint's limit.
func (h *host) dialMore() {
	for w := h.oldest; w != nil && h.hungry(nil); w = w.next {
		if !w.lane.hungry() {
			continue
		}
		if !h.takeConn() {
			h.evict(w.lane)
			return
		}
		h.dial(w.lane, w.env)
	}
}

func (h *host) dial(ln *lane, env *protocols.Env) {
	cfg := &h.local.set.config
	o := loop.DialOptions{
		Addr: h.endpoint.Addr, Source: cfg.Source, Mark: cfg.Mark, Timeout: cfg.ConnectTimeout, KeepAlive: keepAlive,
	}
	ln.dialling++
	var handler loop.Handler
	var err error
	if ln.protocol.Multiplexed {
		m := newMuxConn(h, ln, env)
		m.c, err = h.endpoint.dial(h.local.loop, ln.protocol, o, m)
		handler = m
	} else {
		c := newConn(h, ln, env)
		c.c, err = h.endpoint.dial(h.local.loop, ln.protocol, o, c)
		handler = c
	}
	if err != nil {
		// Failing from inside Acquire would call back into the stream that is just asking: it is told a round later.
		h.local.loop.Post(func() { handler.Closed(nil, err) })
	}
}

// serve gives the multiplexed connections' room to the requests of ln that wait, oldest first. One that ends at once, and
// so asks for the next to be served, finds that being done.
func (h *host) serve(ln *lane) {
	if ln.serving {
		return
	}
	ln.serving = true
	defer func() { ln.serving = false }()
	for ln.waiting > 0 {
		m := ln.roomy()
		if m == nil {
			break
		}
		w := h.next(ln)
		x := w.exchange
		h.local.freeWait(w)
		x.Ready(m.lend(x))
	}
	if !h.hungry(nil) {
		h.sated()
	}
	h.dialMore()
}

// missed tells requests of ln that wait that there is no connection for them.
func (h *host) missed(ln *lane, r protocols.Reason) {
	for n := ln.unserved(); n > 0; n-- {
		w := h.next(ln)
		if w == nil {
			return
		}
		h.fail(w, r)
	}
}

// maxTurns is how many requests of its own loop a connection serves in a row while another loop waits for one.
const maxTurns = 16

// offer gives a fresh or released connection to the request that waits longest, or keeps it idle, unless another loop
// needs it more: then it is closed, and Closed wakes that loop.
func (h *host) offer(c *conn) {
	starving := h.wanted(c.lane)
	if starving && c.turns >= maxTurns {
		c.part()
		return
	}
	if w := h.next(c.lane); w != nil {
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
		c.part()
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
		h.links++
		return true
	}
	first := e.starve(i)
	// What was closed just before the bit was there to be seen wakes nobody.
	if e.takeConn(limit) {
		h.sated()
		h.links++
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
		if h.endpoint == e {
			h.evict(nil)
			return
		}
	}
}

// evict closes an idle connection, the one that was used first, that does not speak ln's protocol (nil: any).
func (h *host) evict(ln *lane) {
	for _, c := range h.idle {
		if c.lane != ln {
			c.part()
			return
		}
	}
	for _, o := range h.lanes {
		if o == ln {
			continue
		}
		if m := o.idle(); m != nil {
			m.drain(true)
			m.settle()
			return
		}
	}
}

// freed counts a connection that has closed, and gives its place to a loop that waits for one. It reports whether there
// was one: then this loop, if it waits too, has its turn later.
func (h *host) freed() bool {
	h.endpoint.dropConn()
	if h.links--; h.links == 0 && h.index < 0 {
		h.leave()
	}
	if i := h.local.loop.Index(); h.hungry(nil) && h.endpoint.starvesElsewhere(i) {
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
		if h.hungry(nil) {
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
		c.part()
	}
	for _, ln := range h.lanes {
		for len(ln.open) > 0 {
			m := ln.open[len(ln.open)-1]
			m.drain(true)
			m.settle()
		}
	}
	h.failAll(protocols.ReasonNoHealthyEndpoint)
	if h.links == 0 {
		h.leave()
	}
}

// leave says that this loop uses the endpoint no more, when the callback that has found it out is over: it may have to count.
func (h *host) leave() {
	h.local.loop.Post(func() {
		if h.endpoint.users.Add(-1) == 0 {
			h.hooks().EndpointGone(h.local.loop, h.endpoint)
		}
	})
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
