//go:build !race

package http2

import (
	"runtime"
	"testing"
	"unsafe"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// An idle connection that has served requests owns its codec, HPACK's tables with what is in them, and no more.
func TestIdleConnectionIsSmall(t *testing.T) {
	const (
		n    = 500
		most = 1536
	)
	t.Logf("conn has %d bytes, a stream %d, a queue %d", unsafe.Sizeof(conn{}), unsafe.Sizeof(stream{}), unsafe.Sizeof(queue{}))
	if size := unsafe.Sizeof(stream{}); size > 128 {
		t.Errorf("a stream has %d bytes", size)
	}
	env := protocols.NewEnv(protocols.Limits{})
	request := hello().get(1).b
	// The dynamic tables hold a few hundred bytes: fields that clients index, and those of the answer.
	indexed := new(script).frame(frameHeaders, flagEndHeaders|flagEndStream, 3, "\x82\x86\x84\x41\x0bwww.example"+
		"\x7a\x1fMozilla/5.0 (X11; Linux x86_64)"+"\x53\x03*/*").b
	var out protocoltest.Null
	fill := func() *conn {
		c := newServer(env)
		sink := answerAll{c, &out}
		for _, b := range [][]byte{request, indexed} {
			if k, err := c.Decode(0, b, sink, &out); k != len(b) || err != nil {
				t.Fatalf("%d of %d, %v", k, len(b), err)
			}
		}
		return c
	}
	fill()
	conns := make([]*conn, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range conns {
		conns[i] = fill()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("an idle server has %d bytes", each)
	if each > most {
		t.Errorf("an idle server has %d bytes, want at most %d", each, most)
	}
	for _, c := range conns {
		if !c.Status().Idle || c.streams.slots != nil {
			t.Fatal("not idle")
		}
	}
}

// answerAll answers every request within its event.
type answerAll struct {
	c   *conn
	out protocols.Output
}

func (a answerAll) Event(ev *protocols.Event) protocols.Verdict {
	h := answerHeader(200, "server", "sluice", "content-type", "text/plain", "date", "Mon, 23 Nov 2026 18:00:00 GMT")
	if _, err := a.c.Encode(0, &protocols.Event{Kind: protocols.KindHead, Stream: ev.Stream, Header: h, End: true}, a.out); err != nil {
		panic(err)
	}
	return protocols.More
}
