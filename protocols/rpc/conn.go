package rpc

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"sluice/protocols"
)

const (
	// Whole is how long a frame may be that is passed on only when it is complete: its bytes stay with the loop until
	// then. It can't keep others waiting on the connection that it leaves by.
	Whole = 32 << 10
	// window is how many bytes of one frame's content a sink may leave untaken before reading stops.
	window = 64 << 10
	// One Decode starts at most maxStarts frames and reads little more than maxBytes.
	maxStarts = 64
	maxBytes  = 64 << 10
	// quiet is how long nothing has come over a draining connection when it is closed.
	quiet = 500 * time.Millisecond

	sumBytes = 4
)

// inState is what is read next.
//
//	head ──a frame of at most Whole bytes──> head
//	head ──head of a longer one──> content ──its last piece, and its CRC32──> head
//	any ──error──> ended
type inState uint8

const (
	inHead inState = iota
	inContent
	inEnded
)

// inbound is where the frame that is read stands.
type inbound struct {
	id     protocols.StreamID // whose content is read; 0: nobody's, it is dropped
	left   int                // bytes of the content to come
	sum    uint32             // CRC32 of the frame so far
	state  inState
	summed bool
}

// outbound is where the frame that is written stands. Frames can't be interleaved: while one is not complete, the heads
// of others wait.
type outbound struct {
	slot    int32  // whose frame is begun and not complete: index + 1
	left    int    // bytes of its content to come
	sum     uint32 // CRC32 of the frame so far
	summed  bool
	small   bool // it is taken whatever waits in the output
	starved bool // some of it was refused: the output was full
}

// traits are facts about a connection.
type traits uint16

const (
	isYielded   traits = 1 << iota // Decode has stopped for the sake of others
	isHalted                       // Decode has stopped because the sinks do not take what they get
	isBlocked                      // server: Decode has stopped because the client does not take its answers
	isFull                         // a head was refused because the output was full
	isCut                          // a frame will never be complete: nothing can be written behind it
	isClosing                      // PhaseDraining becomes PhaseClosing with the last stream
	isPinging                      // client: an answer to a ping is due
	isAnnounced                    // server: GoAway was encoded
	owesGoAway                     // server: its frame waits for the end of another
)

// conn is what both ends of a connection are made of.
type conn struct {
	table
	spec   *Spec
	env    *protocols.Env
	moved  time.Duration // something has come last, or the last stream has ended
	in     inbound
	out    outbound
	turns  queue // streams whose heads wait
	frames queue // frames of the codec's own that wait
	owed   int   // this connection's part of env.Owed
	phase  protocols.Phase
	traits traits
	// mark is the one of the last frame that a stream began with: the codec's own frames have the same.
	mark Mark
}

func newConn(spec *Spec, env *protocols.Env) conn {
	return conn{table: table{shared: sharedOf(spec, env)}, spec: spec, env: env}
}

// extent measures the frame f at the start of b: size is how much of it is to be read now, 0 when that is not there yet. A
// frame that is longer than Whole is read with its head.
func (c *conn) extent(f *Frame, b []byte) (size int, r *Rule) {
	sum := 0
	if f.Sum {
		sum = sumBytes
	}
	switch l := &c.env.Limits; {
	case f.Head+sum > l.HeadBytes:
		return 0, RuleHead
	case f.Content > l.ContentBytes:
		return 0, RuleContent
	}
	size = f.Head + f.Content + sum
	if size > Whole && f.Content > 0 {
		size, sum = f.Head, 0
	}
	if len(b) < size {
		return 0, nil
	}
	if sum > 0 && crc32.ChecksumIEEE(b[:size-sum]) != binary.BigEndian.Uint32(b[size-sum:]) {
		return 0, RuleSum
	}
	return size, nil
}

// readHead makes the head of f, which b begins with, the loop's header for it.
func (c *conn) readHead(f *Frame, b []byte, fields int) (*protocols.Header, *Rule) {
	h := &c.shared.head
	r := c.spec.Format.ReadHead(h, f, b[:f.Head], fields)
	h.Proto = c.spec.ID
	h.OneWay = f.Kind == OneWay
	h.ContentLength = int64(f.Content)
	return h, r
}

// stream begins reading the content of a frame in pieces, of which the head, b, has been read.
func (c *conn) stream(f *Frame, b []byte, id protocols.StreamID) {
	c.in = inbound{id: id, left: f.Content, state: inContent, summed: f.Sum}
	if f.Sum {
		c.in.sum = crc32.ChecksumIEEE(b)
	}
}

// decodeContent cuts the next piece of a frame's content off b. The last one comes when its CRC32 has proved right, so
// that no frame with a wrong one is completed anywhere.
func (c *conn) decodeContent(b []byte) (piece []byte, n int, last bool, r *Rule) {
	in := &c.in
	size := in.left
	if in.summed {
		size += sumBytes
	}
	if last = len(b) >= size; last {
		piece, n = b[:in.left], size
	} else {
		piece = b[:min(len(b), in.left-1)]
		n = len(piece)
	}
	if in.summed {
		in.sum = crc32.Update(in.sum, crc32.IEEETable, piece)
		if last && binary.BigEndian.Uint32(b[in.left:]) != in.sum {
			return nil, 0, false, RuleSum
		}
	}
	in.left -= len(piece)
	if last {
		in.state = inHead
	}
	return piece, n, last, nil
}

// emitData gives the sink a piece of a stream's content. The stream may be over: owner is its owner.
func (c *conn) emitData(sink protocols.Sink, id protocols.StreamID, owner any, data []byte, end bool) {
	c.env.Ev.Set(&protocols.Event{Kind: protocols.KindData, End: end, Stream: id, Owner: owner, Data: data})
	if sink.Event(&c.env.Ev) != protocols.Pause {
		return
	}
	if i := c.lookup(id); i >= 0 {
		c.slots[i].owed += int32(len(data))
		c.owed += len(data)
		c.env.Owed += len(data)
	}
}

// credit takes back what a sink had not taken.
func (c *conn) credit(ev *protocols.Event) {
	if i := c.lookup(ev.Stream); i >= 0 {
		c.settle(i, min(ev.N, int(c.slots[i].owed)))
	}
}

func (c *conn) settle(i, n int) {
	c.slots[i].owed -= int32(n)
	c.owed -= n
	c.env.Owed -= n
}

// stalled reports whether reading must wait until sinks have taken what they have.
func (c *conn) stalled() bool {
	if c.owed == 0 {
		return false
	}
	if c.owed >= c.env.Limits.Owed || c.env.Owed >= c.env.Limits.OwedOnLoop {
		return true
	}
	i := c.lookup(c.in.id)
	return i >= 0 && c.slots[i].owed >= window
}

// end frees a stream.
func (c *conn) end(i int) {
	if owed := c.slots[i].owed; owed != 0 {
		c.settle(i, int(owed))
	}
	if id := c.slots[i].id; id == c.in.id {
		c.in.id = 0 // what is still to come of it is dropped
	}
	c.release(i)
	if c.used == 0 {
		c.endPhase()
	}
}

// drain lets the streams in progress be the last. closing says that the connection closes behind them; otherwise
// something may still be on its way to us, and Advance closes when it is quiet.
func (c *conn) drain(closing bool) {
	if c.phase == protocols.PhaseOpen {
		c.phase = protocols.PhaseDraining
	}
	if closing {
		c.traits |= isClosing
	}
	if c.used == 0 {
		c.endPhase()
	}
}

// goneAway is the peer's word that there will be no more streams: a server takes none, or a client opens none. Those in progress
// go on.
func (c *conn) goneAway(sink protocols.Sink) {
	if c.phase != protocols.PhaseOpen {
		return
	}
	c.drain(true)
	c.env.Ev.Set(&protocols.Event{Kind: protocols.KindGoAway, Reason: protocols.ReasonDrained})
	sink.Event(&c.env.Ev)
}

// endPhase is the end of the last stream.
func (c *conn) endPhase() {
	switch {
	case c.phase != protocols.PhaseDraining || c.traits&isClosing == 0:
	case c.traits&isCut != 0:
		c.phase = protocols.PhaseAbort
	default:
		c.phase = protocols.PhaseClosing
	}
}

// Closed implements protocols.Closer.
func (c *conn) Closed() {
	c.env.Owed -= c.owed
	c.owed = 0
	c.drop()
	c.turns, c.frames, c.in.state, c.in.id = queue{}, queue{}, inEnded, 0
	if c.phase != protocols.PhaseAbort {
		c.phase = protocols.PhaseClosing
	}
}

// begins clears what the last Decode left to say.
func (c *conn) begins() { c.traits &^= isYielded | isHalted | isBlocked }

// pausing reports whether Decode must stop in front of the next frame or piece: it has done enough, or sinks hold too
// much.
func (c *conn) pausing(starts, n int) bool {
	if c.stalled() {
		c.traits |= isHalted
		return true
	}
	if starts >= maxStarts || n >= maxBytes {
		c.traits |= isYielded
		return true
	}
	return false
}

// state is the part of Status that both ends have.
func (c *conn) state() protocols.Status {
	var s protocols.Status
	s.Phase, s.Idle = c.phase, c.used == 0 && c.in.state == inHead
	if c.traits&isHalted != 0 {
		s.Stalled = c.stalled()
		s.Yielded = !s.Stalled
	}
	if c.traits&isBlocked != 0 {
		s.Stalled = true
	}
	if c.traits&isYielded != 0 || c.turnDue() {
		s.Yielded = true
	}
	return s
}
