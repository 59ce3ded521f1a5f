//go:build !race

package http2

import "testing"

// Every path is new and the cookie is a literal, so that HPACK's tables can't know a whole head.
func TestNoAllocationPerExchange(t *testing.T) {
	x := newExchanges()
	for range 10 {
		x.run() // tables, records and buffers grow once
	}
	if allocs := testing.AllocsPerRun(2, func() {
		for range 1024 / batch {
			x.run()
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in 1024 exchanges", allocs)
	}
	x.check(t)
}

func TestNoAllocationPerDownload(t *testing.T) {
	x := newExchanges()
	piece := make([]byte, 16<<10)
	for range 10 {
		x.download(piece, 10)
	}
	if allocs := testing.AllocsPerRun(2, func() {
		for range 100 {
			x.download(piece, 10)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in 100 downloads", allocs)
	}
	x.check(t)
}
