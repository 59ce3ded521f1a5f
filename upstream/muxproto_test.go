package upstream

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"sluice/protocols"
)

// A multiplexed protocol for these tests, as small as one can be. A frame is a kind, flags, a stream and a length, then
// its payload.
const (
	frameHead     = 'H'
	frameData     = 'D'
	frameReset    = 'R'
	frameCredit   = 'C' // payload: bytes
	frameGoAway   = 'G' // payload: the last stream that is served
	frameSettings = 'S' // payload: how many streams may be open
	framePing     = 'P'

	flagEnd         = 1
	flagUnprocessed = 2

	frameLen = 10
)

// A frame is a decoded frame.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     string
}

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, kind, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// wire is how the codecs of a test are made and what they have done.
type wire struct {
	room    int           // streams before the first settings
	window  int           // of a stream, towards the server
	yield   int           // frames after which Decode yields; 0: never
	silence time.Duration // until a ping, and then until the end; 0: never
	codecs  []*wireCodec
	closed  int
}

func (w *wire) protocol() *protocols.Protocol {
	return &protocols.Protocol{Name: "wire", Multiplexed: true, Client: func(env *protocols.Env) protocols.Codec {
		c := &wireCodec{wire: w, env: env, most: w.room, next: 1}
		w.codecs = append(w.codecs, c)
		return c
	}}
}

type wireSlot struct {
	id       protocols.StreamID
	owner    any
	window   int
	waits    bool // for window or room in the output
	in, done bool // the directions that have ended
}

// wireCodec is the client's end.
type wireCodec struct {
	wire    *wire
	env     *protocols.Env
	slots   []*wireSlot
	free    []*wireSlot
	most    int
	next    protocols.StreamID
	phase   protocols.Phase
	yielded bool
	pinged  bool
	fatal   bool // the next Encode ends the connection
	due     time.Duration
	ended   bool
	payload [4]byte
}

var (
	errWireStream = errors.New("wire: unknown stream")
	errWireClosed = errors.New("wire: no new streams")
	errWireKind   = &protocols.Error{Reason: protocols.ReasonUpstreamProtocol, Detail: "unknown frame"}
	errWireSilent = &protocols.Error{Reason: protocols.ReasonUpstreamSilent, Detail: "no answer to a ping"}
	errWireCut    = errors.New("wire: cut")
)

func (c *wireCodec) slot(id protocols.StreamID) *wireSlot {
	for _, s := range c.slots {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (c *wireCodec) drop(s *wireSlot) {
	i := slices.Index(c.slots, s)
	if i < 0 {
		return
	}
	c.slots = slices.Delete(c.slots, i, i+1)
	*s = wireSlot{}
	c.free = append(c.free, s)
	if c.phase == protocols.PhaseDraining && len(c.slots) == 0 {
		c.phase = protocols.PhaseClosing
	}
}

func (c *wireCodec) Decode(now time.Duration, b []byte, sink protocols.Sink, out protocols.Output) (int, error) {
	c.yielded = false
	n := 0
	if c.wire.silence > 0 {
		c.due, c.pinged = now+c.wire.silence, false
	}
	for frames := 0; len(b)-n >= frameLen; frames++ {
		size := int(binary.BigEndian.Uint32(b[n+6:]))
		if len(b)-n < frameLen+size {
			break
		}
		if c.wire.yield > 0 && frames == c.wire.yield {
			c.yielded = true
			break
		}
		f := b[n : n+frameLen+size]
		n += len(f)
		if err := c.frame(f[0], f[1], protocols.StreamID(binary.BigEndian.Uint32(f[2:])), f[frameLen:], sink, out); err != nil {
			c.phase = protocols.PhaseClosing
			out.Write(appendFrame(nil, frameGoAway, 0, 0, number(0)))
			return n, err
		}
	}
	return n, nil
}

func (c *wireCodec) frame(kind, flags byte, id protocols.StreamID, payload []byte, sink protocols.Sink, out protocols.Output) error {
	s := c.slot(id)
	ev := &c.env.Ev
	switch kind {
	case frameSettings:
		c.most = int(binary.BigEndian.Uint32(payload))
	case framePing:
		out.Write(appendFrame(nil, framePing, flagEnd, 0, nil))
	case frameGoAway:
		c.phase = protocols.PhaseDraining
		last := protocols.StreamID(binary.BigEndian.Uint32(payload))
		*ev = protocols.Event{Kind: protocols.KindGoAway}
		sink.Event(ev)
		for _, s := range slices.Clone(c.slots) {
			if s.id > last {
				c.reset(s, protocols.ReasonUpstreamReset, true, sink)
			}
		}
		if len(c.slots) == 0 {
			c.phase = protocols.PhaseClosing
		}
	case frameReset:
		if s != nil {
			c.reset(s, protocols.ReasonUpstreamReset, flags&flagUnprocessed != 0, sink)
		}
	case frameCredit:
		if s != nil {
			s.window += int(binary.BigEndian.Uint32(payload))
			c.credit(s, s.window, sink)
		}
	case frameHead, frameData:
		if s == nil {
			return nil
		}
		*ev = protocols.Event{Kind: protocols.KindHead, Stream: id, Owner: s.owner, End: flags&flagEnd != 0}
		if kind == frameData {
			ev.Kind, ev.Data = protocols.KindData, payload
		} else {
			c.env.Scratch.Reset()
			c.env.Scratch.Status = 200
			ev.Header = &c.env.Scratch
		}
		if flags&flagEnd != 0 {
			if s.in = true; s.done {
				c.drop(s)
			}
		}
		sink.Event(ev)
	default:
		return errWireKind
	}
	return nil
}

func (c *wireCodec) reset(s *wireSlot, r protocols.Reason, unprocessed bool, sink protocols.Sink) {
	ev := &c.env.Ev
	*ev = protocols.Event{Kind: protocols.KindReset, Stream: s.id, Owner: s.owner, Reason: r, Unprocessed: unprocessed}
	c.drop(s)
	sink.Event(ev)
}

func (c *wireCodec) credit(s *wireSlot, n int, sink protocols.Sink) {
	if !s.waits || n <= 0 {
		return
	}
	s.waits = false
	ev := &c.env.Ev
	*ev = protocols.Event{Kind: protocols.KindCredit, Stream: s.id, Owner: s.owner, N: n}
	sink.Event(ev)
}

func (c *wireCodec) DecodeEOF(_ time.Duration, rest []byte, _ protocols.Sink, _ protocols.Output) error {
	if len(rest) > 0 || len(c.slots) > 0 {
		return errWireCut
	}
	return nil
}

func (c *wireCodec) Encode(now time.Duration, ev *protocols.Event, out protocols.Output) (int, error) {
	if c.fatal {
		c.phase = protocols.PhaseAbort
		return 0, errWireClosed
	}
	switch ev.Kind {
	case protocols.KindGoAway:
		c.write(out, frameGoAway, 0, 0, nil)
		if c.phase = protocols.PhaseDraining; len(c.slots) == 0 {
			c.phase = protocols.PhaseClosing
		}
		return 0, nil
	case protocols.KindHead:
		if c.phase != protocols.PhaseOpen || ev.Stream != 0 {
			return 0, errWireClosed
		}
		return 0, c.open(now, ev, out)
	case protocols.KindData, protocols.KindTrailer, protocols.KindReset, protocols.KindCredit:
	}
	s := c.slot(ev.Stream)
	if s == nil {
		return 0, errWireStream
	}
	switch ev.Kind {
	case protocols.KindReset:
		c.write(out, frameReset, 0, s.id, nil)
		c.drop(s)
	case protocols.KindCredit:
		binary.BigEndian.PutUint32(c.payload[:], uint32(ev.N))
		c.write(out, frameCredit, 0, s.id, c.payload[:])
	case protocols.KindData:
		return c.data(s, ev, out), nil
	default:
		return 0, errWireClosed
	}
	return 0, nil
}

func (c *wireCodec) open(now time.Duration, ev *protocols.Event, out protocols.Output) error {
	if c.wire.silence > 0 && c.due == 0 {
		c.due = now + c.wire.silence
	}
	var s *wireSlot
	if n := len(c.free); n > 0 {
		s, c.free = c.free[n-1], c.free[:n-1]
	} else {
		s = new(wireSlot)
	}
	*s = wireSlot{id: c.next, owner: ev.Owner, window: c.wire.window, done: ev.End}
	c.slots = append(c.slots, s)
	ev.Stream = s.id
	c.next += 2
	c.write(out, frameHead, flags(ev.End), s.id, nil)
	return nil
}

func (c *wireCodec) data(s *wireSlot, ev *protocols.Event, out protocols.Output) int {
	n := min(len(ev.Data), s.window)
	if out.Buffered() > protocols.OutputHigh {
		n = 0
	}
	s.window -= n
	s.waits = n < len(ev.Data)
	end := ev.End && !s.waits
	if n > 0 || end {
		c.write(out, frameData, flags(end), s.id, ev.Data[:n])
	}
	if end {
		if s.done = true; s.in {
			c.drop(s)
		}
	}
	return n
}

func flags(end bool) byte {
	if end {
		return flagEnd
	}
	return 0
}

func (c *wireCodec) write(out protocols.Output, kind, flags byte, id protocols.StreamID, payload []byte) {
	out.Commit(appendFrame(out.Reserve(frameLen+len(payload)), kind, flags, uint32(id), payload))
}

func (c *wireCodec) Status() protocols.Status {
	return protocols.Status{Phase: c.phase, Room: c.most - len(c.slots), Conditions: protocols.Conditions{Idle: len(c.slots) == 0, Yielded: c.yielded}}
}

func (c *wireCodec) Deadline() time.Duration { return c.due }

func (c *wireCodec) Advance(now time.Duration, _ protocols.Sink, out protocols.Output) error {
	if c.pinged {
		c.phase = protocols.PhaseClosing
		return errWireSilent
	}
	c.pinged, c.due = true, now+c.wire.silence
	c.write(out, framePing, 0, 0, nil)
	return nil
}

func (c *wireCodec) Drained(_ time.Duration, sink protocols.Sink, out protocols.Output) {
	for _, s := range slices.Clone(c.slots) {
		if out.Buffered() <= protocols.OutputHigh && c.slot(s.id) == s {
			c.credit(s, s.window, sink)
		}
	}
}

func (c *wireCodec) Closed() {
	if !c.ended {
		c.ended = true
		c.wire.closed++
	}
}

var (
	_ protocols.Multiplexer = (*wireCodec)(nil)
	_ protocols.Closer      = (*wireCodec)(nil)
)
