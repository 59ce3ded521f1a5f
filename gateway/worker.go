package gateway

import (
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"

	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
	"sluice/router"
	"sluice/upstream"
)

// maxKeptHead is the largest head storage that a free stream keeps.
const maxKeptHead = 16 << 10

// A worker is one loop's part of a gateway. Everything in it belongs to that loop.
type worker struct {
	g        *Gateway
	loop     loop.Loop
	log      *slog.Logger
	shard    *metrics.Shard
	draining drainState
	rng      rand.PCG // for choices and names, not for secrets; not behind a pointer, which could lead into another loop's cache line

	streams  *stream // free list
	free     int     // streams in it
	kept     int     // bytes of storage that they keep
	active   int     // streams in progress
	sessions sessionList
	lobby    loop.Lobby
	match    router.Input
	request  upstream.Request
	// toClient and toServer are what a stream encodes, piece is what filters have made of an event: none outlives its call.
	toClient protocols.Event
	toServer protocols.Event
	piece    protocols.Event
	goAway   protocols.Event
	credit   protocols.Event
	holds    holdBuffers
	turns    turns
	heads    []*protocols.Header // free storage for answers
	record   accesslog.Record
	value    []byte // of a template
	buffers  accesslog.Buffers
	scratch  []byte // for text that is built before it is copied into a header
}

func newWorker(g *Gateway, l loop.Loop, s shares) *worker {
	w := &worker{g: g, loop: l, log: g.log, scratch: make([]byte, 0, 1024)}
	w.rng.Seed(rand.Uint64(), rand.Uint64())
	w.lobby.SetRoom(s.lobby)
	w.holds.most = s.held
	w.shard = g.registry.NewShard(l.Post)
	return w
}

// newStream takes a stream from the free list, for s, whose kind carries it.
func (w *worker) newStream(s *session, kind carrier) *stream {
	st := w.streams
	if st == nil {
		st = &stream{w: w}
		st.timer.Init(st)
		st.tryTimer.Init(st)
	} else {
		w.streams = st.next
		w.free--
		w.kept -= st.storage()
	}
	st.next = nil
	st.s, st.carrier = s, kind
	w.active++
	return st
}

// freeStream puts st back; nothing refers to it any more.
func (w *worker) freeStream(st *stream) {
	w.active--
	st.stopTry()
	st.request.hold.drop(w)
	st.answer.hold.drop(w)
	st.exchange = exchange{}
	if st.replay = st.replay[:0]; cap(st.replay) > maxKeptHead {
		st.replay = nil
	}
	if st.req.Size() > maxKeptHead {
		st.req = protocols.Header{}
	}
	if st.resp != nil {
		w.keepHead(st.resp)
		st.resp = nil
	}
	w.keepStream(st)
	if w.draining == drainStarted {
		w.g.drained.check(w)
	}
}

// maxFreeStreams and maxKept are how many streams a loop keeps for later, and how many bytes of storage in them: what a crowd
// has needed once is not held for ever.
const (
	maxFreeStreams = 4096
	maxKept        = 8 << 20
)

// keepStream puts st on the free list, or leaves it to the collector.
func (w *worker) keepStream(st *stream) {
	size := st.storage()
	if w.free == maxFreeStreams || w.kept+size > maxKept {
		w.loop.Disarm(&st.timer) // it may run still: see Expired
		return
	}
	w.free++
	w.kept += size
	st.next = w.streams
	w.streams = st
}

// storage is the number of bytes that st keeps while nobody uses it, beside its own.
func (st *stream) storage() int { return st.req.Size() + cap(st.replay) }

// giveHead gives st storage for the head of its answer, if it has none. Most of the streams of a busy loop wait for their
// answers, and the storage that was used last is still in the CPU's cache.
func (w *worker) giveHead(st *stream) {
	switch n := len(w.heads); {
	case st.resp != nil:
	case n > 0:
		st.resp = w.heads[n-1]
		w.heads = w.heads[:n-1]
	default:
		st.resp = new(protocols.Header)
	}
}

// maxKeptHeads is how many storages for answers a loop keeps: as many as are in use at once, between an answer's head and its
// end.
const maxKeptHeads = 1024

// keepHead takes back the storage of an answer.
func (w *worker) keepHead(h *protocols.Header) {
	if h.Size() <= maxKeptHead && len(w.heads) < maxKeptHeads {
		h.Reset()
		w.heads = append(w.heads, h)
	}
}

// appendRequestID appends 32 random hexadecimal digits.
func (w *worker) appendRequestID(dst []byte) []byte {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], w.rng.Uint64())
	binary.LittleEndian.PutUint64(b[8:], w.rng.Uint64())
	return hex.AppendEncode(dst, b[:])
}
