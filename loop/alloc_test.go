//go:build !race

package loop_test

import (
	"io"
	"net"
	"runtime"
	"testing"

	"sluice/loop"
)

// TestARoundTripDoesNotAllocate echoes through a proxy connection: read, write, read, write on the loop.
func TestARoundTripDoesNotAllocate(t *testing.T) {
	g := newGroup(t, 1)
	back, err := g.Listen(loop.ListenOptions{Name: "echo", Addr: anyPort}, echo{})
	if err != nil {
		t.Fatal(err)
	}
	front, err := g.Listen(loop.ListenOptions{Name: "proxy", Addr: anyPort}, relayTo(back.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 1000)
	rounds := func() {
		for range 1000 {
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	rounds()
	least := ^uint64(0)
	for range 5 { // a goroutine of the runtime may allocate meanwhile
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rounds()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least != 0 {
		t.Errorf("1000 round trips cost %d allocations", least)
	}
}

// TestAnIdleConnectionIsSmall counts the live heap of connections that have each been served.
func TestAnIdleConnectionIsSmall(t *testing.T) {
	g := newGroup(t, 1)
	l, err := g.Listen(loop.ListenOptions{Name: "echo", Addr: anyPort}, echo{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 400
	clients := make([]net.Conn, 0, n)
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b := make([]byte, 100)
	connect := func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		if _, err = c.Write(b); err == nil {
			_, err = io.ReadFull(c, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 64 {
		connect() // tables and free lists grow
	}
	both := live()
	for len(clients) < n {
		connect()
	}
	// The same number of clients alone cost what a pipe of theirs does: measure by closing ours through Stop.
	both = live() - both
	before := live()
	g.Stop()
	ours := before - live()
	per := int(ours) / n
	t.Logf("%d bytes per connection of the loop, %d with the client's", per, int(both)/(n-64))
	if per > 450 {
		t.Errorf("an idle connection takes %d bytes", per)
	}
	for _, c := range clients {
		c.Close()
	}
}
