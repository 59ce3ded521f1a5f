package http1

import (
	"time"

	"sluice/protocols"
	"sluice/protocols/syntax"
)

// serverIn is what a server reads next.
//
//	head ──head──> body ──End──> done ──answer's end──> head
//	 │              └──answer's end first──> discard ──its end──> head
//	 └──Upgrade, CONNECT──> held ──101, 2xx──> tunnel ──end of input──> ended
//	                          └──another answer──> head, or ended
//	any ──error, or the last exchange is over──> ended
type serverIn uint8

const (
	serverHead serverIn = iota
	serverBody
	serverDone    // the request is complete; what follows it waits for the end of its answer
	serverHeld    // the request may become a tunnel: what follows it waits for the answer's head
	serverDiscard // the answer is complete; the rest of the request is read and dropped
	serverTunnel
	serverEnded
)

// serverOut is what a server writes next.
//
//	idle ──request's head, or an error──> answer ──final head──> body ──End──> idle
//	                                       └──101, 2xx──> tunnel ──End──> idle
type serverOut uint8

const (
	serverIdle serverOut = iota
	serverAnswer
	serverAnswerBody
	serverTunnelOut
)

// traits are facts about the exchange in progress, and about the connection.
type traits uint16

const (
	isHead      traits = 1 << iota // a HEAD request
	isConnect                      // a CONNECT request
	isOld                          // an HTTP/1.0 client
	expects100                     // Expect: 100-continue, not yet answered by a 100
	expectsWait                    // the same, and no byte of the body has come: it may come or not
	sentAhead                      // bytes came behind an Upgrade or CONNECT head before its answer
	isLast                         // the exchange is the connection's last
	isPartial                      // a part of a head has come
	goingAway                      // GoAway was encoded: the next answer's head says Connection: close
	isEOF                          // the peer has closed its sending direction
	lingers                        // Status.Linger

	ofConnection = goingAway | isEOF
)

// server is the server's end of a connection. It holds no bytes: what is not whole stays with the loop.
type server struct {
	env     *protocols.Env
	body    bodyReader
	answer  bodyWriter
	dropped int64 // bytes read and dropped behind an early answer
	stream  protocols.StreamID
	asked   uint32 // hash of the protocol that the request's Upgrade asks for
	traits  traits
	in      serverIn
	out     serverOut
	phase   protocols.Phase // PhaseOpen here includes PhaseDraining
	blank   uint8           // empty lines in front of the request line
}

// maxBlank is how many empty lines may stand in front of a request line. RFC 9112 section 2.2: "a server that is
// expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF) received prior to the
// request-line."
const maxBlank = 2

// Decode implements protocols.Codec. Behind a complete request it stops until the End of its answer was encoded; behind
// an Upgrade or CONNECT head, until the head of its answer was. The owner then calls it again with what it has left.
func (c *server) Decode(_ time.Duration, b []byte, sink protocols.Sink, _ protocols.Output) (n int, err error) {
	for {
		var (
			k       int
			verdict protocols.Verdict
			r       rule
		)
		more := true
		switch c.in {
		case serverHead:
			k, more, verdict, r = c.decodeHead(b[n:], sink)
		case serverBody, serverDiscard:
			k, more, verdict, r = c.decodeBody(b[n:], sink)
		case serverTunnel:
			c.decodeTunnel(b[n:], sink)
			return len(b), nil
		case serverHeld:
			if n < len(b) {
				c.traits |= sentAhead
			}
			return n, nil
		case serverDone:
			return n, nil
		case serverEnded:
			return len(b), nil // late bytes, of a peer that lingers
		}
		n += k
		if r != ruleOK {
			return n, c.fail(r)
		}
		if !more && c.traits&isEOF != 0 {
			return n, c.endOfInput(len(b) - n)
		}
		if !more || verdict == protocols.Pause {
			return n, nil
		}
	}
}

// decodeHead reads a request head; more says that it has emitted one.
func (c *server) decodeHead(b []byte, sink protocols.Sink) (n int, more bool, v protocols.Verdict, r rule) {
	for c.traits&isPartial == 0 {
		if n == len(b) {
			return n, false, v, ruleOK
		}
		if b[n] != '\r' {
			break
		}
		if n+1 == len(b) {
			return n, false, v, ruleOK
		}
		if b[n+1] != '\n' {
			return n, false, v, ruleBareCR
		}
		if c.blank == maxBlank {
			return n, false, v, ruleBlankLines
		}
		c.blank++
		n += 2
	}
	var q request
	h := &c.env.Scratch
	if r = q.scan(b[n:], &c.body.progress, &c.env.Limits, h); r != ruleOK {
		return n, false, v, r
	}
	if q.fields.end <= 0 {
		c.traits |= isPartial
		return n, false, v, ruleOK
	}
	c.begin(&q, h)
	if q.tunnel && n+q.fields.end < len(b) {
		c.traits |= sentAhead // the sink may answer, or pause
	}
	v = c.emit(sink, protocols.Event{Kind: protocols.KindHead, Stream: c.stream, Header: h,
		End: q.body == bodyNone && !q.tunnel})
	return n + q.fields.end, true, v, ruleOK
}

// begin starts an exchange.
func (c *server) begin(q *request, h *protocols.Header) {
	c.nextStream()
	c.traits &= ofConnection
	c.blank, c.asked = 0, 0
	c.out = serverAnswer
	c.body.begin(q.body, q.length)
	switch {
	case q.tunnel:
		c.in = serverHeld
		c.asked = hashFold(h.Upgrade())
	case q.body == bodyNone:
		c.in = serverDone
	default:
		c.in = serverBody
	}
	switch h.Method {
	case protocols.MethodHead:
		c.traits |= isHead
	case protocols.MethodConnect:
		c.traits |= isConnect
	}
	if q.line.minor == 0 {
		c.traits |= isOld
	}
	if q.expect {
		c.traits |= expects100
		if q.body != bodyNone {
			c.traits |= expectsWait
		}
	}
	if !persists(q.line.minor, q.options) {
		c.traits |= isLast
	}
}

func (c *server) nextStream() {
	if c.stream++; c.stream == 0 {
		c.stream = 1
	}
}

func (c *server) decodeBody(b []byte, sink protocols.Sink) (n int, more bool, v protocols.Verdict, r rule) {
	data, n, s, r := c.body.next(b, &c.env.Limits, &c.env.Scratch)
	if n > 0 {
		c.traits &^= expectsWait
	}
	if r != ruleOK {
		return n, false, v, r
	}
	if c.traits &^= isPartial; s == stepNeed && n < len(b) {
		c.traits |= isPartial
	}
	if c.in == serverDiscard {
		return n, c.discard(n, s), v, ruleOK
	}
	ev := protocols.Event{Kind: protocols.KindData, Stream: c.stream, Data: data}
	switch s {
	case stepNeed:
		return n, false, v, ruleOK
	case stepData:
	case stepTrailer:
		ev.Kind, ev.Header, ev.Data = protocols.KindTrailer, &c.env.Scratch, nil
		fallthrough
	case stepLast:
		ev.End = true
		c.in = serverDone
	}
	return n, true, c.emit(sink, ev), ruleOK
}

// discard drops n bytes of a request whose answer is complete.
func (c *server) discard(n int, s step) (more bool) {
	if c.dropped += int64(n); c.dropped > int64(c.env.Limits.DiscardBytes) {
		c.close(true)
		return true
	}
	if s == stepLast || s == stepTrailer {
		c.next()
	}
	return s != stepNeed
}

func (c *server) decodeTunnel(b []byte, sink protocols.Sink) {
	end := c.traits&isEOF != 0
	if len(b) == 0 && !end {
		return
	}
	if end {
		c.endTunnelIn()
	}
	c.emit(sink, protocols.Event{Kind: protocols.KindData, Stream: c.stream, Data: b, End: end})
}

func (c *server) endTunnelIn() {
	c.in = serverEnded
	if c.out == serverIdle {
		c.phase = protocols.PhaseClosing
	}
}

func (c *server) emit(sink protocols.Sink, ev protocols.Event) protocols.Verdict {
	c.env.Ev.Set(&ev)
	return sink.Event(&c.env.Ev)
}

// DecodeEOF implements protocols.Codec. When bytes are left that Decode has not been offered, or that wait for an answer
// or for the owner, the end of input is judged behind them: the owner calls Decode with them when it would have done so
// without the EOF.
func (c *server) DecodeEOF(_ time.Duration, rest []byte, sink protocols.Sink, _ protocols.Output) error {
	c.traits |= isEOF
	if c.in == serverTunnel {
		c.decodeTunnel(rest, sink)
		return nil
	}
	if len(rest) > 0 && c.traits&isPartial == 0 {
		return nil
	}
	switch c.in {
	case serverHead, serverBody, serverDiscard:
		return c.endOfInput(len(rest))
	case serverDone:
		c.traits |= isLast
	case serverHeld:
		c.traits |= isLast
		c.in = serverEnded
		c.emit(sink, protocols.Event{Kind: protocols.KindData, Stream: c.stream, End: true})
	case serverTunnel, serverEnded:
	}
	return nil
}

// endOfInput is the end of input where Decode has done what it could and rest bytes are left.
func (c *server) endOfInput(rest int) error {
	switch {
	case c.in == serverBody:
		return c.fail(ruleCutBody)
	case c.in == serverHead && rest > 0 && c.traits&isPartial != 0:
		return c.fail(ruleCutHead)
	}
	c.close(false)
	return nil
}

// fail ends the inbound direction. If no answer has been started, the owner can encode one.
func (c *server) fail(r rule) error {
	switch {
	case c.in == serverDiscard:
		c.close(true)
	case c.out == serverIdle:
		c.nextStream()
		c.out, c.asked = serverAnswer, 0
		fallthrough
	default:
		c.traits |= isLast
		c.in = serverEnded
	}
	return requestErrors[r]
}

// next makes the connection ready for another request.
func (c *server) next() {
	c.in = serverHead
	c.body = bodyReader{}
	c.dropped = 0
	c.traits &= ofConnection
}

// close ends the connection when its output is flushed.
func (c *server) close(linger bool) {
	c.in, c.out, c.phase = serverEnded, serverIdle, protocols.PhaseClosing
	if linger && c.traits&isEOF == 0 {
		c.traits |= lingers
	}
}

// Status implements protocols.Codec.
func (c *server) Status() protocols.Status {
	var s protocols.Status
	s.Phase, s.Linger = c.phase, c.traits&lingers != 0
	if s.Phase == protocols.PhaseOpen {
		if c.traits&(isLast|goingAway) != 0 {
			s.Phase = protocols.PhaseDraining
		}
		s.Idle = c.in == serverHead && c.traits&isPartial == 0
	}
	return s
}

// hashFold is FNV-1a of b without case. It tells a granted upgrade from one that was not asked for without keeping the
// name; an upstream gains nothing from a collision that it could not say outright.
func hashFold(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(syntax.Lower(c))) * 16777619
	}
	return h
}
