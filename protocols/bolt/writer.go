package bolt

import (
	"encoding/binary"
	"hash/crc32"

	"sluice/protocols"
)

// reasonKey is the key under which an answer of the gateway's own names its reason.
const reasonKey = "sluice-reason"

// between reports whether a frame may be begun.
func (c *conn) between() bool { return c.out.slot == 0 && c.traits&isCut == 0 }

// turnDue reports whether giveTurns has something to do.
func (c *conn) turnDue() bool { return c.turns.first != 0 && c.traits&isFull == 0 && c.between() }

// writeHead begins the frame of stream i. f has what the codec decides: version, type, command, id, timeout or status,
// and the length of the content; ver1, ver2, coding and switch are those of a head that has no wire form in f's version.
func (c *conn) writeHead(i int, f *frame, h *protocols.Header, skip protocols.NameSet, out protocols.Output) error {
	wire, same := h.Wire()
	if wire != nil {
		same = same && f.fits(wire)
		f.inherit(wire)
		f.coding = h.Coding
	} else if h.Coding != 0 {
		f.coding = h.Coding
	}
	var b []byte
	var start int
	if same {
		b = out.Reserve(len(wire) + sumBytes)
		start = len(b)
		b = append(b, wire...)
		f.patch(b[start:], fixedLen(f.version, f.kind))
	} else {
		class, block := h.Class(), blockLen(h, skip)
		switch {
		case len(class) > maxBlock:
			return errClass
		case block > maxBlock:
			return errBlock
		}
		f.class, f.block = uint16(len(class)), uint16(block)
		b = out.Reserve(maxFixed + len(class) + block + sumBytes)
		start = len(b)
		b = appendBlock(append(f.append(b), class...), h, skip)
	}
	c.out = outbound{left: f.content, summed: f.summed(), small: len(b)-start+f.content <= whole}
	if c.out.summed {
		c.out.sum = crc32.ChecksumIEEE(b[start:])
	}
	if f.content > 0 {
		c.out.slot = int32(i + 1)
	} else if c.out.summed {
		b = binary.BigEndian.AppendUint32(b, c.out.sum)
	}
	out.Commit(b)
	return nil
}

// fits reports whether the fixed part of a head's wire form has the layout of f's.
func (f *frame) fits(wire []byte) bool {
	return wire[0] == f.version && (wire[f.version] == kindResponse) == (f.kind == kindResponse)
}

// inherit takes from a head's wire form what the codec does not decide, when the versions are the same.
func (f *frame) inherit(wire []byte) {
	switch {
	case wire[0] != f.version:
	case f.version == version1:
		f.ver2 = wire[4]
	default:
		f.ver1, f.ver2, f.toggles = wire[1], wire[5], wire[11]
	}
}

// writeContent writes a piece of the content of the frame that is begun, and returns how much of it was taken.
func (c *conn) writeContent(ev *protocols.Event, out protocols.Output) (n int, err error) {
	o := &c.out
	end := ev.End || ev.Kind == protocols.KindTrailer
	switch {
	case len(ev.Data) > o.left:
		return 0, errLong
	case end && len(ev.Data) < o.left:
		return 0, errShort
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
		f := s.answer(s.command, s.status)
		writeOwn(&f, s.reason, out)
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

// answer is the frame of an answer to the stream of s.
func (s *slot) answer(command, status uint16) frame {
	return frame{id: s.peer, command: command, status: status, version: s.version, ver1: s.ver1, ver2: s.ver2,
		kind: kindResponse, coding: s.coding, toggles: s.toggles}
}

// reply answers f, a frame of the other side, with a frame without content; it waits while another one is on its way.
func (c *conn) reply(f *frame, command, status uint16, reason protocols.Reason, out protocols.Output) rule {
	a := *f
	a.kind, a.command, a.status = kindResponse, command, status
	return c.write(&a, reason, out)
}

// write writes an answer of the codec's own, or lets it wait.
func (c *conn) write(a *frame, reason protocols.Reason, out protocols.Output) rule {
	switch {
	case c.traits&isCut != 0:
		return ruleOK
	case c.between():
		writeOwn(a, reason, out)
		return ruleOK
	}
	i := c.open()
	if i < 0 {
		return ruleFlood
	}
	s := &c.slots[i]
	s.state = slotOwed
	s.remember(a)
	s.command, s.status, s.reason = a.command, a.status, reason
	c.push(&c.frames, i)
	return ruleOK
}

// remember keeps what an answer to f repeats of it.
func (s *slot) remember(f *frame) {
	s.peer, s.kind, s.version, s.ver1, s.ver2, s.coding, s.toggles =
		f.id, f.kind, f.version, f.ver1, f.ver2, f.coding, f.toggles
}

// writeOwn writes a frame of the codec's own, without class and content.
func writeOwn(f *frame, reason protocols.Reason, out protocols.Output) {
	name := ""
	f.class, f.block, f.content = 0, 0, 0
	if reason != protocols.ReasonNone {
		name = reason.String()
		f.block = uint16(8 + len(reasonKey) + len(name))
	}
	b := out.Reserve(maxFixed + int(f.block) + sumBytes)
	start := len(b)
	b = f.append(b)
	if f.block > 0 {
		b = appendString(appendString(b, reasonKey), name)
	}
	if f.summed() {
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	}
	out.Commit(b)
}

// writeGoAway writes MOSN's goaway, or lets it wait.
func (c *conn) writeGoAway(out protocols.Output) {
	if !c.between() {
		c.traits |= owesGoAway
		return
	}
	c.traits &^= owesGoAway
	f := c.own(commandGoAway, 0)
	writeOwn(&f, protocols.ReasonNone, out)
}

// own is a request of the codec's own: a goaway or a ping.
func (c *conn) own(command uint16, id uint32) frame {
	return frame{id: id, timeout: noTimeout, command: command, version: c.version, ver1: 2, kind: kindRequest, ver2: 1,
		coding: codingHessian2}
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
	c.env.Ev = protocols.Event{Kind: protocols.KindCredit, Stream: s.id, Owner: s.owner, N: protocols.OutputHigh}
	sink.Event(&c.env.Ev)
}
