package looptest_test

import (
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
)

// gatherer is a layer that passes on, once for each batch, what was written to it.
type gatherer struct {
	below   loop.Conn
	held    []byte
	turns   int
	flushes int
	panics  bool
}

func (g *gatherer) write(b string) {
	if len(g.held) == 0 {
		g.below.Loop().Gather(g.below, g)
	}
	g.held = append(g.held, b...)
}

func (g *gatherer) Gathered() {
	g.flushes++
	g.below.Write(g.held)
	g.held = g.held[:0]
}

func (g *gatherer) Turn() {
	g.turns++
	if g.panics {
		panic("on purpose")
	}
	g.write("turn")
}

func TestLayer(t *testing.T) {
	l := looptest.New(t)
	open := func() (*gatherer, *looptest.Peer) {
		g := &gatherer{}
		p := l.Connect(acceptFunc(func(c loop.Conn) loop.Handler { g.below = c; return &sink{} }))
		l.Run()
		return g, p
	}
	g, p := open()
	bad, badPeer := open()
	l.Calls()
	l.Do(func() {
		g.write("one ")
		g.write("two ")
		if p.Total() != 0 || g.flushes != 0 {
			t.Error("it was told in the middle of a batch")
		}
	})
	if got := p.Take(); got != "one two " || g.flushes != 1 || l.Calls().Writes != 1 {
		t.Errorf("got %q with %d flushes; want all at once", got, g.flushes)
	}
	bad.panics = true
	l.Do(func() {
		l.Yield(bad.below, bad)
		l.Yield(g.below, g)
		if g.turns != 0 {
			t.Error("Turn was called from inside Yield")
		}
	})
	if p.Take() != "turn" || g.turns != 1 {
		t.Errorf("%d turns, want 1 in spite of another layer's panic", g.turns)
	}
	if bad.turns != 1 || !badPeer.Closed() || p.Closed() {
		t.Error("a panic in Turn costs its connection, and no other")
	}
}
