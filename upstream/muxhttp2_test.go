package upstream

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/protocols"
	"sluice/protocols/http2"
	"sluice/protocols/protocoltest"
)

// An echo is an HTTP/2 server that answers each request with its own body, or a part of them with a refusal.
type echo struct {
	*looptest.Peer
	l      *looptest.Loop
	rng    *rand.Rand
	codec  protocols.Codec
	out    protocoltest.Output
	left   []byte
	bodies map[protocols.StreamID][]byte
	answer protocols.Header
	refuse bool
}

func newEcho(l *looptest.Loop, p *looptest.Peer, limits protocols.Limits, rng *rand.Rand) *echo {
	e := &echo{Peer: p, l: l, rng: rng, codec: http2.Protocol().Server(protocols.NewEnv(limits)), bodies: map[protocols.StreamID][]byte{}}
	p.OnReceive(func(b []byte) {
		e.left = append(e.left, b...)
		for again := true; again; {
			n, _ := e.codec.Decode(l.Clock(), e.left, e, &e.out)
			e.left = e.left[n:]
			again = e.codec.Status().Yielded
		}
		e.flush()
	})
	return e
}

func (e *echo) flush() { e.SendBytes(e.out.Take()) }

func (e *echo) encode(ev protocols.Event) int {
	n, _ := e.codec.Encode(e.l.Clock(), &ev, &e.out)
	return n
}

// Event implements protocols.Sink.
func (e *echo) Event(ev *protocols.Event) protocols.Verdict {
	switch ev.Kind {
	case protocols.KindHead:
		if e.refuse && e.rng.IntN(8) == 0 {
			e.encode(protocols.Event{Kind: protocols.KindReset, Stream: ev.Stream, Unprocessed: true})
			return protocols.More
		}
		e.bodies[ev.Stream] = nil
	case protocols.KindData:
		e.bodies[ev.Stream] = append(e.bodies[ev.Stream], ev.Data...)
	case protocols.KindCredit:
		e.send(ev.Stream)
	case protocols.KindTrailer, protocols.KindReset, protocols.KindGoAway:
	}
	if ev.End {
		e.answer.Reset()
		e.answer.Status = 200
		e.encode(protocols.Event{Kind: protocols.KindHead, Stream: ev.Stream, Header: &e.answer})
		e.send(ev.Stream)
	}
	return protocols.More
}

func (e *echo) send(id protocols.StreamID) {
	b := e.bodies[id]
	n := e.encode(protocols.Event{Kind: protocols.KindData, Stream: id, Data: b, End: true})
	if e.bodies[id] = b[n:]; n == len(b) {
		delete(e.bodies, id)
	}
}

// TestHTTP2 runs requests with bodies through the pool and the real codecs at both ends.
func TestHTTP2(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		cfg := rigConfig()
		cfg.Limits.Connections = 1 + rng.IntN(3)
		r := newRig(t, cfg)
		r.proto = http2.Protocol()
		limits := protocols.Limits{Streams: 5 + rng.IntN(20)}
		var echoes []*echo
		r.l.Listen(looptest.Addr("10.0.0.1", 80), func(p *looptest.Peer) {
			r.servers = append(r.servers, &server{t: t, Peer: p, l: r.l})
			e := newEcho(r.l, p, limits, rng)
			e.refuse = len(echoes) > 0 || rng.IntN(2) == 0
			echoes = append(echoes, e)
		})
		r.l.Inject(seed, looptest.Faults{ShortRead: 0.3, ShortWrite: 0.3})
		done, want, sent := 0, 200, 0
		var calls []*call
		for sent < want || done < want {
			if rng.IntN(60) == 0 && len(echoes) > 0 { // a graceful end in between
				e := echoes[len(echoes)-1]
				e.encode(protocols.Event{Kind: protocols.KindGoAway})
				e.flush()
			}
			for n := rng.IntN(30); n > 0 && sent < want; n-- {
				sent++
				calls = append(calls, r.h2call(rng, &done))
			}
			r.l.Advance(time.Duration(rng.IntN(5)) * time.Millisecond)
			if sent == want {
				before := done
				r.l.Advance(5 * time.Second) // everything that can happen does
				if done == before && done < want {
					t.Fatalf("seed %d: %d of %d requests were answered, then nothing more happens", seed, done, want)
				}
			}
		}
		for i, c := range calls {
			if c.lease != nil || c.wait != nil {
				t.Errorf("seed %d: call %d: %s", seed, i, c.state())
			}
		}
		r.checkIdle()
		if r.env.Owed != 0 {
			t.Errorf("seed %d: %d bytes are still owed", seed, r.env.Owed)
		}
	}
}

// h2call starts a request with a body, which is sent again when it was not processed.
func (r *rig) h2call(rng *rand.Rand, done *int) *call {
	body := strings.Repeat("b", 1+rng.IntN(40<<10))
	c := &call{body: body}
	c.onEvent = func() {
		if c.got == "H"+body+"." {
			*done++
		}
	}
	c.onLost = func() {
		if !c.lost[len(c.lost)-1].Unprocessed {
			r.t.Errorf("lost: %+v", c.lost)
			return
		}
		c.body, c.got = body, ""
		c.acquire()
	}
	return r.start(c)
}

// An h2server answers raw frames and allocates nothing.
type h2server struct {
	answers []byte
}

// take reads the frames in b and appends an answer for each HEADERS. b holds whole frames.
func (s *h2server) take(b []byte) {
	s.answers = s.answers[:0]
	for len(b) >= 9 {
		size := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if b[3] == 1 {
			s.answers = append(s.answers, 0, 0, 1, 1, 5) // HEADERS, END_STREAM and END_HEADERS
			s.answers = append(s.answers, b[5:9]...)
			s.answers = append(s.answers, 0x88) // :status 200
		}
		b = b[9+size:]
	}
}

// h2rig is a rig with one open HTTP/2 connection, and a function that runs n exchanges at once on it.
func h2rig(t testing.TB, n int) (r *rig, exchange func()) {
	r = newRig(t, rigConfig())
	r.proto = http2.Protocol()
	r.call()
	p := r.server(0)
	preface := len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	var h h2server
	h.take([]byte(p.Take())[preface:])
	settings := []byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0} // MAX_CONCURRENT_STREAMS
	binary.BigEndian.PutUint32(settings[11:], 1000)
	p.SendBytes(append(settings, 0, 0, 0, 4, 1, 0, 0, 0, 0)) // and the acknowledgement of ours
	p.SendBytes(h.answers)
	r.l.Run()
	p.Discard()
	calls := make([]call, n)
	for i := range calls {
		calls[i].prepare(r)
		calls[i].quiet = true
	}
	begin := func() {
		for i := range calls {
			calls[i].done = false
			calls[i].acquire()
		}
	}
	return r, func() {
		r.l.Do(begin)
		h.take(p.Bytes())
		p.Discard()
		p.SendBytes(h.answers)
		r.l.Run()
		for i := range calls {
			if !calls[i].done {
				t.Fatalf("call %d: %s", i, calls[i].state())
			}
		}
	}
}

// TestHTTP2Pings: the settings of the cluster reach the codec, and a silent peer is lost.
func TestHTTP2Pings(t *testing.T) {
	cfg := rigConfig()
	cfg.Multiplex = MultiplexConfig{PingInterval: 5 * time.Second, PingTimeout: 2 * time.Second}
	r := newRig(t, cfg)
	r.proto = http2.Protocol()
	limits := protocols.Limits{}
	r.l.Listen(looptest.Addr("10.0.0.1", 80), func(p *looptest.Peer) {
		r.servers = append(r.servers, &server{t: t, Peer: p, l: r.l})
		newEcho(r.l, p, limits, nil)
	})
	c := r.start(&call{body: "x"})
	want(t, []*call{c}, "done")
	r.l.Advance(30 * time.Second) // pings are answered
	open := &call{}
	open.onReady = func() {
		open.head.Reset()
		open.head.SetMethod(open.text[:3])
		open.head.SetPath(open.text[3:])
		open.head.SetAuthorityString("c")
		open.ev = protocols.Event{Kind: protocols.KindHead, Header: &open.head}
		if _, err := open.lease.Encode(&open.ev); err != nil {
			t.Error(err)
		}
	}
	r.start(open)
	r.wantServers(1)
	r.server(0).OnReceive(func([]byte) {})
	r.l.Advance(8 * time.Second)
	want(t, []*call{open}, "lost upstream_silent unprocessed=false answered=false")
	if !r.server(0).Closed() {
		t.Error("the connection to a silent peer is open")
	}
	r.checkIdle()
}

func BenchmarkHTTP2(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(map[int]string{1: "alone", 32: "by32"}[n], func(b *testing.B) {
			_, exchange := h2rig(b, n)
			b.ReportAllocs()
			for b.Loop() {
				exchange()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/request")
		})
	}
}

var _ loop.Handler = (*muxConn)(nil)
