package upstream

import (
	"fmt"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// defaultMuxIdle is how long a multiplexed connection may lie in a pool: those that serve them keep them for minutes, and
// say GOAWAY before they close.
const defaultMuxIdle = 60 * time.Second

// maxBacklog is how much output may wait on a connection that takes new streams: their heads have no window to wait for.
const maxBacklog = 4 * loop.HighWater

// muxTurn is how long a busy multiplexed connection goes on while another loop, or another protocol, waits for its place.
const muxTurn = 100 * time.Millisecond

// muxState is the life of a multiplexed connection.
//
//	dialling ──Opened──> open <──(room)──> full
//	open, full ──(GOAWAY, age, endpoint gone, its place is wanted)──> draining ──(last stream ends)──> closing
//	any ──(idle, error, FIN)──> closing ──Closed──> (gone)
type muxState uint8

const (
	muxDialling muxState = iota
	muxOpen              // in lane.open
	muxFull              // takes no stream until one ends
	muxDraining          // takes no stream any more
	muxClosing
)

// A muxConn is one upstream connection that carries many exchanges at once. It is the handler of its socket, the sink of
// its codec, and the carrier of its leases.
//
// What an exchange's end means for the others, and for the connection, is looked at in settle: at once, or when the call
// of the codec returns inside which it ended. So no connection is closed, and no stream opened, under a codec's feet.
type muxConn struct {
	link
	mux         protocols.Multiplexer // link.codec
	first, last *Lease                // oldest first
	streams     int                   // leases
	most        int                   // streams that the configuration allows
	idleFor     time.Duration         // < 0: for ever
	idleEnd     time.Duration         // when it has been idle for long enough; never while it is busy
	openedAt    time.Duration
	wantedAt    time.Duration      // when its place was first seen to be wanted; 0: it is not
	sending     protocols.StreamID // whose message is on its way, where others can't be begun before it is complete; 0: none's
	state       muxState
	heard       bool // the endpoint has said something
	used        bool // has carried a stream; until then lane.dialling counts it
	served      bool // a stream on it has ended
	cut         bool // it was closed while streams were open
	counted     bool // lane.live counts it
	stalled     bool // the codec takes nothing until exchanges have taken what they have: the connection is paused
	slow        bool // it was, and has had no room since: nobody waits for it
}

func newMuxConn(h *host, ln *lane, env *protocols.Env) *muxConn {
	cfg := &h.local.set.config
	m := &muxConn{link: newLink(h, ln, h.local.env(env)), idleFor: cfg.IdleTimeout, idleEnd: never, most: cfg.Multiplex.MaxStreams}
	var ok bool
	if m.mux, ok = m.codec.(protocols.Multiplexer); !ok {
		panic(fmt.Sprintf("upstream: the codec of %s, a multiplexed protocol, is no protocols.Multiplexer", ln.protocol.Name))
	}
	m.timer.Init(m)
	if m.idleFor == 0 {
		m.idleFor = defaultMuxIdle
	}
	if m.most <= 0 {
		m.most = int(^uint(0) >> 1)
	}
	if ln.protocol.Connections > 0 {
		ln.each = min(m.mux.Status().Room, m.most)
		m.heard = true
	}
	m.count()
	return m
}

// count lets the lane know whether the connection is one of those that requests may wait for.
func (m *muxConn) count() {
	switch counts := m.state < muxDraining && m.sending == 0 && !m.slow; {
	case counts == m.counted:
		return
	case counts:
		m.lane.live++
	default:
		m.lane.live--
	}
	m.counted = !m.counted
}

// room is how many more streams the connection takes. Until its endpoint has said something, what an earlier connection
// was told counts: more streams would be refused.
func (m *muxConn) room() int {
	s := m.mux.Status()
	if s.Phase != protocols.PhaseOpen || m.c.Buffered() > maxBacklog {
		return 0
	}
	most := m.most
	if !m.heard {
		most = min(most, m.lane.each)
	}
	return min(s.Room, most-m.streams)
}

// lend gives x a stream, which opens with the Head that it encodes.
func (m *muxConn) lend(x Exchange) *Lease {
	l := m.host.local.newLease()
	l.on, l.carrier, l.exchange, l.prev = &m.link, m, x, m.last
	l.reused = m.served || m.now() > m.openedAt
	if l.prev != nil {
		l.prev.next = l
	} else {
		m.first = l
	}
	m.last = l
	m.streams++
	m.idleEnd = never
	m.use()
	return l
}

// use notes that the connection is no longer one that is being made.
func (m *muxConn) use() {
	if !m.used {
		m.used = true
		m.lane.dialling--
	}
}

// unlink takes l off the connection; its exchange is over, or is being told so.
func (m *muxConn) unlink(l *Lease) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		m.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		m.last = l.prev
	}
	m.streams--
	m.served = true
}

// encode implements carrier.
func (m *muxConn) encode(ev *protocols.Event) (int, error) {
	n, err := m.mux.Encode(m.now(), ev, m.c)
	switch {
	case err != nil && m.mux.Status().Phase >= protocols.PhaseClosing:
		m.settleSoon()
	case ev.Kind == protocols.KindHead:
		m.follow()
	}
	if err == nil && m.lane.protocol.Connections > 0 {
		m.noteMessage(ev, n)
	}
	return n, err
}

// noteMessage follows the message that is on its way. When it is complete, others may be begun.
func (m *muxConn) noteMessage(ev *protocols.Event, taken int) {
	switch {
	case ev.Kind == protocols.KindHead && !ev.End:
		m.sending = ev.Stream
	case m.sending != 0 && ev.Stream == m.sending && ev.End && taken == len(ev.Data):
		m.sending = 0
		if m.lane.waiting > 0 {
			m.settleSoon()
		}
	default:
		return
	}
	m.count()
}

// resume implements carrier.
func (m *muxConn) resume(l *Lease, held int) {
	if held <= 0 || l.stream == 0 || m.state == muxClosing {
		return
	}
	ev := &m.host.local.event
	*ev = protocols.Event{Kind: protocols.KindCredit, Stream: l.stream, N: held}
	_, _ = m.mux.Encode(m.now(), ev, m.c) // a stream that the other side has ended needs no credit
	m.readOn()
}

// obey reads on, or does not, as the codec wants it. It reports whether the codec has done what it can with what came.
func (m *muxConn) obey(s protocols.Status) (done bool) {
	switch {
	case s.Yielded:
		m.c.Resume()
	case s.Stalled:
		m.stalled, m.slow = true, true
		m.count()
		m.c.Pause()
	default:
		return true
	}
	return false
}

// readOn reads again when what kept the codec from it is over: bytes were returned, or a stream that owed them has ended.
func (m *muxConn) readOn() {
	if m.stalled && m.state != muxClosing && !m.mux.Status().Stalled {
		m.stalled = false
		m.c.Resume()
	}
}

// release implements carrier.
func (m *muxConn) release(l *Lease) {
	l.end()
	m.unlink(l)
	m.host.local.freeLease(l)
	if m.lane.inside == m {
		return // the codec is looked at when its call returns
	}
	if m.streams > 0 && m.mux.Status().Phase >= protocols.PhaseClosing {
		m.settleSoon()
		return
	}
	m.settle()
}

// settleSoon lets the exchanges hear that the connection is at its end, but not from inside a call of one of them.
func (m *muxConn) settleSoon() { m.host.local.loop.Post(m.settle) }

// abort implements carrier.
func (m *muxConn) abort(l *Lease, r protocols.Reason) {
	if l.stream != 0 && m.state != muxClosing {
		ev := &m.host.local.event
		*ev = protocols.Event{Kind: protocols.KindReset, Stream: l.stream, Reason: r}
		_, _ = m.mux.Encode(m.now(), ev, m.c) // a stream that has ended already needs no reset
	}
	m.release(l)
}

// lose ends l because its stream or the connection has ended.
func (m *muxConn) lose(l *Lease, r protocols.Reason, unprocessed bool) {
	m.unlink(l)
	l.lose(r, unprocessed)
	m.host.local.freeLease(l)
}

// settle does what exchanges that have ended, or a call of the codec, ask for: it may close the connection, and serves
// requests that wait.
func (m *muxConn) settle() {
	if m.lane.inside == m {
		return
	}
	m.readOn()
	m.place()
	if m.lane.waiting > 0 {
		m.host.serve(m.lane)
	}
}

// place moves the connection to the state in which it belongs.
func (m *muxConn) place() {
	if m.state == muxDialling || m.state == muxClosing {
		return
	}
	s := m.mux.Status()
	switch s.Phase {
	case protocols.PhaseAbort, protocols.PhaseTunnel: // a connection of many streams is never one tunnel
		m.shut(loop.CloseNow, nil, protocols.ReasonNone)
		return
	case protocols.PhaseClosing:
		m.shut(loop.CloseFlushed, nil, protocols.ReasonNone)
		return
	case protocols.PhaseDraining:
		m.drain(false)
	case protocols.PhaseOpen:
		if m.host.index < 0 || m.surrenders() {
			m.drain(true)
		}
	}
	if m.slow && !m.stalled && s.Room > 0 {
		m.slow = false
		m.count()
	}
	switch {
	case m.state == muxDraining && m.streams == 0:
		m.shut(loop.CloseFlushed, nil, protocols.ReasonNone)
		return
	case m.state == muxFull && m.room() > 0:
		m.state = muxOpen
		m.lane.open = append(m.lane.open, m)
	}
	if m.streams == 0 && m.idleEnd == never {
		m.becomeIdle()
	}
}

// learn keeps how many streams a connection to this endpoint carries, now that it has said something. One that allows
// none at present says nothing about the next connection.
func (m *muxConn) learn(s protocols.Status) {
	if m.lane.protocol.Connections > 0 {
		return // that is known from the start
	}
	m.heard = true
	if n := min(s.Room, 1<<20) + m.streams; n > 0 && s.Phase == protocols.PhaseOpen {
		m.lane.each = min(n, m.most)
	}
}

// surrenders reports whether the connection must make room for another one to the endpoint, at its limit of connections:
// an idle one at once, a busy one when it has had its turn.
func (m *muxConn) surrenders() bool {
	switch {
	case !m.host.wanted(m.lane):
		m.wantedAt = 0
		return false
	case m.streams == 0 && m.lane.waiting == 0:
		return true
	case m.wantedAt == 0:
		m.wantedAt = m.now()
	}
	return m.now()-m.wantedAt >= muxTurn
}

// drain makes the connection take no further stream; settle closes it when there is none left. announce tells the other
// side.
func (m *muxConn) drain(announce bool) {
	if m.state != muxOpen && m.state != muxFull {
		return
	}
	if m.state == muxOpen {
		m.lane.remove(m)
	}
	m.state = muxDraining
	m.count()
	if announce {
		// RFC 9113 section 6.8: "Endpoints SHOULD always send a GOAWAY frame before closing a connection".
		ev := &m.host.local.event
		*ev = protocols.Event{Kind: protocols.KindGoAway}
		_, _ = m.mux.Encode(m.now(), ev, m.c)
	}
}

// shut closes the connection and tells its exchanges; Closed follows from the loop. It must not be called inside the
// codec.
func (m *muxConn) shut(how loop.CloseMode, err error, r protocols.Reason) {
	if m.state == muxClosing {
		return
	}
	m.cut = m.streams > 0
	m.host.local.loop.Disarm(&m.timer)
	m.c.Close(how, err)
	m.end(r)
}

// end is the end of everything that the connection carried or was to carry.
func (m *muxConn) end(r protocols.Reason) {
	if m.state == muxOpen {
		m.lane.remove(m)
	}
	m.state = muxClosing
	m.count()
	for l := m.first; l != nil; l = m.first {
		m.lose(l, r, false)
	}
	if !m.used {
		m.use()
		m.host.missed(m.lane, protocols.ReasonConnectFailed)
	}
}
