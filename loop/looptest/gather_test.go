package looptest_test

import (
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
)

// forward writes what it gets to one connection that all share.
type forward struct {
	sink
	to loop.Conn
}

func (f *forward) Received(_ loop.Conn, b []byte) int {
	f.to.Write(b)
	return len(b)
}

// TestGather sends to one connection from many: what a batch of events brings leaves in one write, at once.
func TestGather(t *testing.T) {
	l := looptest.New(t)
	var out loop.Conn
	peer := l.Connect(acceptFunc(func(c loop.Conn) loop.Handler { out = c; return &sink{} }))
	l.Run()
	var sources []*looptest.Peer
	for range 16 {
		sources = append(sources, l.Connect(acceptFunc(func(loop.Conn) loop.Handler { return &forward{to: out} })))
	}
	l.Run()
	round := func(sources []*looptest.Peer) {
		for _, s := range sources {
			s.Send("0123456789")
		}
		l.Run()
	}
	for range 20 {
		round(sources)
	}
	l.Calls()
	for range 100 {
		round(sources)
	}
	if n := l.Calls(); n.Writes > 100 {
		t.Errorf("1600 messages in 100 busy rounds left in %d writes", n.Writes)
	}
	for range 100 {
		round(sources[:1])
	}
	l.Calls()
	for range 100 {
		round(sources[:1])
	}
	if n := l.Calls(); n.Writes != 100 || n.Wakes > 0 {
		t.Errorf("100 quiet rounds cost %+v", n)
	}
	if want := 120*160 + 2000; peer.Total() != want {
		t.Errorf("%d bytes arrived, want %d", peer.Total(), want)
	}
}
