package rpc

import (
	"encoding/binary"
	"hash/crc32"

	"sluice/protocols"
)

// between reports whether a frame may be begun.
func (c *conn) between() bool { return c.out.slot == 0 && c.traits&isCut == 0 }

// turnDue reports whether giveTurns has something to do.
func (c *conn) turnDue() bool { return c.turns.first != 0 && c.traits&isFull == 0 && c.between() }

// writeHead begins the frame f, which the format began with h, and which is stream i's.
func (c *conn) writeHead(i int, f *Frame, size int, h *protocols.Header, out protocols.Output) {
	b := out.Reserve(size + sumBytes)
	start := len(b)
	b = c.spec.Format.AppendHead(b, f, h)
	c.out = outbound{left: f.Content, summed: f.Sum, small: len(b)-start+f.Content <= Whole}
	if f.Sum {
		c.out.sum = crc32.ChecksumIEEE(b[start:])
	}
	if f.Content > 0 {
		c.out.slot = int32(i + 1)
	} else if f.Sum {
		b = binary.BigEndian.AppendUint32(b, c.out.sum)
	}
	out.Commit(b)
}

// writeContent writes a piece of the content of the frame that is begun, and returns how much of it was taken.
func (c *conn) writeContent(ev *protocols.Event, out protocols.Output) (n int, err error) {
	o := &c.out
	end := ev.End || ev.Kind == protocols.KindTrailer
	switch {
	case len(ev.Data) > o.left:
		return 0, ErrLong
	case end && len(ev.Data) < o.left:
		return 0, ErrShort
	case len(ev.Data) == 0:
		return 0, nil
	case !o.small && out.Buffered() > protocols.OutputHigh:
		o.starved = true
		return 0, nil
	}
	out.Write(ev.Data)
	o.left -= len(ev.Data)
	if o.summed {
		o.sum = crc32.Update(o.sum, crc32.IEEETable, ev.Data)
	}
	if o.left == 0 {
		if o.summed {
			out.Commit(binary.BigEndian.AppendUint32(out.Reserve(sumBytes), o.sum))
		}
		o.slot = 0
		c.writeFrames(out)
	}
	return len(ev.Data), nil
}

// writeFrames writes the frames of the codec's own that had to wait.
func (c *conn) writeFrames(out protocols.Output) {
	for c.frames.first != 0 {
		i := c.pop(&c.frames)
		s := &c.slots[i]
		f := &c.shared.out
		*f = Frame{ID: s.peer, Mark: s.mark, Command: s.command, Status: s.status}
		c.writeOwn(f, s.reason, out)
		c.end(i)
	}
	if c.traits&owesGoAway != 0 {
		c.writeGoAway(out)
	}
}

// dropFrames forgets the frames of the codec's own that wait: they can't be written any more.
func (c *conn) dropFrames() {
	for c.frames.first != 0 {
		c.end(c.pop(&c.frames))
	}
}

// reply answers f, a frame of the other side, with a frame of the codec's own and a status of HTTP's; it waits while
// another frame is on its way.
func (c *conn) reply(f *Frame, status int, reason protocols.Reason, out protocols.Output) *Rule {
	return c.write(f.ID, f.Mark, f.Command, status, reason, out)
}

// write writes an answer of the codec's own, or lets it wait.
func (c *conn) write(id uint64, mark Mark, command Command, status int, reason protocols.Reason, out protocols.Output) *Rule {
	f := &c.shared.out
	*f = Frame{ID: id, Mark: mark, Command: command, Status: c.spec.Format.Status(status, mark)}
	switch {
	case c.traits&isCut != 0:
		return nil
	case c.between():
		c.writeOwn(f, reason, out)
		return nil
	}
	i := c.open()
	if i < 0 {
		return RuleFlood
	}
	s := &c.slots[i]
	s.state = slotOwed
	s.peer, s.mark, s.command, s.status, s.reason = id, mark, command, f.Status, reason
	c.push(&c.frames, i)
	return nil
}

// writeOwn writes a frame of the codec's own.
func (c *conn) writeOwn(f *Frame, reason protocols.Reason, out protocols.Output) {
	out.Commit(c.spec.Format.AppendOwn(out.Reserve(MaxOwn), f, reason))
}

// writeGoAway announces the end of streams, or lets that wait.
func (c *conn) writeGoAway(out protocols.Output) {
	if !c.between() {
		c.traits |= owesGoAway
		return
	}
	c.traits &^= owesGoAway
	f := &c.shared.out
	*f = Frame{Mark: c.mark, Kind: Request, Command: GoAway}
	c.writeOwn(f, protocols.ReasonNone, out)
}

// giveTurns lets heads go on that had to wait, and the content of the frame that is begun.
func (c *conn) giveTurns(sink protocols.Sink, out protocols.Output) {
	if c.out.starved && c.out.slot != 0 && out.Buffered() <= protocols.OutputHigh {
		c.out.starved = false
		c.emitCredit(sink, int(c.out.slot-1))
	}
	if c.turns.first == 0 {
		return
	}
	c.traits &^= isFull
	for c.turns.first != 0 && c.between() {
		if out.Buffered() > protocols.OutputHigh {
			c.traits |= isFull
			return
		}
		i := c.pop(&c.turns)
		c.slots[i].state = slotOpen
		c.emitCredit(sink, i)
	}
}

func (c *conn) emitCredit(sink protocols.Sink, i int) {
	s := &c.slots[i]
	c.env.Ev.Set(&protocols.Event{Kind: protocols.KindCredit, Stream: s.id, Owner: s.owner, N: protocols.OutputHigh})
	sink.Event(&c.env.Ev)
}
