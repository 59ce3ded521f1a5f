package loop

import "sync/atomic"

// A Lobby is where a loop's connections wait that cost memory before they have said anything whole: a part of a ClientHello, of a
// handshake, of a request's head. It bounds what they may cost together. When there is no room left, those leave that have
// waited longest: who means it well says the rest within a round trip or two, and is younger than who does not.
//
//	outside ──Hold──> waiting ──Serve──> served (it is our turn, not theirs)
//	   ^                 └─────<──Hold──────┘
//	   └────Leave────── any
//
// A Lobby must not be copied. Its methods belong to the loop, but for Held and Evicted, which are safe anywhere.
type Lobby struct {
	room           int // 0: no limit
	oldest, newest *Guest
	held           atomic.Int64
	evicted        atomic.Int64
}

// An Evictable is told to leave a Lobby in which there is no room. It ends its connection, and frees what it held, with a
// call of Leave or without one. It is called inside Hold, on behalf of another connection or of its own.
type Evictable interface {
	Evict()
}

// A Guest is a connection's part in a Lobby, embedded by value in what it belongs to. Its zero value is outside.
type Guest struct {
	owner      Evictable // not nil while it waits
	next, prev *Guest    // those that came later, and earlier
	held       int
}

// SetRoom sets how many bytes the guests may hold together; 0 for no limit. It is for the time before the first of them.
func (l *Lobby) SetRoom(n int) { l.room = n }

// Hold notes that g, which is owner's, holds n bytes, n > 0. It waits from the first such call, or the one behind a Serve, on.
// When there is no room, others leave, the oldest first; it may be its own turn, so that the caller must look whether its
// connection has ended.
func (l *Lobby) Hold(g *Guest, owner Evictable, n int) {
	if g.owner == nil {
		g.owner = owner
		if g.prev = l.newest; g.prev != nil {
			g.prev.next = g
		} else {
			l.oldest = g
		}
		l.newest = g
	}
	held := l.held.Load() + int64(n-g.held)
	l.held.Store(held)
	g.held = n
	for l.room > 0 && held > int64(l.room) && l.oldest != nil {
		first, owner := l.oldest, l.oldest.owner
		l.Leave(first)
		l.evicted.Add(1)
		owner.Evict()
		held = l.held.Load()
	}
}

// Waits reports whether g waits in a Lobby.
func (g *Guest) Waits() bool { return g.owner != nil }

// Serve notes that g does not wait for its peer: it goes on to hold what it holds, and is not made to leave.
func (l *Lobby) Serve(g *Guest) {
	if g.owner == nil {
		return
	}
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		l.oldest = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		l.newest = g.prev
	}
	g.owner, g.next, g.prev = nil, nil, nil
}

// Leave notes that g holds nothing any more; nothing happens if it did not.
func (l *Lobby) Leave(g *Guest) {
	if g.held > 0 {
		l.held.Store(l.held.Load() - int64(g.held))
		g.held = 0
	}
	l.Serve(g)
}

// KeptSize is how much memory a connection's n unconsumed bytes cost at most: buffers come in powers of two, and grow ahead.
func KeptSize(n int) int { return 2 * (n + 4096) }

// Held is how many bytes the guests hold.
func (l *Lobby) Held() int64 { return l.held.Load() }

// Evicted is how many guests were made to leave.
func (l *Lobby) Evicted() int64 { return l.evicted.Load() }
