package upstream

import (
	"fmt"
	"reflect"
	"sync"

	"sluice/loop"
)

// A Manager holds the clusters of a gateway. Its methods are safe on any goroutine but not from a loop's callback.
type Manager struct {
	loops []loop.Loop
	hooks Hooks

	mu        sync.Mutex
	clusters  map[string]*Cluster
	resolvers map[string]*Resolver // by their configuration
}

// Hooks tell a Manager's owner what happens. ClusterAdded and EndpointAdded run off the loops, before a loop sees what
// was added; what they return becomes its Data. Any of them may be nil.
type Hooks struct {
	ClusterAdded  func(c *Cluster) any
	EndpointAdded func(e *Endpoint) any
	// EndpointGone tells, on the loop that was the last to use it, that e has left its cluster, and has no connection and gets
	// none. Requests that had one may still be in progress.
	EndpointGone func(l loop.Loop, e *Endpoint)
	// EndpointDialer runs before EndpointAdded for an endpoint of a cluster with TLS, unless its host is without; it gives
	// what connects to it.
	EndpointDialer func(e *Endpoint, cfg *TLSConfig) Dialer
	ResolveFailed  func(c *Cluster, name string, err error)
	// ConnOpened, ConnClosed and ConnFailed run on the loop of the connection. ConnOpened follows a successful connect.
	ConnOpened func(l loop.Loop, e *Endpoint)
	// remote: the other side closed first; busy: a request was in progress.
	ConnClosed func(l loop.Loop, e *Endpoint, remote, busy bool)
	ConnFailed func(l loop.Loop, e *Endpoint, err error)
	// Waiting tells, on the loop, that n more requests wait for a connection; negative: that they have stopped.
	Waiting func(l loop.Loop, c *Cluster, n int)
	// Starved tells, on the loop, that a request waits because the endpoint is at its limit of connections.
	Starved func(l loop.Loop, e *Endpoint)
	// FellBack tells, on the loop, that no subset is the one that a request asks for, and another serves it.
	FellBack func(l loop.Loop, c *Cluster)
}

func (h *Hooks) fill() {
	if h.ClusterAdded == nil {
		h.ClusterAdded = func(*Cluster) any { return nil }
	}
	if h.EndpointAdded == nil {
		h.EndpointAdded = func(*Endpoint) any { return nil }
	}
	if h.EndpointGone == nil {
		h.EndpointGone = func(loop.Loop, *Endpoint) {}
	}
	if h.EndpointDialer == nil {
		h.EndpointDialer = func(e *Endpoint, _ *TLSConfig) Dialer {
			panic("upstream: nobody dials with TLS for cluster " + e.Cluster.Name) // plaintext would be worse
		}
	}
	if h.ResolveFailed == nil {
		h.ResolveFailed = func(*Cluster, string, error) {}
	}
	if h.ConnOpened == nil {
		h.ConnOpened = func(loop.Loop, *Endpoint) {}
	}
	if h.ConnClosed == nil {
		h.ConnClosed = func(loop.Loop, *Endpoint, bool, bool) {}
	}
	if h.Waiting == nil {
		h.Waiting = func(loop.Loop, *Cluster, int) {}
	}
	if h.Starved == nil {
		h.Starved = func(loop.Loop, *Endpoint) {}
	}
	if h.FellBack == nil {
		h.FellBack = func(loop.Loop, *Cluster) {}
	}
	if h.ConnFailed == nil {
		h.ConnFailed = func(loop.Loop, *Endpoint, error) {}
	}
}

// NewManager returns a Manager without clusters for the given loops.
func NewManager(loops []loop.Loop, hooks Hooks) *Manager {
	hooks.fill()
	return &Manager{loops: loops, hooks: hooks, clusters: map[string]*Cluster{}, resolvers: map[string]*Resolver{}}
}

// Update makes cfgs the clusters that exist. A cluster that stays keeps its identity; one whose configuration is the
// same is not touched; one that is gone fails its waiting requests and lets running ones finish. cfgs is validated.
func (m *Manager) Update(cfgs []ClusterConfig) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := make(map[string]bool, len(cfgs))
	for _, cfg := range cfgs {
		wanted[cfg.Name] = true
		c := m.clusters[cfg.Name]
		switch {
		case c == nil:
			c = m.newCluster(cfg.Name)
			m.clusters[cfg.Name] = c
		case reflect.DeepEqual(c.Config(), cfg):
			continue
		}
		c.update(cfg)
	}
	for name, c := range m.clusters {
		if !wanted[name] {
			c.close()
			delete(m.clusters, name)
		}
	}
}

func (m *Manager) newCluster(name string) *Cluster {
	c := &Cluster{Name: name, manager: m, names: map[string]*watchedName{}, endpoints: map[string]*Endpoint{}}
	c.Data = m.hooks.ClusterAdded(c)
	for _, l := range m.loops {
		c.locals = append(c.locals, newLocal(c, l))
	}
	return c
}

// Cluster returns the cluster called name, or nil.
func (m *Manager) Cluster(name string) *Cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clusters[name]
}

// Close stops resolving names and closes idle connections. The loops must still run, or have stopped.
func (m *Manager) Close() {
	m.Update(nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.resolvers {
		r.Close()
	}
	m.resolvers = map[string]*Resolver{}
}

// resolver returns the resolver for cfg; clusters with the same settings share one. m.mu is held.
func (m *Manager) resolver(cfg DNSConfig) *Resolver {
	key := fmt.Sprintf("%+v", cfg)
	r := m.resolvers[key]
	if r == nil {
		r = NewResolver(cfg)
		m.resolvers[key] = r
	}
	return r
}
