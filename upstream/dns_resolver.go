package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// The limits and delays of a Resolver.
const (
	defaultRefresh    = 5 * time.Second
	minRefresh        = 100 * time.Millisecond
	firstRetry        = 500 * time.Millisecond // behind the first failure; doubled up to the refresh
	minTTL            = 1 * time.Second
	maxTTL            = 1 * time.Hour
	concurrentLookups = 16
)

// A Resolver keeps the addresses of names up to date. It works on goroutines of its own, off the loops, one for each
// name that is watched; at most 16 of them ask at the same time. All methods are safe on any goroutine.
//
// Once a name has had an answer, failures (also that the name is gone) leave the answer in force: a name server that is
// down must not take the endpoints with it.
type Resolver struct {
	refresh    time.Duration
	respectTTL bool
	lookup     lookupFunc
	slots      chan struct{} // one is taken during each lookup
	ctx        context.Context
	cancel     context.CancelFunc

	mu    sync.Mutex // guards names and what dnsName says it does
	names map[string]*dnsName
}

// lookupFunc resolves a name once.
type lookupFunc func(ctx context.Context, name string) (dnsAnswer, error)

// dnsAnswer is what a name stands for; addrs are sorted and without duplicates.
type dnsAnswer struct {
	addrs []netip.Addr
	ttl   time.Duration // 0: unknown
}

// dnsName is a name that somebody watches. Its goroutine, run, ends when the last watcher has gone.
type dnsName struct {
	name   string
	wake   chan struct{} // a watcher has come
	ctx    context.Context
	cancel context.CancelFunc

	watchers []*dnsWatcher // guarded by Resolver.mu
}

// dnsWatcher is one call of Watch. Only its name's goroutine touches what it was told.
type dnsWatcher struct {
	update func([]netip.Addr, error)
	told   []netip.Addr // the last addresses
	failed bool         // the last news was a failure
}

// NewResolver returns a resolver for cfg. A resolv.conf that can't be read is the error of each lookup that needs it.
func NewResolver(cfg DNSConfig) *Resolver {
	r := newResolver(cfg.Refresh, newDNSClient(cfg).lookup)
	r.respectTTL = cfg.RespectTTL
	return r
}

func newResolver(refresh time.Duration, lookup lookupFunc) *Resolver {
	if refresh <= 0 {
		refresh = defaultRefresh
	}
	refresh = max(refresh, minRefresh)
	ctx, cancel := context.WithCancel(context.Background())
	return &Resolver{refresh: refresh, lookup: lookup, slots: make(chan struct{}, concurrentLookups), ctx: ctx,
		cancel: cancel, names: make(map[string]*dnsName)}
}

// Watch resolves name, again and again, until stop is called. It calls update on a goroutine of its own, never inside
// Watch, one call at a time: with the addresses when they are first known and each time they change, sorted, never
// empty, not to be modified; with an error when a lookup fails that follows a success, or is the first. The addresses
// that update got before stay the best ones known.
//
// stop returns at once; a call of update that has begun may still be running, but none begins much later. It may be
// called more than once, and from inside update.
func (r *Resolver) Watch(name string, update func(addrs []netip.Addr, err error)) (stop func()) {
	w := &dnsWatcher{update: update}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.names[name]
	if n == nil {
		n = &dnsName{name: name, wake: make(chan struct{}, 1)}
		n.ctx, n.cancel = context.WithCancel(r.ctx)
		r.names[name] = n
		go r.run(n)
	}
	n.watchers = append(slices.Clip(n.watchers), w)
	select {
	case n.wake <- struct{}{}:
	default: // it will see the new watcher when it gets to the wake-up that waits already
	}
	return func() { r.stop(n, w) }
}

func (r *Resolver) stop(n *dnsName, w *dnsWatcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(n.watchers, w)
	if i < 0 {
		return
	}
	n.watchers = slices.Concat(n.watchers[:i], n.watchers[i+1:])
	if len(n.watchers) == 0 {
		n.cancel()
		delete(r.names, n.name)
	}
}

// Close ends all watches. It does not wait for a call of update that has begun.
func (r *Resolver) Close() { r.cancel() }

// run looks n up until nobody watches it any more.
func (r *Resolver) run(n *dnsName) {
	var last dnsAnswer
	failures := 0
	for {
		answer, err := r.ask(n)
		if n.ctx.Err() != nil {
			return
		}
		failures++
		if err == nil {
			last, failures = answer, 0
		}
		r.tell(n, last.addrs, err)
		timer := time.NewTimer(r.delay(last.ttl, failures))
		for due := false; !due; {
			select {
			case <-n.ctx.Done():
				timer.Stop()
				return
			case <-n.wake:
				r.tell(n, last.addrs, err)
			case <-timer.C:
				due = true
			}
		}
	}
}

// ask looks n up when it is its turn.
func (r *Resolver) ask(n *dnsName) (dnsAnswer, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
		answer, err := r.lookup(n.ctx, n.name)
		if err == nil && len(answer.addrs) == 0 {
			err = errors.New("the answer holds no address")
		}
		return answer, err
	case <-n.ctx.Done():
		return dnsAnswer{}, n.ctx.Err()
	}
}

// delay is the time to the next lookup. It varies by a tenth, so that names asked for together drift apart.
func (r *Resolver) delay(ttl time.Duration, failures int) time.Duration {
	d := r.refresh
	switch {
	case failures > 0:
		d = min(d, firstRetry<<min(failures-1, 20))
	case r.respectTTL && ttl > 0:
		// Earlier than the TTL a cache would give the same answer: only ever later.
		ttl = min(max(ttl, minTTL), maxTTL) + time.Second
		return ttl + rand.N(ttl/10)
	}
	return d - d/20 + rand.N(d/10+1)
}

// tell gives every watcher what is news to it.
func (r *Resolver) tell(n *dnsName, addrs []netip.Addr, err error) {
	r.mu.Lock()
	watchers := n.watchers // never changed in place
	r.mu.Unlock()
	for _, w := range watchers {
		// A watcher that came late gets the addresses although the last lookup failed.
		if len(addrs) > 0 && !slices.Equal(addrs, w.told) {
			w.told = addrs
			w.update(addrs, nil)
		}
		if err != nil && !w.failed {
			w.update(nil, err)
		}
		w.failed = err != nil
	}
}
