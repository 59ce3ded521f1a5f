package upstream

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice/loop"
	"sluice/protocols"
	"sluice/upstream/balance"
)

// maxWaiting bounds the requests that wait for a connection to one endpoint on one loop, where ClusterLimits.Pending does not,
// and maxWaitingStreams those that wait for a stream: a hundred of these are served by one connection.
const (
	maxWaiting        = 1024
	maxWaitingStreams = 8192
)

// shareEvery is how often a loop tells the others its counts of requests in flight, and looks at theirs.
const shareEvery = 100 * time.Millisecond

// A Local is a cluster on one loop: its pools and its counts. Everything in it belongs to that loop, but for the
// counts that it shows to others (shared).
type Local struct {
	cluster *Cluster
	loop    loop.Loop

	set      *endpointSet
	hosts    []*host // parallel to set.endpoints
	own      []int32 // requests in flight on this loop, parallel to set.endpoints
	others   []int32 // those of the other loops, as of sharedAt
	sharedAt time.Duration
	turn     uint64
	turns    []uint64 // those of subsets, each its own
	rng      rand.PCG
	requests allowance
	retries  allowance
	pending  allowance       // of requests that wait; without a limit it counts nothing
	waits    *Wait           // free list
	leases   *Lease          // free list, of multiplexed connections
	lent     int             // leases that are not in it
	event    protocols.Event // that is being encoded: a local one would escape to the heap
	envs     []pingEnv
	tried    []int32
	pick     balance.Input

	// shared is own as the other loops may read it: replaced whole when the set changes.
	shared atomic.Pointer[sharedCounts]
}

// sharedCounts belongs to one loop, which writes it every shareEvery while requests come; the others read it.
type sharedCounts struct {
	set    *endpointSet
	counts []atomic.Int32
}

func newLocal(c *Cluster, l loop.Loop) *Local {
	loc := &Local{cluster: c, loop: l, set: &endpointSet{budgets: new(budgets)}}
	loc.rng.Seed(rand.Uint64(), rand.Uint64())
	loc.turn = loc.rng.Uint64() >> 32 // loops that start at different turns spread their first requests
	loc.resetBudgets()
	return loc
}

// apply makes set the one in force; hosts that stay keep their connections.
func (l *Local) apply(set *endpointSet) {
	old := make(map[*Endpoint]*host, len(l.hosts))
	for _, h := range l.hosts {
		h.inFlight = l.own[h.index]
		h.index = -1
		old[h.endpoint] = h
	}
	l.set = set
	l.hosts = make([]*host, len(set.endpoints))
	l.own = numbersApart(len(set.endpoints))
	l.others = numbersApart(len(set.endpoints))
	l.shared.Store(&sharedCounts{set: set, counts: make([]atomic.Int32, len(set.endpoints))})
	for i, e := range set.endpoints {
		h := old[e]
		if h == nil {
			h = &host{local: l, endpoint: e}
		}
		delete(old, e)
		h.index = i
		l.own[i] = h.inFlight
		l.hosts[i] = h
	}
	l.turns = nil
	if set.subsets != nil {
		l.turns = make([]uint64, set.subsets.count)
		for i := range l.turns {
			l.turns[i] = l.rng.Uint64() >> 32 // for the reason that turn starts so
		}
	}
	l.resetBudgets()
	for _, h := range old {
		h.retire()
	}
}

// Cluster returns the cluster.
func (l *Local) Cluster() *Cluster { return l.cluster }

// A Request says what an Acquire is for.
type Request struct {
	Protocol *protocols.Protocol
	Env      *protocols.Env
	Hash     uint64
	Subset   *Criteria   // of the hosts that may serve it; nil for none in particular
	Fresh    bool        // do not use a connection that lay idle; a multiplexed one that has just failed is out of use anyway
	Tried    []*Endpoint // endpoints that already failed this request: avoided while there are others
}

// Acquire finds a connection for x. It returns a Lease at once when one is idle; otherwise a Wait, and x.Ready or
// x.Failed follows from the loop; otherwise the reason why not. It allocates only to make a connection.
func (l *Local) Acquire(r *Request, x Exchange) (*Lease, *Wait, protocols.Reason) {
	if !l.requests.acquire() {
		return nil, nil, protocols.ReasonOverflow
	}
	h := l.choose(r)
	if h == nil {
		l.requests.release()
		return nil, nil, protocols.ReasonNoHealthyEndpoint
	}
	l.own[h.index]++
	if r.Protocol.Multiplexed {
		if lease := h.takeStream(r.Protocol, x); lease != nil {
			return lease, nil, protocols.ReasonNone
		}
	} else if !r.Fresh {
		if c := h.popIdle(r.Protocol); c != nil {
			return c.lend(x), nil, protocols.ReasonNone
		}
	}
	ln := h.lane(r.Protocol)
	if !l.mayWait(ln) {
		h.drop()
		return nil, nil, protocols.ReasonOverflow
	}
	w := l.newWait(h, ln, r.Env, x)
	h.push(w)
	h.dialMore()
	return nil, w, protocols.ReasonNone
}

// resetBudgets makes the limits those of the set.
func (l *Local) resetBudgets() {
	l.requests.reset(&l.set.budgets.requests)
	l.retries.reset(&l.set.budgets.retries)
	l.pending.reset(&l.set.budgets.pending)
}

// mayWait takes one of the cluster's requests that may wait, or reports that there are enough of them. push counts it.
func (l *Local) mayWait(ln *lane) bool {
	switch {
	case l.set.config.Limits.Pending > 0:
		return l.pending.acquire()
	case ln.protocol.Multiplexed && ln.waiting >= maxWaitingStreams, !ln.protocol.Multiplexed && ln.waiting >= maxWaiting:
		return false
	}
	return l.pending.acquire()
}

// choose asks the balancer.
func (l *Local) choose(r *Request) *host {
	l.tried = l.tried[:0]
	for _, e := range r.Tried {
		for i, o := range l.set.endpoints {
			if o == e {
				l.tried = append(l.tried, int32(i))
			}
		}
	}
	selector, turn := l.set.selector, &l.turn
	if s := l.set.subsets; s != nil {
		sub, met := s.find(r.Subset)
		if sub == nil {
			return nil
		}
		if !met {
			l.cluster.manager.hooks.FellBack(l.loop, l.cluster)
		}
		selector, turn = sub.selector, &l.turns[sub.turns]
	}
	if selector == nil {
		return nil
	}
	*turn++
	if l.set.config.Policy == LeastRequest && len(l.cluster.locals) > 1 {
		l.share()
	}
	p := &l.pick
	p.Hash, p.Random, p.Turn, p.Own, p.Others, p.Tried = r.Hash, l.rng.Uint64(), *turn, l.own, l.others, l.tried
	i := selector.Pick(p)
	if i < 0 {
		return nil
	}
	return l.hosts[i]
}

// share exchanges counts with the other loops, at most every shareEvery.
func (l *Local) share() {
	now := l.loop.Now()
	if now-l.sharedAt < shareEvery {
		return
	}
	l.sharedAt = now
	mine := l.shared.Load()
	for i := range l.own {
		mine.counts[i].Store(l.own[i])
		l.others[i] = 0
	}
	for _, o := range l.cluster.locals {
		theirs := o.shared.Load()
		if o == l || theirs == nil || theirs.set != l.set {
			continue
		}
		for i := range theirs.counts {
			l.others[i] += theirs.counts[i].Load()
		}
	}
}

// AcquireRetry takes one of the cluster's retries in flight; ReleaseRetry gives it back.
func (l *Local) AcquireRetry() bool { return l.retries.acquire() }

// ReleaseRetry is described at AcquireRetry.
func (l *Local) ReleaseRetry() { l.retries.release() }

// A Wait is a request that waits for a connection.
type Wait struct {
	host       *host
	exchange   Exchange
	lane       *lane
	env        *protocols.Env
	next, prev *Wait
}

func (l *Local) newWait(h *host, ln *lane, env *protocols.Env, x Exchange) *Wait {
	w := l.waits
	if w == nil {
		w = new(Wait)
	} else {
		l.waits = w.next
	}
	*w = Wait{host: h, exchange: x, lane: ln, env: env}
	return w
}

func (l *Local) freeWait(w *Wait) {
	*w = Wait{next: l.waits}
	l.waits = w
}

// Cancel gives up waiting; neither Ready nor Failed follows.
func (w *Wait) Cancel() {
	h := w.host
	h.remove(w)
	h.local.freeWait(w)
	h.drop()
}

func (l *Local) newLease() *Lease {
	l.lent++
	le := l.leases
	if le == nil {
		return new(Lease)
	}
	l.leases, le.next = le.next, nil
	return le
}

func (l *Local) freeLease(le *Lease) {
	l.lent--
	*le = Lease{}
	l.leases, le.next = le, l.leases
}

// jitter returns between 90 and 110 % of d, so that what began together does not end together.
func (l *Local) jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(l.rng.Uint64()%uint64(d/5+1))
}

// pingEnv is an Env with the cluster's settings for pings in place of those of from.
type pingEnv struct{ from, env *protocols.Env }

// env returns the Env for the codec of a multiplexed connection to the cluster: what base says, but for the pings.
func (l *Local) env(base *protocols.Env) *protocols.Env {
	cfg, limits := &l.set.config.Multiplex, base.Limits
	limits.PingInterval, limits.PingTimeout = cfg.PingInterval, cfg.PingTimeout
	limits = limits.WithDefaults()
	if limits == base.Limits || limits.PingInterval <= 0 && base.Limits.PingInterval <= 0 {
		return base
	}
	for _, e := range l.envs {
		if e.from == base && e.env.Limits == limits {
			return e.env
		}
	}
	if len(l.envs) >= maxEnvs {
		l.envs = l.envs[:0] // of configurations that are long gone, most of them
	}
	env := protocols.NewEnv(limits)
	env.Counts = base.Counts
	l.envs = append(l.envs, pingEnv{from: base, env: env})
	return env
}

// maxEnvs bounds the Envs that are kept for connections to come.
const maxEnvs = 16

// numbersApart are n numbers that are in no cache line with anything else: what Go allocates in multiples of 128 bytes is aligned
// to lines.
func numbersApart(n int) []int32 {
	const step = 128 / 4
	return make([]int32, n, (n+step-1)/step*step)
}
