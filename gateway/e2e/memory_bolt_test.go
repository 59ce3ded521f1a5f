package e2e

import (
	"testing"
)

// TestMemoryOfBolt measures the command as it is shipped: connections that have made a call, and lie idle.
func TestMemoryOfBolt(t *testing.T) {
	t.Parallel()
	const (
		n    = 4000
		most = 1 << 10
	)
	bin := command(t)
	w := newWorld(t)
	p := w.command(bin, sketch{speaks: "bolt", hosts: []string{w.boltServer("s")}, document: adminOnAnyPort}.String())
	front := p.addr("l")
	serve := func() { w.boltClient(front).wantCall(t, "shop", "x", "s: x of shop") }
	for range 200 {
		serve() // what the process makes once, and what it makes in blocks
	}
	before := p.resident()
	for range n {
		serve()
	}
	grown := p.resident() - before
	t.Logf("%d idle connections: the process has grown from %d to %d KiB: %d bytes each", n, before>>10, (before+grown)>>10, grown/n)
	if grown > n*most {
		t.Errorf("an idle connection costs %d bytes, want at most %d", grown/n, most)
	}
}
