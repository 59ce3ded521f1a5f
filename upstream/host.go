package upstream

import (
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
	waiting        int
	dialling       int
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
	h.waiting++
	h.hooks().Waiting(h.local.loop, h.local.cluster, 1)
	if w.prev = h.newest; w.prev != nil {
		w.prev.next = w
	} else {
		h.oldest = w
	}
	h.newest = w
}

func (h *host) remove(w *Wait) {
	h.waiting--
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
	for w := h.oldest; h.dialling < h.waiting && w != nil; w = w.next {
		if !h.endpoint.takeConn(h.local.set.config.Limits.Connections) {
			h.starve()
			return
		}
		h.dial(w.protocol, w.env)
	}
}

func (h *host) dial(p *protocols.Protocol, env *protocols.Env) {
	cfg := &h.local.set.config
	c := newConn(h, p, env)
	h.dialling++
	lc, err := h.local.loop.Dial(loop.DialOptions{
		Addr: h.endpoint.Addr, Source: cfg.Source, Mark: cfg.Mark, Timeout: cfg.ConnectTimeout,
	}, c)
	c.c = lc
	if err != nil {
		// Failing from inside Acquire would call back into the stream that is just asking: it is told a round later.
		c.state = connFailing
		h.local.loop.Post(func() { c.Closed(nil, err) })
	}
}

// offer gives a fresh or released connection to the request that waits longest, or keeps it idle.
func (h *host) offer(c *conn) {
	if w := h.next(c.protocol); w != nil {
		x := w.exchange
		h.local.freeWait(w)
		x.Ready(c.lend(x))
		return
	}
	if h.index < 0 || c.single() {
		c.close(nil)
		return
	}
	if h.endpoint.starved.Load() != 0 {
		c.close(nil) // and Closed wakes the loop that waits
		return
	}
	c.becomeIdle()
}

// starve asks the other loops for a connection: the endpoint is at its limit, and a request waits here.
func (h *host) starve() {
	h.hooks().Starved(h.local.loop, h.endpoint)
	if !h.endpoint.starve(h.local.loop.Index()) {
		return
	}
	e := h.endpoint
	for _, l := range h.local.cluster.locals {
		if l != h.local {
			l.loop.Post(func() { l.yield(e) })
		}
	}
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

// wake lets a loop that waits for a connection dial, now that this loop has closed one.
func (h *host) wake() {
	i, ok := h.endpoint.takeStarving()
	if !ok {
		return
	}
	e := h.endpoint
	for _, l := range h.local.cluster.locals {
		if l.loop.Index()&63 == i {
			l.loop.Post(func() { l.pump(e) })
		}
	}
}

// pump dials for the requests that wait for e.
func (l *Local) pump(e *Endpoint) {
	for _, h := range l.hosts {
		if h.endpoint == e {
			h.dialMore()
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
