package upstream

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
	"sluice/protocols/bolt"
)

// newBoltRig is a rig whose calls are Bolt's.
func newBoltRig(t testing.TB, cfg ClusterConfig) *rig {
	r := newRig(t, cfg)
	r.proto = bolt.Protocol()
	return r
}

// boltAnswer is an answer to the call with the id.
func boltAnswer(id uint32, content string) []byte {
	b := []byte{1, 0, 0, 2, 1}
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 1, 0, 0, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(content))), content...)
}

// boltCalls takes what has arrived, complete frames without class and header block, and returns their ids.
func (s *server) boltCalls() (ids []uint32) {
	s.t.Helper()
	for b := s.Take(); len(b) > 0; {
		ids = append(ids, binary.BigEndian.Uint32([]byte(b[5:9])))
		size := 22 + int(binary.BigEndian.Uint16([]byte(b[16:18]))) + int(binary.BigEndian.Uint32([]byte(b[18:22])))
		if size > len(b) {
			s.t.Fatalf("a frame of %d bytes, of which %d are there", size, len(b))
		}
		b = b[size:]
	}
	return ids
}

// One connection carries all that begins together, and no other is made for it; max_connections asks for more.
func TestBoltOneConnection(t *testing.T) {
	for _, tc := range []struct{ calls, limit, want int }{{1, 0, 1}, {900, 0, 1}, {3000, 0, 1}, {900, 3, 1}, {3000, 3, 3}, {9000, 2, 2}} {
		cfg := rigConfig()
		cfg.Limits.Connections = tc.limit
		r := newBoltRig(t, cfg)
		calls := r.calls(min(tc.calls, maxWaitingStreams))
		r.l.Run()
		r.wantServers(tc.want)
		for done := false; !done; {
			done = true
			for _, s := range r.servers {
				ids := s.boltCalls()
				for _, id := range ids {
					s.SendBytes(boltAnswer(id, ""))
				}
				done = done && len(ids) == 0
			}
			r.l.Run()
		}
		want(t, calls, "done")
		r.wantServers(tc.want)
		r.checkIdle()
	}
}

// slow is a call that has sent the head and half of the content of its request.
func (r *rig) slow() *call {
	c := &call{}
	c.onReady = func() {
		c.head.Reset()
		c.head.ContentLength = 100
		c.ev = protocols.Event{Kind: protocols.KindHead, Header: &c.head}
		if _, err := c.lease.Encode(&c.ev); err != nil {
			r.t.Error(err)
		}
		c.sendHalf(false)
	}
	return r.start(c)
}

func (c *call) sendHalf(end bool) {
	c.ev = protocols.Event{Kind: protocols.KindData, End: end, Data: []byte(strings.Repeat("x", 50))}
	if n, err := c.lease.Encode(&c.ev); n != 50 || err != nil {
		c.r.t.Errorf("%d bytes were taken, %v", n, err)
	}
}

// Nobody waits for a client that sends slowly: there is another connection while its frame is on its way.
func TestBoltSlowSender(t *testing.T) {
	r := newBoltRig(t, rigConfig())
	slow := r.slow()
	r.l.Run()
	calls := r.calls(10)
	r.l.Run()
	r.wantServers(2)
	if ids := r.server(1).boltCalls(); len(ids) != 10 {
		t.Fatalf("%d calls on the second connection", len(ids))
	}
	r.l.Do(func() { slow.sendHalf(true) })
	r.l.Run()
	ids := r.server(0).boltCalls()
	if len(ids) != 1 {
		t.Fatalf("the slow call has arrived as %v", ids)
	}
	r.server(0).SendBytes(boltAnswer(ids[0], "ok"))
	r.l.Run()
	want(t, []*call{slow}, "done")
	r.calls(20)
	r.l.Run()
	r.wantServers(2)
	for _, c := range calls {
		r.l.Do(c.abort)
	}
}

// With a limit of connections a call waits for the frame that is on its way, and goes behind it.
func TestBoltWaitsForAFrame(t *testing.T) {
	cfg := rigConfig()
	cfg.Limits.Connections = 1
	r := newBoltRig(t, cfg)
	slow := r.slow()
	r.l.Run()
	next := r.call()
	r.l.Run()
	want(t, []*call{next}, "waits")
	r.l.Do(func() { slow.sendHalf(true) })
	r.l.Run()
	want(t, []*call{next}, "leased")
	r.wantServers(1)
	ids := r.server(0).boltCalls()
	if len(ids) != 2 {
		t.Fatalf("the calls %v have arrived", ids)
	}

	// A frame that is given up ends its connection behind the answers that are due on it; what waits gets another.
	half := r.slow()
	last := r.call()
	r.l.Run()
	want(t, []*call{last}, "waits")
	r.l.Do(half.abort)
	r.l.Run()
	want(t, []*call{last}, "waits")
	for _, id := range ids {
		r.server(0).SendBytes(boltAnswer(id, ""))
	}
	r.l.Run()
	want(t, []*call{slow, next}, "done")
	want(t, []*call{last}, "leased")
	r.wantServers(2)
}

// stalledRig has a call whose answer of size bytes is not taken: its connection is paused with the rest unread.
func stalledRig(t *testing.T, size int) (r *rig, reader, other *call, held func() int) {
	r = newBoltRig(t, rigConfig())
	reader = r.start(&call{verdict: protocols.Pause})
	other = r.call()
	r.l.Run()
	s := r.server(0)
	ids := s.boltCalls()
	s.SendBytes(boltAnswer(ids[0], strings.Repeat("y", size)))
	s.SendBytes(boltAnswer(ids[1], ""))
	r.l.Run()
	if s.Unread() == 0 || other.done {
		t.Fatalf("%d bytes are unread, and the other call is %s", s.Unread(), other.state())
	}
	given := 0
	return r, reader, other, func() int {
		n := strings.Count(reader.got, "y") - given
		given += n
		return n
	}
}

func TestBoltStalledConnection(t *testing.T) {
	const size = 1 << 20
	r, reader, other, held := stalledRig(t, size)
	s := r.server(0)
	before := s.Unread()
	r.l.Run()
	if s.Unread() != before {
		t.Errorf("a stalled connection has read %d bytes", before-s.Unread())
	}
	for i := 0; !reader.done; i++ {
		if i > 100 {
			t.Fatalf("%d bytes have come", strings.Count(reader.got, "y"))
		}
		n := held()
		r.l.Do(func() { reader.lease.Resume(n) })
		r.l.Run()
	}
	if n := strings.Count(reader.got, "y"); n != size || !other.done {
		t.Errorf("%d bytes have come; the other call is %s", n, other.state())
	}
}

// The end of the one that does not read lets the others go on.
func TestBoltStalledConnectionAfterAbort(t *testing.T) {
	r, reader, other, _ := stalledRig(t, 1<<20)
	r.l.Do(reader.abort)
	r.l.Run()
	if n := r.server(0).Unread(); n != 0 || !other.done {
		t.Errorf("%d bytes are unread, and the other call is %s", n, other.state())
	}
	r.wantServers(1)
}

// New calls go elsewhere while one keeps the connection from being read; those that were on it wait for a while, and then
// the one that does not read is over.
func TestBoltSlowReader(t *testing.T) {
	r, reader, other, _ := stalledRig(t, 1<<20)
	later := r.calls(10)
	r.l.Run()
	r.wantServers(2)
	for _, id := range r.server(1).boltCalls() {
		r.server(1).SendBytes(boltAnswer(id, "ok"))
	}
	r.l.Run()
	want(t, later, "done")
	want(t, []*call{reader, other}, "leased")
	r.l.Advance(3 * time.Second)
	want(t, []*call{reader}, "lost slow_reader unprocessed=false answered=true")
	want(t, []*call{other}, "done")
	if n := r.server(0).Unread(); n != 0 || len(r.closes) != 0 {
		t.Errorf("%d bytes are unread, closed: %v", n, r.closes)
	}
	// Both connections are as good as new.
	r.calls(10)
	r.l.Run()
	r.wantServers(2)
}

// Who reads slowly, but reads, has no more calls put behind it, and keeps its connection.
func TestBoltSlowReaderKeepsItsConnection(t *testing.T) {
	const size = 1 << 20
	r := newBoltRig(t, rigConfig())
	reader := r.start(&call{verdict: protocols.Pause})
	r.l.Run()
	s := r.server(0)
	s.SendBytes(boltAnswer(s.boltCalls()[0], strings.Repeat("y", size)))
	r.l.Run()
	for given := 0; !reader.done; {
		n := strings.Count(reader.got, "y") - given
		if given += n; n == 0 {
			t.Fatalf("nothing has come behind %d bytes", given)
		}
		other := r.call()
		r.l.Run()
		for _, id := range r.server(1).boltCalls() {
			r.server(1).SendBytes(boltAnswer(id, ""))
		}
		r.l.Advance(time.Second)
		want(t, []*call{other}, "done")
		r.l.Do(func() { reader.lease.Resume(n) })
		r.l.Run()
	}
	want(t, []*call{reader}, "done")
	r.wantServers(2)
	r.checkIdle()
}

// What a server has sent before it closed is read, however slowly.
func TestBoltStalledConnectionEnds(t *testing.T) {
	const size = 300 << 10
	r, reader, other, held := stalledRig(t, size)
	r.server(0).CloseWrite()
	r.l.Run()
	for i := 0; i < 100 && !reader.done; i++ {
		n := held()
		r.l.Do(func() { reader.lease.Resume(n) })
		r.l.Run()
	}
	if n := strings.Count(reader.got, "y"); n != size || !other.done {
		t.Errorf("%d bytes have come; the calls are %s and %s", n, reader.state(), other.state())
	}
	if !r.server(0).Closed() {
		t.Error("the connection is still there")
	}
}

// More frames than one turn takes, and a FIN behind them.
func TestBoltManyAnswersThenFIN(t *testing.T) {
	r := newBoltRig(t, rigConfig())
	calls := r.calls(1000)
	r.l.Run()
	s := r.server(0)
	for _, id := range s.boltCalls() {
		s.SendBytes(boltAnswer(id, "z"))
	}
	s.CloseWrite()
	r.l.Run()
	want(t, calls, "done")
}
