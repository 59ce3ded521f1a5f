package bolt

import (
	"time"

	"sluice/protocols"
)

// Encode implements protocols.Codec.
func (c *server) Encode(now time.Duration, ev *protocols.Event, out protocols.Output) (n int, err error) {
	switch ev.Kind {
	case protocols.KindGoAway:
		c.goAway(now, out)
		return 0, nil
	case protocols.KindCredit:
		c.credit(ev)
		return 0, nil
	case protocols.KindHead, protocols.KindData, protocols.KindTrailer, protocols.KindReset:
	default:
		return 0, errKind
	}
	i := c.lookup(ev.Stream)
	if i < 0 {
		if ev.Kind == protocols.KindReset {
			return 0, nil
		}
		return 0, errStream
	}
	switch ev.Kind {
	case protocols.KindReset:
		c.reset(i, ev.Reason, out)
	case protocols.KindHead:
		err = c.encodeHead(i, ev, out)
	default:
		n, err = c.encodeContent(i, ev, out)
	}
	if c.used == 0 {
		c.moved = now
	}
	return n, err
}

// framed are the fields of other protocols that a frame says by itself.
var framed = protocols.NameSetOf(protocols.NameContentLength)

// encodeHead begins the answer to stream i.
func (c *server) encodeHead(i int, ev *protocols.Event, out protocols.Output) error {
	h, s := ev.Header, &c.slots[i]
	switch {
	case ev.Interim:
		return nil // Bolt has no such thing
	case s.state != slotOpen && s.state != slotWaiting:
		return errHeadTwice
	case h.Status < 100:
		return errStatus
	case s.kind == kindOneWay:
		c.dropRest(i, ev.End)
		return nil
	}
	f := s.answer(commandResponse, answerStatus(h, s.version))
	local := h.Proto == protocols.ProtocolUnknown && f.status != statusSuccess
	if local {
		return c.answerLocally(i, &f, ev, out)
	}
	if !c.between() || out.Buffered() > protocols.OutputHigh {
		c.wait(i, out)
		return protocols.ErrWait
	}
	if f.content, f.kind = 0, kindResponse; !ev.End {
		switch {
		case h.ContentLength < 0:
			return errLength
		case h.ContentLength > int64(c.env.Limits.ContentBytes):
			return errContent
		}
		f.content = int(h.ContentLength)
	} else if h.ContentLength > 0 {
		return errShort
	}
	skip := framed
	if h.Proto == protocols.ProtocolBolt {
		skip = 0
	}
	if err := c.writeHead(i, &f, h, skip, out); err != nil {
		return err
	}
	c.proceed(i)
	if ev.End {
		c.end(i)
	} else if s.state = slotSending; f.content == 0 {
		s.state = slotSent
	}
	return nil
}

// answerStatus is the status of the answer that h heads: the one that it came with, unless that was changed.
func answerStatus(h *protocols.Header, version uint8) uint16 {
	if (h.Proto == protocols.ProtocolBolt || h.Code != 0) && httpStatus(h.Code) == h.Status {
		return h.Code
	}
	return boltStatus(h.Status, version)
}

// answerLocally answers with a status, and a reason if the owner names one. The text of a local reply is dropped: a
// client would take it for a serialized object.
func (c *server) answerLocally(i int, f *frame, ev *protocols.Event, out protocols.Output) error {
	c.proceed(i)
	if c.write(f, ev.Reason, out) != ruleOK {
		c.wait(i, out)
		return protocols.ErrWait
	}
	c.dropRest(i, ev.End)
	return nil
}

// dropRest lets what is encoded of an answer's content go nowhere.
func (c *server) dropRest(i int, end bool) {
	c.proceed(i)
	if end {
		c.end(i)
		return
	}
	c.slots[i].state = slotDropping
}

// wait lets the head of stream i wait for its turn.
func (c *server) wait(i int, out protocols.Output) {
	if out.Buffered() > protocols.OutputHigh {
		c.traits |= isFull
	}
	if s := &c.slots[i]; s.state != slotWaiting {
		s.state = slotWaiting
		c.push(&c.turns, i)
	}
}

// proceed ends the wait of stream i.
func (c *server) proceed(i int) {
	if s := &c.slots[i]; s.state == slotWaiting {
		c.unlink(&c.turns, i)
		s.state = slotOpen
	}
}

func (c *server) encodeContent(i int, ev *protocols.Event, out protocols.Output) (n int, err error) {
	end := ev.End || ev.Kind == protocols.KindTrailer
	switch c.slots[i].state {
	case slotDropping:
		n = len(ev.Data)
	case slotSent:
		if len(ev.Data) > 0 {
			return 0, errLong
		}
	case slotSending:
		if n, err = c.writeContent(ev, out); err != nil || n < len(ev.Data) {
			return n, err
		}
		if c.out.slot == 0 {
			c.slots[i].state = slotSent
		}
	default:
		return 0, errHeadFirst
	}
	if end {
		c.end(i)
	}
	return n, nil
}

// reset ends stream i with an error: an answer without content, if the head of another one is not out.
func (c *server) reset(i int, reason protocols.Reason, out protocols.Output) {
	c.proceed(i)
	s := &c.slots[i]
	switch {
	case s.state == slotSending:
		// Half a frame went out, and nothing can follow it.
		c.phase = protocols.PhaseAbort
		c.traits |= isCut
		c.out.slot = 0
	case s.state == slotOpen && s.kind != kindOneWay:
		f := s.answer(commandResponse, boltStatus(reason.Status(), s.version))
		if c.write(&f, reason, out) != ruleOK {
			c.phase = protocols.PhaseAbort // no answer can be kept for it: the client learns of it all the same
		}
	}
	c.end(i)
}

// goAway tells the client that no new stream is welcome, if it may know the word for it. The first one leaves it time
// for requests that are on their way; the second lets the streams in progress be the last.
func (c *server) goAway(now time.Duration, out protocols.Output) {
	if c.phase != protocols.PhaseOpen && c.phase != protocols.PhaseDraining {
		return
	}
	if c.traits&isAnnounced != 0 {
		c.drain(true)
		return
	}
	c.traits |= isAnnounced
	c.moved = now
	if c.env.Announce {
		c.writeGoAway(out)
	}
	c.drain(false)
}
