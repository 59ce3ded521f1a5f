package rpc

import (
	"time"

	"sluice/protocols"
)

// Encode implements protocols.Codec.
func (c *Server) Encode(now time.Duration, ev *protocols.Event, out protocols.Output) (n int, err error) {
	switch ev.Kind {
	case protocols.KindGoAway:
		c.goAway(now, out)
		return 0, nil
	case protocols.KindCredit:
		c.credit(ev)
		return 0, nil
	case protocols.KindHead, protocols.KindData, protocols.KindTrailer, protocols.KindReset:
	default:
		return 0, ErrKind
	}
	i := c.lookup(ev.Stream)
	if i < 0 {
		if ev.Kind == protocols.KindReset {
			return 0, nil
		}
		return 0, ErrStream
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

// encodeHead begins the answer to stream i.
func (c *Server) encodeHead(i int, ev *protocols.Event, out protocols.Output) error {
	h, s := ev.Header, &c.slots[i]
	switch {
	case ev.Interim:
		return nil // there is no such thing
	case s.state != slotOpen && s.state != slotWaiting:
		return ErrHeadTwice
	case h.Status < 100:
		return ErrStatus
	case s.kind == OneWay:
		c.dropRest(i, ev.End)
		return nil
	case h.Proto == protocols.ProtocolUnknown && (h.Status < 200 || h.Status > 299):
		return c.answerLocally(i, ev, out)
	case !c.between() || out.Buffered() > protocols.OutputHigh:
		c.wait(i, out)
		return protocols.ErrWait
	}
	content, err := c.contentOf(ev)
	if err != nil {
		return err
	}
	f := &c.shared.out
	*f = Frame{Kind: Answer}
	size, err := c.spec.Format.Begin(f, s.mark, h)
	if err != nil {
		return err
	}
	f.ID, f.Content = s.peer, content
	c.writeHead(i, f, size, h, out)
	c.proceed(i)
	if ev.End {
		c.end(i)
	} else if s.state = slotSending; content == 0 {
		s.state = slotSent
	}
	return nil
}

// contentOf is the length of the content behind a head.
func (c *conn) contentOf(ev *protocols.Event) (int, error) {
	switch n := ev.Header.ContentLength; {
	case ev.End && n > 0:
		return 0, ErrShort
	case ev.End:
		return 0, nil
	case n < 0:
		return 0, ErrLength
	case n > int64(c.env.Limits.ContentBytes):
		return 0, ErrContent
	default:
		return int(n), nil
	}
}

// answerLocally answers with a status, and a reason if the owner names one. The text of a local reply is dropped: a
// client would take it for a serialized object.
func (c *Server) answerLocally(i int, ev *protocols.Event, out protocols.Output) error {
	c.proceed(i)
	if c.settleWith(i, ev.Header.Status, ev.Reason, out) != nil {
		c.wait(i, out)
		return protocols.ErrWait
	}
	c.dropRest(i, ev.End)
	return nil
}

// settleWith answers stream i with a frame of the codec's own.
func (c *Server) settleWith(i, status int, reason protocols.Reason, out protocols.Output) *Rule {
	s := &c.slots[i]
	return c.write(s.peer, s.mark, Call, status, reason, out)
}

// dropRest lets what is encoded of an answer's content go nowhere.
func (c *Server) dropRest(i int, end bool) {
	c.proceed(i)
	if end {
		c.end(i)
		return
	}
	c.slots[i].state = slotDropping
}

// wait lets the head of stream i wait for its turn.
func (c *Server) wait(i int, out protocols.Output) {
	if out.Buffered() > protocols.OutputHigh {
		c.traits |= isFull
	}
	if s := &c.slots[i]; s.state != slotWaiting {
		s.state = slotWaiting
		c.push(&c.turns, i)
	}
}

// proceed ends the wait of stream i.
func (c *Server) proceed(i int) {
	if s := &c.slots[i]; s.state == slotWaiting {
		c.unlink(&c.turns, i)
		s.state = slotOpen
	}
}

func (c *Server) encodeContent(i int, ev *protocols.Event, out protocols.Output) (n int, err error) {
	end := ev.End || ev.Kind == protocols.KindTrailer
	switch c.slots[i].state {
	case slotDropping:
		n = len(ev.Data)
	case slotSent:
		if len(ev.Data) > 0 {
			return 0, ErrLong
		}
	case slotSending:
		if n, err = c.writeContent(ev, out); err != nil || n < len(ev.Data) {
			return n, err
		}
		if c.out.slot == 0 {
			c.slots[i].state = slotSent
		}
	default:
		return 0, ErrHeadFirst
	}
	if end {
		c.end(i)
	}
	return n, nil
}

// reset ends stream i with an error: an answer without content, if the head of another one is not out.
func (c *Server) reset(i int, reason protocols.Reason, out protocols.Output) {
	c.proceed(i)
	s := &c.slots[i]
	switch {
	case s.state == slotSending:
		// Half a frame went out, and nothing can follow it.
		c.phase = protocols.PhaseAbort
		c.traits |= isCut
		c.out.slot = 0
	case s.state == slotOpen && s.kind != OneWay:
		if c.settleWith(i, reason.Status(), reason, out) != nil {
			c.phase = protocols.PhaseAbort // no answer can be kept for it: the client learns of it all the same
		}
	}
	c.end(i)
}

// goAway tells the client that no new stream is welcome, if it may know the word for it. The first one leaves it time
// for requests that are on their way; the second lets the streams in progress be the last.
func (c *Server) goAway(now time.Duration, out protocols.Output) {
	if c.phase != protocols.PhaseOpen && c.phase != protocols.PhaseDraining {
		return
	}
	if c.traits&isAnnounced != 0 {
		c.drain(true)
		return
	}
	c.traits |= isAnnounced
	c.moved = now
	if c.env.Announce || c.spec.Announces {
		c.writeGoAway(out)
	}
	c.drain(false)
}
