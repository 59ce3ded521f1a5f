package http2

import (
	"encoding/binary"

	"sluice/protocols"
)

// readHeaders reads a HEADERS frame and the CONTINUATION frames behind it, when all of them are there.
func (c *conn) readHeaders(t *call, f frame, b []byte) (int, rule) {
	if f.stream == 0 {
		return 0, ruleFrameNoStream
	}
	if f.stream&1 == 0 {
		return 0, ruleEvenStream
	}
	total := headerLen + f.length
	if f.flags&flagEndHeaders == 0 {
		var r rule
		if total, r = findEnd(f, b, total); r != ruleOK {
			return 0, r
		}
	}
	if len(b) < total {
		c.need = int32(total)
		return 0, ruleOK
	}
	if c.starts >= maxStarts && c.role == roleServer {
		c.flags |= yielded
		return 0, ruleOK
	}
	block, r := cutBlock(f, b[headerLen:headerLen+f.length])
	if r != ruleOK {
		return 0, r
	}
	if f.flags&flagEndHeaders == 0 {
		block = c.loop.join(block, b[headerLen+f.length:total])
	}
	if c.role == roleServer {
		return total, c.readRequestBlock(t, f, block)
	}
	return total, c.readResponseBlock(t, f, block)
}

// findEnd returns how long a field block is whose first frame f is not its last, or how many bytes are needed to know
// more. b starts with f, whose end is at n.
func findEnd(f frame, b []byte, n int) (int, rule) {
	for fragments := 0; ; fragments++ {
		switch {
		case fragments == maxFragments:
			return 0, ruleFragments
		case n+headerLen > maxBlock:
			return 0, ruleBlockSize
		case len(b) < n+headerLen:
			return n + headerLen, ruleOK
		}
		// RFC 9113 section 4.3: "a field block MUST be transmitted as a contiguous sequence of frames, with no
		// interleaved frames of any other type or from any other stream."
		g := parseFrame(b[n:])
		n += headerLen + g.length
		switch {
		case g.kind != frameContinuation || g.stream != f.stream:
			return 0, ruleContinuation
		case g.length > frameSize:
			return 0, ruleFrameSize
		case n > maxBlock:
			return 0, ruleBlockSize
		case g.flags&flagEndHeaders != 0 || len(b) < n:
			return n, ruleOK
		}
	}
}

// cutBlock cuts padding and priority off the payload p of a HEADERS frame.
func cutBlock(f frame, p []byte) ([]byte, rule) {
	pad := 0
	if f.flags&flagPadded != 0 {
		if len(p) == 0 {
			return nil, ruleFrameFixed
		}
		pad, p = int(p[0]), p[1:]
	}
	if f.flags&flagPriority != 0 {
		if len(p) < 5 {
			return nil, ruleFrameFixed
		}
		if binary.BigEndian.Uint32(p)&maxStream == f.stream {
			return nil, ruleSelfDependency
		}
		p = p[5:]
	}
	if pad > len(p) {
		return nil, rulePadding
	}
	return p[:len(p)-pad], ruleOK
}

// join returns first and the payloads of the CONTINUATION frames in b as one block.
func (l *shared) join(first, b []byte) []byte {
	l.block = append(l.block[:0], first...)
	for len(b) > 0 {
		g := parseFrame(b)
		l.block = append(l.block, b[headerLen:headerLen+g.length]...)
		b = b[headerLen+g.length:]
	}
	return l.block
}

// readRequestBlock reads a field block at a server: the head of a new stream, or trailers.
func (c *conn) readRequestBlock(t *call, f frame, block []byte) rule {
	id := f.stream
	if s := c.streams.get(id); s != nil {
		return c.readTrailers(t, s, f, block)
	}
	if id <= c.fates.last || c.ignored(id) {
		return c.readNowhere(t, id, block)
	}
	c.starts++
	c.rates.priorities.earn(perStream)
	c.fates.open(id)
	var q head
	q.begin(c, kindRequest)
	if r := q.decode(c, block); r != ruleOK {
		return r
	}
	end := f.flags&flagEndStream != 0
	if q.rule == ruleOK {
		q.finishRequest(end)
	}
	switch {
	case c.streams.n >= c.env.Limits.Streams:
		// RFC 9113 section 5.1.2: "An endpoint that receives a HEADERS frame that causes its advertised concurrent stream
		// limit to be exceeded MUST treat this as a stream error of type PROTOCOL_ERROR or REFUSED_STREAM."
		c.refuseStream(t, id)
		if c.flags&ackedSettings != 0 {
			return c.fault(ruleStreams)
		}
		return ruleOK
	case t.out.Buffered() > farAbove*protocols.OutputHigh:
		// Whoever does not read its answers may not ask for more of them.
		c.refuseStream(t, id)
		return ruleOK
	case q.rule == ruleHeadLarge: // RFC 6585 section 5
		return c.answer(t, id, end, "431", q.rule)
	case q.rule == ruleExpect:
		return c.answer(t, id, end, "417", q.rule)
	case q.rule != ruleOK:
		c.fates.set(id, fateResetHere)
		return c.refuse(t, id, q.rule)
	}
	return c.open(t, id, &q, end)
}

// refuseStream says that nothing was done about a request, so that the client may send it again.
func (c *conn) refuseStream(t *call, id uint32) {
	c.env.Counts.Refused++
	c.fates.set(id, fateResetHere)
	c.writeReset(t.out, id, codeRefusedStream)
}

// farAbove times OutputHigh is where the output is so full that requests are refused.
const farAbove = 4

// open starts the stream of a request that was decoded.
func (c *conn) open(t *call, id uint32, q *head, end bool) rule {
	s := c.loop.stream()
	s.id = id
	s.recv, s.recvMax, s.send = c.recvFirst, c.recvFirst, c.sendFirst
	s.inLeft, s.outLeft = q.h.ContentLength, -1
	s.updated = t.now
	s.in, s.urgency, s.traits = progressBody, q.urgency, q.traits
	if end {
		s.in = progressDone
	}
	c.streams.add(s, c.loop)
	c.emit(t, protocols.Event{Kind: protocols.KindHead, Stream: protocols.StreamID(id), Header: q.h, End: end})
	if c.streams.get(id) == s {
		s.owner = c.env.Ev.Owner
	}
	return ruleOK
}

// answer answers a request that breaks r, and which nobody has seen.
func (c *conn) answer(t *call, id uint32, end bool, status string, r rule) rule {
	c.env.Counts.Refused++
	b := c.enc.Begin(c.loop.block[:0])
	c.loop.block = c.enc.AppendPseudo(b, pseudoStatus, []byte(status))
	c.writeBlock(t.out, id, c.loop.block, true)
	c.fates.set(id, fateClosed)
	if !end {
		c.fates.set(id, fateResetHere)
		c.writeReset(t.out, id, codeNone)
	}
	return c.fault(r)
}

// readNowhere reads a field block of a stream that is in no table and not new: only HPACK's state matters.
func (c *conn) readNowhere(t *call, id uint32, block []byte) rule {
	known := id <= c.fates.last
	if known {
		switch c.fates.of(id) {
		case fateSkipped:
			// RFC 9113 section 5.1.1: "The identifier of a newly established stream MUST be numerically greater than all
			// streams that the initiating endpoint has opened or reserved."
			return ruleStreamSkipped
		case fateClosed:
			return ruleClosedStream
		case fateResetHere, fateResetThere, fateForgotten:
		}
	}
	var q head
	q.begin(c, kindNothing)
	if r := q.decode(c, block); r != ruleOK {
		return r
	}
	if known && c.fates.of(id) == fateResetThere {
		return c.refuse(t, id, ruleClosedReset)
	}
	return c.late(t)
}

// readTrailers reads a field block behind the head of a message.
func (c *conn) readTrailers(t *call, s *stream, f frame, block []byte) rule {
	var q head
	q.begin(c, kindTrailers)
	if r := q.decode(c, block); r != ruleOK {
		return r
	}
	switch {
	case s.in == progressDone:
		return c.resetStream(t, s, ruleHalfClosed)
	case f.flags&flagEndStream == 0:
		return c.resetStream(t, s, ruleTrailerEnd)
	case q.rule != ruleOK:
		return c.resetStream(t, s, q.rule)
	case s.inLeft > 0:
		return c.resetStream(t, s, ruleLengthSum)
	}
	ev := protocols.Event{Kind: protocols.KindTrailer, Stream: protocols.StreamID(s.id), Header: q.h, End: true, Owner: s.owner}
	c.endIn(s)
	c.emit(t, ev)
	return ruleOK
}

// readResponseBlock reads a field block at a client: an answer's head, or its trailers.
func (c *conn) readResponseBlock(t *call, f frame, block []byte) rule {
	s := c.streams.get(f.stream)
	switch {
	case s == nil && c.isIdle(f.stream):
		return ruleIdleStream
	case s == nil:
		return c.readNowhere(t, f.stream, block)
	case s.in != progressHead:
		return c.readTrailers(t, s, f, block)
	}
	var q head
	q.begin(c, kindResponse)
	if r := q.decode(c, block); r != ruleOK {
		return r
	}
	end := f.flags&flagEndStream != 0
	if q.rule == ruleOK {
		q.finishResponse(s, end)
	}
	if q.rule != ruleOK {
		return c.resetStream(t, s, q.rule)
	}
	ev := protocols.Event{Kind: protocols.KindHead, Stream: protocols.StreamID(s.id), Header: q.h, End: end, Owner: s.owner}
	if q.h.Status < 200 && q.h.Status != 101 {
		if s.interims++; s.interims > maxInterim {
			return c.resetStream(t, s, ruleInterimMany)
		}
		ev.Interim = true
		c.emit(t, ev)
		return ruleOK
	}
	s.in, s.inLeft = progressBody, q.length
	s.updated = t.now
	if s.traits&(isConnect|isUpgrade) != 0 && q.h.Status != 101 && q.h.Status/100 != 2 && s.out == progressBody {
		// The tunnel is refused: there is nothing more to say in the request's direction.
		c.writeEnd(t.out, s)
	}
	if end {
		c.endIn(s)
	}
	c.emit(t, ev)
	return ruleOK
}
