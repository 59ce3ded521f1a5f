package upstream

import (
	"math/bits"
	"sync/atomic"

	"sluice/loop"
)

// An Endpoint is one address of a cluster. It keeps its identity, and so its connections and counters, through every
// reload and re-resolution in which its cluster still has the address.
type Endpoint struct {
	Cluster *Cluster
	Addr    loop.Addr
	// Hostname is the name that the configuration gave the host: for logs and auto host rewrite. Empty for none.
	Hostname string
	// Name is Addr as text, made once.
	Name string
	// Data is what Hooks.EndpointAdded returned: the owner's counters. It never changes.
	Data any

	// conns counts connections, established or not, over all loops; written at connect and close only.
	conns atomic.Int64
	// starved has a bit for each loop (modulo 64) on which a request waits because conns is at the cluster's limit.
	starved atomic.Uint64
}

// Connections is the number of connections to the endpoint, over all loops. It is safe on any goroutine.
func (e *Endpoint) Connections() int { return int(e.conns.Load()) }

// Authority is what a request that names no host is sent with.
func (e *Endpoint) Authority() string {
	switch {
	case e.Addr.Path != "":
		return "localhost"
	case e.Hostname != "":
		return e.Hostname
	}
	return e.Name
}

// takeConn counts one more connection, unless limit (0: none) forbids it.
func (e *Endpoint) takeConn(limit int) bool {
	if n := e.conns.Add(1); limit > 0 && n > int64(limit) {
		e.conns.Add(-1)
		return false
	}
	return true
}

func (e *Endpoint) dropConn() { e.conns.Add(-1) }

// starve notes that loop number i waits for a connection to close elsewhere; first is false when that was known.
func (e *Endpoint) starve(i int) (first bool) {
	bit := uint64(1) << (i & 63)
	return e.starved.Or(bit)&bit == 0
}

// takeStarving removes and returns a loop number (modulo 64) that waits; ok is false when none does.
func (e *Endpoint) takeStarving() (i int, ok bool) {
	for {
		set := e.starved.Load()
		if set == 0 {
			return 0, false
		}
		if e.starved.CompareAndSwap(set, set&(set-1)) {
			return bits.TrailingZeros64(set), true
		}
	}
}
