package rpc

import (
	"time"

	"sluice/protocols"
)

// Encode implements protocols.Codec. Whoever encodes the Head of a request has looked at Status().Room: a frame can't be
// begun while the content of another one is on its way.
func (c *Client) Encode(now time.Duration, ev *protocols.Event, out protocols.Output) (n int, err error) {
	switch ev.Kind {
	case protocols.KindHead:
		return 0, c.encodeHead(now, ev, out)
	case protocols.KindGoAway:
		c.drain(true)
		return 0, nil
	case protocols.KindCredit:
		if c.credit(ev); !c.stalled() {
			c.stall.over(now)
		}
		return 0, nil
	case protocols.KindData, protocols.KindTrailer, protocols.KindReset:
	default:
		return 0, ErrKind
	}
	i := c.lookup(ev.Stream)
	switch {
	case i < 0 && len(ev.Data) == 0:
		return 0, nil // the end of a one-way request whose content was complete, or a reset that crossed the answer
	case i < 0 || c.slots[i].state == slotOwed:
		return 0, ErrStream
	case ev.Kind == protocols.KindReset:
		c.reset(i)
		return 0, nil
	case c.out.slot != int32(i+1):
		if len(ev.Data) > 0 {
			return 0, ErrLong
		}
		return 0, nil
	}
	n, err = c.writeContent(ev, out)
	if c.out.slot == 0 && err == nil {
		c.requested(i)
	}
	c.noteOutput(out)
	return n, err
}

// encodeHead opens a stream and begins its frame.
func (c *Client) encodeHead(now time.Duration, ev *protocols.Event, out protocols.Output) error {
	if c.room() <= 0 {
		return ErrPhase
	}
	content, err := c.contentOf(ev)
	if err != nil {
		return err
	}
	h := ev.Header
	f := &c.shared.out
	*f = Frame{Kind: Request}
	size, err := c.spec.Format.Begin(f, 0, h)
	if err != nil {
		return err
	}
	i := c.open()
	if i < 0 {
		return ErrPhase
	}
	s := &c.slots[i]
	f.ID, f.Content = uint64(s.id), content
	c.writeHead(i, f, size, h, out)
	if c.moved == 0 {
		c.moved = now
	}
	c.mark = f.Mark
	s.owner, s.kind = ev.Owner, f.Kind
	ev.Stream = s.id
	if c.out.slot == 0 {
		c.requested(i)
	} else {
		s.state = slotSending
	}
	c.noteOutput(out)
	return nil
}

// requested is the end of a request: of a one-way one, and of one that was answered early, it is the stream's end.
func (c *Client) requested(i int) {
	s := &c.slots[i]
	if s.kind == OneWay || s.state == slotAnswered {
		c.end(i)
		return
	}
	s.state = slotOpen
}

// noteOutput remembers whether there is room for another request.
func (c *Client) noteOutput(out protocols.Output) {
	if out.Buffered() > protocols.OutputHigh {
		c.traits |= isFull
	}
}

// reset gives a stream up. The server is not told, for which there is no word; its answer will be dropped. Of a frame
// that is not complete the rest is missing for good: nothing can be sent behind it, so the connection ends with the
// answers that are still due on it.
func (c *Client) reset(i int) {
	s := &c.slots[i]
	switch {
	case c.out.slot == int32(i+1):
		c.out.slot = 0
		c.traits |= isCut
		c.dropFrames()
		c.drain(true)
	case s.id != c.in.id && s.kind == Request:
		c.tombstones++
	}
	c.end(i)
}

// room is how many streams may be opened now.
func (c *Client) room() int {
	if c.phase != protocols.PhaseOpen || !c.between() || c.traits&isFull != 0 || c.slow() {
		return 0
	}
	return min(c.env.Limits.Calls, maxSlots-spareSlots) - int(c.used)
}

// Status implements protocols.Codec.
func (c *Client) Status() protocols.Status {
	s := c.state()
	s.Room = max(c.room(), 0)
	return s
}
