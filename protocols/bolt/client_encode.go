package bolt

import (
	"math"
	"time"

	"sluice/protocols"
)

// Encode implements protocols.Codec. Whoever encodes the Head of a request has looked at Status().Room: a frame can't be
// begun while the content of another one is on its way.
func (c *client) Encode(now time.Duration, ev *protocols.Event, out protocols.Output) (n int, err error) {
	switch ev.Kind {
	case protocols.KindHead:
		return 0, c.encodeHead(now, ev, out)
	case protocols.KindGoAway:
		c.drain(true)
		return 0, nil
	case protocols.KindCredit:
		c.credit(ev)
		return 0, nil
	case protocols.KindData, protocols.KindTrailer, protocols.KindReset:
	default:
		return 0, errKind
	}
	i := c.lookup(ev.Stream)
	switch {
	case i < 0 && len(ev.Data) == 0:
		return 0, nil // the end of a one-way request whose content was complete, or a reset that crossed the answer
	case i < 0 || c.slots[i].state == slotOwed:
		return 0, errStream
	case ev.Kind == protocols.KindReset:
		c.reset(i)
		return 0, nil
	case c.out.slot != int32(i+1):
		if len(ev.Data) > 0 {
			return 0, errLong
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
func (c *client) encodeHead(now time.Duration, ev *protocols.Event, out protocols.Output) error {
	h := ev.Header
	content := int64(0)
	switch {
	case c.room() <= 0:
		return errPhase
	case ev.End && h.ContentLength > 0:
		return errShort
	case !ev.End && h.ContentLength < 0:
		return errLength
	case !ev.End:
		content = h.ContentLength
	}
	if content > int64(c.env.Limits.ContentBytes) {
		return errContent
	}
	i := c.open()
	if i < 0 {
		return errPhase
	}
	s := &c.slots[i]
	f := requestFrame(h, s.id, int(content))
	skip := framed
	if h.Proto == protocols.ProtocolBolt {
		skip = 0
	}
	if err := c.writeHead(i, &f, h, skip, out); err != nil {
		c.end(i)
		return err
	}
	if c.moved == 0 {
		c.moved = now
	}
	c.version = f.version
	s.owner, s.kind = ev.Owner, f.kind
	ev.Stream = s.id
	if c.out.slot == 0 {
		c.requested(i)
	} else {
		s.state = slotSending
	}
	c.noteOutput(out)
	return nil
}

// requestFrame is the frame of a request, as far as its header's wire form does not say more.
func requestFrame(h *protocols.Header, id protocols.StreamID, content int) frame {
	f := frame{id: uint32(id), command: commandRequest, content: content, version: version1, ver1: 1, kind: kindRequest,
		ver2: 1, coding: codingHessian2, timeout: noTimeout}
	if h.OneWay {
		f.kind = kindOneWay
	}
	bolt := false
	if wire, _ := h.Wire(); wire != nil && h.Proto == protocols.ProtocolBolt {
		f.version = wire[0]
		bolt = true
	}
	switch {
	case h.Timeout > 0:
		f.timeout = uint32(min(h.Timeout, math.MaxInt32))
	case h.Timeout == 0 && bolt:
		f.timeout = 0
	}
	return f
}

// requested is the end of a request: of a one-way one, and of one that was answered early, it is the stream's end.
func (c *client) requested(i int) {
	s := &c.slots[i]
	if s.kind == kindOneWay || s.state == slotAnswered {
		c.end(i)
		return
	}
	s.state = slotOpen
}

// noteOutput remembers whether there is room for another request.
func (c *client) noteOutput(out protocols.Output) {
	if out.Buffered() > protocols.OutputHigh {
		c.traits |= isFull
	}
}

// reset gives a stream up. The server is not told, which Bolt has no word for; its answer will be dropped. Of a frame
// that is not complete the rest is missing for good: nothing can be sent behind it, so the connection ends with the
// answers that are still due on it.
func (c *client) reset(i int) {
	s := &c.slots[i]
	switch {
	case c.out.slot == int32(i+1):
		c.out.slot = 0
		c.traits |= isCut
		c.dropFrames()
		c.drain(true)
	case s.id != c.in.id && s.kind == kindRequest:
		c.tombstones++
	}
	c.end(i)
}

// room is how many streams may be opened now.
func (c *client) room() int {
	if c.phase != protocols.PhaseOpen || !c.between() || c.traits&isFull != 0 {
		return 0
	}
	return min(c.env.Limits.Calls, maxSlots-spareSlots) - int(c.used)
}

// Status implements protocols.Codec.
func (c *client) Status() protocols.Status {
	s := c.state()
	s.Room = max(c.room(), 0)
	return s
}
