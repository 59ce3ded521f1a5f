package upstream

import (
	"net/netip"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"

	"sluice/loop"
	"sluice/upstream/balance"
)

// A Cluster is a named set of endpoints that can serve the same requests. It keeps its identity through every update of
// a [Manager] in which its name still exists.
//
// Its endpoints are published to the loops as immutable sets; each loop has a [Local] with the pools. The exported
// methods are safe on any goroutine.
type Cluster struct {
	Name string
	// Data is what Hooks.ClusterAdded returned: the owner's counters. It never changes.
	Data any

	manager *Manager
	locals  []*Local
	current atomic.Pointer[endpointSet]

	mu        sync.Mutex // guards what follows, off the loops
	config    ClusterConfig
	secured   int                     // counts the versions of config.TLS
	names     map[string]*watchedName // host names of the configuration, by host:port
	endpoints map[string]*Endpoint    // by address and host name
}

// watchedName is a host that is resolved again and again.
type watchedName struct {
	stop  func()
	addrs []netip.Addr
}

// endpointSet is what the loops see of a cluster: an immutable list, a selector over it, and the settings that matter
// to a connection.
type endpointSet struct {
	config    ClusterConfig
	endpoints []*Endpoint
	selector  balance.Selector
	subsets   *subsets // nil: selector is for all requests
	budgets   *budgets
}

// budgets are the limits of a cluster that its loops share.
type budgets struct{ requests, retries, pending budget }

// On returns the cluster's part on loop l, which only l's goroutine may use.
func (c *Cluster) On(l loop.Loop) *Local { return c.locals[l.Index()] }

// Endpoints returns the current endpoints.
func (c *Cluster) Endpoints() []*Endpoint { return c.current.Load().endpoints }

// Config returns the configuration in force.
func (c *Cluster) Config() ClusterConfig { return c.current.Load().config }

// update makes cfg the configuration in force. c.mu is held by nobody.
func (c *Cluster) update(cfg ClusterConfig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !reflect.DeepEqual(c.config.TLS, cfg.TLS) {
		c.secured++ // its endpoints are others: no connection outlives the settings that it was made with
	}
	c.config = cfg
	wanted := make(map[string]bool)
	for _, h := range cfg.Hosts {
		if name, ok := hostName(h.Address); ok {
			wanted[name] = true
		}
	}
	for name, w := range c.names {
		if !wanted[name] {
			w.stop()
			delete(c.names, name)
		}
	}
	for name := range wanted {
		if c.names[name] == nil {
			c.watch(name)
		}
	}
	c.publish()
}

// watch starts to resolve name; c.mu is held.
func (c *Cluster) watch(name string) {
	w := &watchedName{}
	c.names[name] = w
	w.stop = c.manager.resolver(c.config.DNS).Watch(name, func(addrs []netip.Addr, err error) {
		if err != nil {
			c.manager.hooks.ResolveFailed(c, name, err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.names[name] != w {
			return
		}
		w.addrs = addrs
		c.publish()
	})
}

// publish builds the set of endpoints that the configuration and the resolved names give and hands it to the loops;
// c.mu is held.
func (c *Cluster) publish() {
	old := c.current.Load()
	set := &endpointSet{config: c.config}
	var weights []balance.Endpoint
	var metadata []map[string]string
	seen, kept := make(map[string]*Endpoint), make(map[string]*Endpoint)
	add := func(addr loop.Addr, h *HostConfig) {
		name := addr.String()
		if seen[name] != nil {
			return
		}
		// A host that changes its name is another endpoint, for logs and auto host rewrite.
		key := name + "\x00" + h.hostname()
		secure := c.config.TLS != nil && !h.TLSDisable
		if secure {
			key += "\x00" + strconv.Itoa(c.secured)
		}
		e := c.endpoints[key]
		if e == nil {
			e = &Endpoint{Cluster: c, Addr: addr, Name: name, Hostname: h.hostname()}
			if secure {
				e.dialer = c.manager.hooks.EndpointDialer(e, c.config.TLS)
				e.lenient = c.config.TLS.IgnoreUnexpectedEOF
			}
			e.users.Store(int32(len(c.locals))) //nolint:gosec // a number of loops
			e.Data = c.manager.hooks.EndpointAdded(e)
		}
		seen[name], kept[key] = e, e
		set.endpoints = append(set.endpoints, e)
		weights = append(weights, balance.Endpoint{Weight: min(max(h.Weight, 1), 128), Healthy: true})
		metadata = append(metadata, h.Metadata)
	}
	for i := range c.config.Hosts {
		h := &c.config.Hosts[i]
		if name, ok := hostName(h.Address); ok {
			for _, a := range c.names[name].addrs {
				add(loop.Addr{AddrPort: netip.AddrPortFrom(a, h.port())}, h)
			}
			continue
		}
		add(h.addr(), h)
	}
	c.endpoints = kept
	set.selector = c.config.Policy.build(weights, c.config.Choices)
	set.subsets = newSubsets(&set.config, weights, metadata)
	set.budgets = newBudgets(old, c.config.Limits, len(c.locals))
	c.current.Store(set)
	for _, l := range c.locals {
		l.loop.Post(func() { l.apply(set) })
	}
}

// newBudgets keeps what old counts when the limits are the same.
func newBudgets(old *endpointSet, limits ClusterLimits, loops int) *budgets {
	if old != nil && old.config.Limits == limits {
		return old.budgets
	}
	b := new(budgets)
	b.requests.init(limits.Requests, loops)
	b.retries.init(limits.Retries, loops)
	b.pending.init(limits.Pending, loops)
	return b
}

func (c *Cluster) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.names {
		w.stop()
	}
	c.names = map[string]*watchedName{}
	c.config.Hosts = nil
	c.publish()
}

// build makes the policy's selector.
func (p Policy) build(eps []balance.Endpoint, choices int) balance.Selector {
	switch p {
	case Random:
		return balance.NewRandom(eps)
	case WeightedRoundRobin:
		return balance.NewWeightedRoundRobin(eps)
	case LeastRequest:
		return balance.NewLeastRequest(eps, max(choices, 2))
	case RoundRobin:
	}
	return balance.NewRoundRobin(eps)
}
