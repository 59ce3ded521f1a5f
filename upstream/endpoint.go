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

	dialer  Dialer // nil: connections are sockets
	lenient bool   // TLSConfig.IgnoreUnexpectedEOF
	dialErr atomic.Pointer[error]

	// conns counts connections, established or not, over all loops; written at connect and close only.
	conns atomic.Int64
	// users counts the loops that may still use it.
	users atomic.Int32
	// starved has a bit for each loop (modulo 64: more loops share bits) on which a request waits because conns is at the cluster's limit.
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

// takeConn counts one more connection, unless limit (0: none) forbids it. The count never goes above the limit, not even
// for a moment: another loop would take that for a connection and wait for its end.
func (e *Endpoint) takeConn(limit int) bool {
	if limit <= 0 {
		e.conns.Add(1)
		return true
	}
	for {
		n := e.conns.Load()
		if n >= int64(limit) {
			return false
		}
		if e.conns.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (e *Endpoint) dropConn() { e.conns.Add(-1) }

// starvingBit is loop number i's bit in starved.
func starvingBit(i int) uint64 { return 1 << (i & 63) }

// starve notes that loop number i waits for a connection to close elsewhere; first is false when that was known.
func (e *Endpoint) starve(i int) (first bool) {
	return e.starved.Or(starvingBit(i))&starvingBit(i) == 0
}

// sated takes starve back.
func (e *Endpoint) sated(i int) {
	if e.starved.Load()&starvingBit(i) != 0 {
		e.starved.And(^starvingBit(i))
	}
}

// starvesElsewhere reports whether a loop other than number i waits.
func (e *Endpoint) starvesElsewhere(i int) bool { return e.starved.Load()&^starvingBit(i) != 0 }

// takeStarving removes and returns a loop number (modulo 64) that waits, loop number i last and the others in turn
// behind it; ok is false when none does.
func (e *Endpoint) takeStarving(i int) (next int, ok bool) {
	for {
		set := e.starved.Load()
		if set == 0 {
			return 0, false
		}
		next = (i + 1 + bits.TrailingZeros64(bits.RotateLeft64(set, -(i+1)))) & 63
		if e.starved.CompareAndSwap(set, set&^starvingBit(next)) {
			return next, true
		}
	}
}
