package http1

import (
	"time"

	"sluice/protocols"
)

// clientIn is what a client reads next.
//
//	idle ──request's head──> head ──final head──> body ──End──> idle, or ended
//	                          └──101, 2xx to CONNECT──> tunnel ──end of input──> ended
type clientIn uint8

const (
	clientIdle clientIn = iota
	clientHead
	clientBody
	clientTunnel
	clientEnded
)

// clientOut is what a client writes next.
//
//	done ──head──> body ──End──> done
//	  └──Upgrade, CONNECT──> held ──101, 2xx──> tunnel ──End──> done
type clientOut uint8

const (
	clientDone clientOut = iota
	clientSending
	clientHeld // data waits for the answer's head
	clientTunnelOut
)

// maxInterim bounds the 1xx answers to one request.
const maxInterim = 32

// tunnelCredit is what a sender of early tunnel data is told when it may go on; nothing is counted.
const tunnelCredit = 64 << 10

// client is the client's end of a connection: one exchange at a time. It holds no bytes.
type client struct {
	env       *protocols.Env
	body      bodyReader
	request   bodyWriter
	stream    protocols.StreamID
	asked     uint32 // hash of the protocol that the request's Upgrade asks for, 0 for none
	traits    traits
	keepAlive uint16
	in        clientIn
	out       clientOut
	phase     protocols.Phase // PhaseOpen here includes PhaseDraining
	interims  uint8
}

// KeepAliveTimeout is how long the server last said that it keeps an idle connection (Keep-Alive: timeout=); 0 when it
// did not say.
func (c *client) KeepAliveTimeout() time.Duration { return time.Duration(c.keepAlive) * time.Second }

// Decode implements protocols.Codec.
func (c *client) Decode(_ time.Duration, b []byte, sink protocols.Sink, _ protocols.Output) (n int, err error) {
	for {
		var (
			k       int
			more    bool
			verdict protocols.Verdict
			r       rule
		)
		switch c.in {
		case clientIdle:
			if n < len(b) {
				// RFC 9112 section 9.2: "If a client receives data on a connection that doesn't have outstanding
				// requests, the client MUST NOT consider that data to be a valid response; the client SHOULD close the
				// connection".
				return n, c.fail(ruleUnasked)
			}
			return n, nil
		case clientHead:
			k, more, verdict, r = c.decodeHead(b[n:], sink)
		case clientBody:
			k, more, verdict, r = c.decodeBody(b[n:], sink)
		case clientTunnel:
			if n < len(b) {
				c.emit(sink, protocols.Event{Kind: protocols.KindData, Stream: c.stream, Data: b[n:]})
			}
			return len(b), nil
		case clientEnded:
			return len(b), nil
		}
		n += k
		if r != ruleOK {
			return n, c.fail(r)
		}
		if !more || verdict == protocols.Pause {
			return n, nil
		}
	}
}

// decodeHead reads a response head; more says that it has emitted one.
func (c *client) decodeHead(b []byte, sink protocols.Sink) (n int, more bool, v protocols.Verdict, r rule) {
	if len(b) == 0 {
		return 0, false, v, ruleOK
	}
	var q response
	h := &c.env.Scratch
	if r = q.scan(b, &c.body.progress, &c.env.Limits, h, c.traits); r != ruleOK {
		return 0, false, v, r
	}
	if n = q.fields.end; n <= 0 {
		c.traits |= isPartial
		return 0, false, v, ruleOK
	}
	c.body.begin(q.body, q.length)
	c.traits &^= isPartial
	ev := protocols.Event{Kind: protocols.KindHead, Stream: c.stream, Header: h}
	switch {
	case q.line.status == 101:
		if c.asked == 0 || c.asked != hashFold(h.Upgrade()) || len(h.Upgrade()) == 0 {
			return 0, false, v, ruleUpgradeUnasked
		}
		return n, true, c.beginTunnel(sink, ev), ruleOK
	case q.line.status < 200:
		if c.interims++; c.interims > maxInterim {
			return 0, false, v, ruleInterimMany
		}
		ev.Interim = true
		return n, true, c.emit(sink, ev), ruleOK
	case c.traits&isConnect != 0 && q.line.status < 300:
		return n, true, c.beginTunnel(sink, ev), ruleOK
	}
	if q.keepAlive > 0 {
		c.keepAlive = q.keepAlive
	}
	if !persists(q.line.minor, q.options) || q.body == bodyUntilEOF {
		c.traits |= isLast
	}
	if c.out == clientHeld {
		c.refuseTunnel()
	}
	c.in = clientBody
	if ev.End = q.body == bodyNone; ev.End {
		c.complete(len(b) - n)
	}
	return n, true, c.emit(sink, ev), ruleOK
}

// beginTunnel passes on the head that makes the connection a tunnel, and asks again for what was offered too early.
func (c *client) beginTunnel(sink protocols.Sink, ev protocols.Event) protocols.Verdict {
	early := c.out == clientHeld && c.traits&sentAhead != 0
	c.in, c.phase = clientTunnel, protocols.PhaseTunnel
	if c.out == clientHeld {
		c.out = clientTunnelOut
	}
	v := c.emit(sink, ev)
	if early && c.out == clientTunnelOut {
		c.emit(sink, protocols.Event{Kind: protocols.KindCredit, Stream: c.stream, N: tunnelCredit})
	}
	return v
}

// refuseTunnel is an answer that makes no tunnel of the connection. The request has no body, so it is complete.
func (c *client) refuseTunnel() {
	c.out = clientDone
	if c.traits&(isConnect|sentAhead) != 0 {
		c.traits |= isLast
	}
}

func (c *client) decodeBody(b []byte, sink protocols.Sink) (n int, more bool, v protocols.Verdict, r rule) {
	data, n, s, r := c.body.next(b, &c.env.Limits, &c.env.Scratch)
	if r != ruleOK || s == stepNeed {
		return n, false, v, r
	}
	ev := protocols.Event{Kind: protocols.KindData, Stream: c.stream, Data: data}
	if s == stepTrailer {
		ev.Kind, ev.Header, ev.Data = protocols.KindTrailer, &c.env.Scratch, nil
	}
	if s != stepData {
		ev.End = true
		c.complete(len(b) - n)
	}
	return n, true, c.emit(sink, ev), ruleOK
}

// complete is the end of an answer, just before the sink learns of it: the sink may ask Status at once whether the
// connection can be used again. extra is the number of bytes behind the answer.
func (c *client) complete(extra int) {
	switch {
	case c.out != clientDone:
		// RFC 9112 section 9.3: an answer that came before its request was complete leaves the rest of the request in
		// doubt, so the connection can't carry another one.
		c.close()
	case c.traits&isLast != 0:
		c.close()
	default:
		c.in = clientIdle
		c.traits &= ofConnection
		if c.traits != 0 || extra > 0 {
			c.phase = protocols.PhaseClosing
		}
	}
}

// close ends the connection.
func (c *client) close() {
	c.in, c.out, c.phase = clientEnded, clientDone, protocols.PhaseClosing
}

// fail ends the inbound direction, and with it any use of the connection.
func (c *client) fail(r rule) error {
	c.close()
	return responseErrors[r]
}

func (c *client) emit(sink protocols.Sink, ev protocols.Event) protocols.Verdict {
	c.env.Ev.Set(&ev)
	return sink.Event(&c.env.Ev)
}

// DecodeEOF implements protocols.Codec. It decodes all of rest first, whatever the sink's verdict.
func (c *client) DecodeEOF(now time.Duration, rest []byte, sink protocols.Sink, out protocols.Output) error {
	c.traits |= isEOF
	for len(rest) > 0 {
		n, err := c.Decode(now, rest, sink, out)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
	}
	ev := protocols.Event{Kind: protocols.KindData, Stream: c.stream, End: true}
	switch c.in {
	case clientIdle:
		c.close()
	case clientHead:
		return c.fail(ruleCutAnswer)
	case clientBody:
		if c.body.kind != bodyUntilEOF {
			return c.fail(ruleCutBody)
		}
		c.body.kind = bodyNone
		c.complete(0)
		c.emit(sink, ev)
	case clientTunnel:
		c.in = clientEnded
		if c.out == clientDone {
			c.phase = protocols.PhaseClosing
		}
		c.emit(sink, ev)
	case clientEnded:
	}
	return nil
}

// Status implements protocols.Codec.
func (c *client) Status() protocols.Status {
	var s protocols.Status
	s.Phase = c.phase
	if s.Phase != protocols.PhaseOpen {
		return s
	}
	if c.in == clientIdle {
		s.Idle, s.Room = true, 1
	}
	if c.traits&(isLast|goingAway) != 0 {
		s.Phase, s.Room = protocols.PhaseDraining, 0
	}
	return s
}
