package http2

import (
	"time"

	"sluice/protocols"
	"sluice/protocols/http2/hpack"
	"sluice/protocols/syntax"
)

// role is the end of the connection that a conn is.
type role uint8

const (
	roleServer role = iota
	roleClient
)

// input is what Decode reads next. The payload of a DATA frame, and what of a frame is dropped, are counters beside it.
//
//	preface ──24 bytes (server)──> first ──SETTINGS──> frames ──a connection error──> ended
type input uint8

const (
	inputPreface input = iota
	inputFirst
	inputFrames
	inputEnded
)

// conn is one end of a connection. It holds no bytes: a frame header or a field block that is not whole stays with the
// loop, and data is passed on as it comes.
type conn struct {
	env     *protocols.Env
	loop    *shared
	streams table
	queue   *queue // nil while nobody waits
	dec     hpack.Decoder
	enc     hpack.Encoder
	fates   fates
	rates   rates
	timers  timers

	role    role
	input   input
	phase   protocols.Phase // PhaseOpen here includes PhaseDraining
	leaving leaving
	flags   connFlags
	starts  uint8  // streams that this Decode has started
	unread  uint16 // control frames that were written while the output was full

	cur  uint32 // the stream of the DATA frame in progress
	left int32  // its data that has not come
	drop int32  // bytes to drop behind that: padding, or the payload of a frame that nobody wants
	need int32  // Decode need not look before so many bytes are there

	send, recv         int32 // the connection's windows
	unsaid             int32 // bytes that came and were not yet given back to recv
	sendFirst          int32 // of a new stream: the peer's SETTINGS_INITIAL_WINDOW_SIZE
	recvFirst          int32 // ours, as far as the peer knows it
	resizeBy           int32 // what the acknowledgement of our SETTINGS adds to the windows of streams up to resizeTo
	resizeTo           uint32
	owed               int   // the connection's part of Env.Owed
	grown              int   // what the windows of its streams have grown by
	peerStreams        int32 // SETTINGS_MAX_CONCURRENT_STREAMS
	lastGood, nextOpen uint32
}

// connFlags are facts about a connection.
type connFlags uint16

const (
	sentSettings  connFlags = 1 << iota
	ackedSettings           // the peer has acknowledged ours
	gotSettings             // the peer's have come
	takesConnect            // the peer takes extended CONNECT (RFC 8441)
	endsData                // the DATA frame in progress has END_STREAM
	yielded
	lingers
	gaveBack  // Closed was called
	starving  // behind the end of input, a stream waits for a window that nobody can open
	announced // our last GOAWAY says that streams above lastGood are ignored
	asksEarly // requests for a tunnel wait for the peer's SETTINGS (shared.early)
)

// call is what one call of the codec works with. It does not outlive it.
type call struct {
	now  time.Duration
	sink protocols.Sink
	out  protocols.Output
}

func newConn(env *protocols.Env, r role) *conn {
	return &conn{env: env, loop: sharedOf(env), role: r, send: firstWindow, recv: firstWindow,
		sendFirst: firstWindow, recvFirst: firstWindow, rates: rates{updates: budget{earned: updatesBase}}}
}

// Decode implements protocols.Codec.
func (c *conn) Decode(now time.Duration, b []byte, sink protocols.Sink, out protocols.Output) (n int, err error) {
	t := call{now, sink, out}
	c.flags &^= yielded
	c.starts = 0
	if c.input != inputEnded {
		c.timers.heard(now)
	}
	if len(b) < int(c.need) {
		return 0, nil
	}
	c.need = 0
	for n < len(b) {
		k, r := c.step(&t, b[n:])
		n += k
		if r != ruleOK {
			return n, c.fail(r, out)
		}
		if k == 0 || c.flags&yielded != 0 {
			break
		}
	}
	return n, nil
}

// step reads one frame, or one part of what is read in parts; k is 0 when more bytes are needed.
func (c *conn) step(t *call, b []byte) (k int, r rule) {
	switch {
	case c.left > 0:
		return c.readPayload(t, b)
	case c.drop > 0:
		k = min(int(c.drop), len(b))
		c.drop -= int32(k)
		return k, ruleOK
	case c.input >= inputFirst && c.input <= inputFrames:
		return c.readFrame(t, b)
	case c.input == inputEnded:
		return len(b), ruleOK
	}
	return c.readPreface(t, b)
}

// readPreface reads what a client sends first.
func (c *conn) readPreface(t *call, b []byte) (int, rule) {
	switch detect(b) {
	case protocols.MatchMaybe:
		c.need = int32(len(b) + 1)
		return 0, ruleOK
	case protocols.MatchYes:
		c.input = inputFirst
		c.begin(t.now, t.out)
		return len(preface), ruleOK
	case protocols.MatchNo:
	}
	switch looksLikeHTTP1(b) {
	case protocols.MatchYes:
		return 0, rulePrefaceHTTP1
	case protocols.MatchMaybe:
		c.need = int32(len(b) + 1)
		return 0, ruleOK
	default:
		return 0, rulePreface
	}
}

// looksLikeHTTP1 recognises a method, and a space in front of what begins a target (RFC 9112 section 3.2): a path, a URL, the
// asterisk, and for CONNECT any host.
func looksLikeHTTP1(b []byte) protocols.Match {
	const longest = 16
	for i, x := range b {
		switch {
		case x == ' ' && i > 2 && string(b[:i]) != "PRI":
			if i+1 == len(b) {
				return protocols.MatchMaybe
			}
			switch next := b[i+1]; {
			case next == '/', next == '*', next == 'h', string(b[:i]) == "CONNECT" && syntax.Host.Has(next):
				return protocols.MatchYes
			}
			return protocols.MatchNo
		case x < 'A' || x > 'Z' || i == longest:
			return protocols.MatchNo
		}
	}
	return protocols.MatchMaybe
}

// readFrame reads a frame, or the head of a DATA frame.
func (c *conn) readFrame(t *call, b []byte) (int, rule) {
	if len(b) < headerLen {
		c.need = headerLen
		return 0, ruleOK
	}
	f := parseFrame(b)
	switch {
	case f.length > frameSize:
		return 0, ruleFrameSize
	case c.unread > maxUnread:
		return 0, ruleFloodUnread
	case c.input == inputFirst && (f.kind != frameSettings || f.flags&flagAck != 0):
		// RFC 9113 section 3.4: "The server connection preface consists of a potentially empty SETTINGS frame that MUST
		// be the first frame the server sends", and the client's "MUST be followed by a SETTINGS frame".
		return 0, ruleFirstFrame
	}
	switch f.kind {
	case frameData:
		return c.readData(t, f, b)
	case frameHeaders:
		return c.readHeaders(t, f, b)
	case frameContinuation:
		return 0, ruleContinuationAlone
	case framePushPromise:
		return 0, rulePush
	default:
	}
	k := headerLen + f.length
	if len(b) < k {
		c.need = int32(k)
		return 0, ruleOK
	}
	return k, c.readControl(t, f, b[headerLen:k])
}

// readControl reads a whole frame that carries neither data nor fields.
func (c *conn) readControl(t *call, f frame, p []byte) rule {
	switch f.kind {
	case frameReset:
		return c.readReset(t, f, p)
	case frameSettings:
		return c.readSettings(t, f, p)
	case framePing:
		return c.readPing(t, f, p)
	case frameGoAway:
		return c.readGoAway(t, f, p)
	case frameWindowUpdate:
		return c.readUpdate(t, f, p)
	case framePriority:
		return c.readPriority(t, f, p)
	case framePriorityUpdate:
		return c.readPriorityUpdate(t, f, p)
	default:
		// RFC 9113 section 4.1: "Implementations MUST ignore and discard frames of unknown types."
		return c.takePriority(t)
	}
}

func (c *conn) takePriority(t *call) rule {
	if !c.rates.priorities.take(t.now, perSecond100, cheapBurst) {
		return ruleFloodPriority
	}
	return ruleOK
}

// errorOf returns what a rule is called when the peer breaks it.
func (c *conn) errorOf(r rule) *protocols.Error {
	if c.role == roleServer {
		return clientFaults[r]
	}
	return upstreamFaults[r]
}

// fail ends the connection: the peer is told, the streams are void, and the owner closes when the output is flushed.
func (c *conn) fail(r rule, out protocols.Output) error {
	err := c.errorOf(r)
	switch r {
	case rulePrefaceHTTP1:
		// Who speaks HTTP/1 can't read frames.
		out.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n" +
			err.Detail + "\n"))
	case ruleCutFrame, ruleCutStreams:
	default:
		if c.flags&sentSettings == 0 {
			c.begin(0, out)
		}
		last := c.fates.last
		if c.role == roleClient {
			last = 0
		}
		c.writeGoAway(out, last, ruleTable[r].code, err.Detail)
	}
	c.flags |= lingers
	c.end()
	return err
}

// end makes the connection one that only waits for its output to be flushed.
func (c *conn) end() {
	c.input, c.phase = inputEnded, protocols.PhaseClosing
	c.cur, c.left, c.drop, c.need = 0, 0, 0, 0
	c.timers = timers{}
	c.release()
}

// release gives back what the connection holds of the loop's.
func (c *conn) release() {
	if c.queue != nil {
		for c.queue.pop() != nil {
		}
		c.dropQueue()
	}
	for _, s := range c.streams.slots {
		if s != nil {
			c.loop.dropStream(s)
		}
	}
	if c.flags&asksEarly != 0 {
		c.loop.takeEarly(c)
	}
	if c.role == roleClient {
		c.loop.ended(c.streams.n)
	}
	c.loop.dropSlots(c.streams.slots)
	c.streams = table{}
	c.env.Owed -= c.owed
	c.owed = 0
}

// Closed implements protocols.Closer.
func (c *conn) Closed() {
	if c.flags&gaveBack == 0 {
		c.flags |= gaveBack
		c.end()
	}
}

// DecodeEOF implements protocols.Codec. A server still answers the requests that came whole, as far as the windows that
// it has allow; the others are void, and so are answers for which the windows do not suffice: nobody can open them. At a
// client all streams are: what is missing of an answer will not come.
func (c *conn) DecodeEOF(now time.Duration, rest []byte, sink protocols.Sink, out protocols.Output) error {
	for c.input != inputEnded && len(rest) > 0 { // what an earlier Decode has yielded in front of
		n, err := c.Decode(now, rest, sink, out)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
	}
	if c.input == inputEnded {
		return nil
	}
	cut := len(rest) > 0 || c.left > 0 || c.drop > 0
	if c.role == roleServer {
		t := call{now, sink, out}
		c.dropThose(&t, func(s *stream) bool { return s.in != progressDone })
		c.dropThose(&t, c.starves)
	}
	switch {
	case c.streams.n == 0 && cut:
		return c.fail(ruleCutFrame, out)
	case c.role == roleClient && c.streams.n > 0:
		return c.fail(ruleCutStreams, out)
	}
	c.input, c.leaving, c.timers = inputEnded, leavingNow, timers{}
	c.lastStreamEnded()
	return nil
}

// starves reports whether s waits for a window, and not for the output.
func (c *conn) starves(s *stream) bool {
	return s.turn == turnParked || s.turn == turnQueued && c.send <= 0
}

// dropThose voids the streams that is names: they can't be completed since the client has closed its direction.
func (c *conn) dropThose(t *call, is func(*stream) bool) {
	for {
		s := c.find(is)
		if s == nil {
			return
		}
		ev := protocols.Event{Kind: protocols.KindReset, Stream: protocols.StreamID(s.id), Owner: s.owner,
			Reason: protocols.ReasonClientGone}
		c.remove(s, fateResetThere)
		c.emit(t, ev)
	}
}

// find returns a stream that is as asked for, or nil. Who calls a sink in between searches anew: it may encode.
func (c *conn) find(is func(*stream) bool) *stream {
	for _, s := range c.streams.slots {
		if s != nil && is(s) {
			return s
		}
	}
	return nil
}

// Status implements protocols.Codec.
func (c *conn) Status() protocols.Status {
	var s protocols.Status
	s.Phase, s.Linger, s.Yielded = c.phase, c.flags&lingers != 0, c.flags&yielded != 0
	if s.Phase != protocols.PhaseOpen {
		return s
	}
	s.Idle = c.streams.n == 0 && c.need == 0 && c.left == 0 && c.drop == 0
	if c.leaving != leavingNot || c.role == roleClient && c.nextOpen > maxStream {
		s.Phase = protocols.PhaseDraining
	} else if c.role == roleClient {
		s.Room = max(int(c.peerStreams)-c.streams.n, 0)
	}
	return s
}

func (c *conn) emit(t *call, ev protocols.Event) protocols.Verdict {
	c.env.Ev.Set(&ev)
	return t.sink.Event(&c.env.Ev)
}

// remove takes s out of the connection: it is closed, and x is why.
func (c *conn) remove(s *stream, x fate) {
	if s.owed > 0 {
		c.owed -= int(s.owed)
		c.env.Owed -= int(s.owed)
	}
	c.grown -= int(s.grown)
	if s.turn == turnQueued {
		c.queue.remove(s)
		c.dropQueue()
	}
	if x == fateClosed {
		c.rates.resets.earn(1)
	}
	c.fates.set(s.id, x)
	if c.role == roleClient {
		c.loop.ended(1)
	}
	c.streams.remove(s, c.loop)
	c.loop.dropStream(s)
	if c.streams.n == 0 {
		c.lastStreamEnded()
	}
}

// dropQueue gives the queue back when nobody waits.
func (c *conn) dropQueue() {
	if c.queue != nil && c.queue.any == 0 {
		c.loop.dropQueue(c.queue)
		c.queue = nil
	}
}

// resetStream resets s for what the peer, or somebody behind us, has done, and tells the owner.
func (c *conn) resetStream(t *call, s *stream, r rule) rule {
	ev := protocols.Event{Kind: protocols.KindReset, Stream: protocols.StreamID(s.id), Owner: s.owner,
		Reason: c.errorOf(r).Reason}
	c.writeReset(t.out, s.id, ruleTable[r].code)
	c.remove(s, fateResetHere)
	c.emit(t, ev)
	return c.fault(r)
}

// refuse resets a stream that is in no table for what the peer has done.
func (c *conn) refuse(t *call, id uint32, r rule) rule {
	c.writeReset(t.out, id, ruleTable[r].code)
	return c.fault(r)
}

// fault counts the resets that the peer has caused: making us reset costs it less than us (CVE-2025-8671).
func (c *conn) fault(r rule) rule {
	if r == ruleOwed {
		return ruleOK
	}
	if c.rates.faults++; c.rates.faults > maxFaults {
		return ruleFloodFaults
	}
	return ruleOK
}
