//go:build !race

package loop_test

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"sluice/loop"
)

type echo struct{}

func (echo) Accept(loop.Conn) loop.Handler { return echo{} }
func (echo) Opened(loop.Conn)              {}
func (echo) Received(c loop.Conn, b []byte) int {
	c.Commit(append(c.Reserve(len(b)), b...))
	return len(b)
}
func (echo) ReadClosed(c loop.Conn, _ []byte) { c.Close(loop.CloseFlushed, nil) }
func (echo) Drained(loop.Conn)                {}
func (echo) Closed(loop.Conn, error)          {}

var anyPort = loop.Addr{AddrPort: netip.MustParseAddrPort("127.0.0.1:0")}

func TestEchoDoesNotAllocate(t *testing.T) {
	g, err := loop.NewGroup(loop.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	l, err := g.Listen(loop.ListenOptions{Name: "echo", Addr: anyPort}, echo{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 1000)
	round := func() {
		for range 1000 {
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	round()
	var before, after runtime.MemStats
	least := uint64(1 << 62)
	for range 3 { // a runtime goroutine may allocate meanwhile
		runtime.ReadMemStats(&before)
		round()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least > 20 {
		t.Errorf("1000 echoes cost %d allocations", least)
	}
	t.Log(least)
}
