package tcp

import (
	"time"

	"sluice/protocols"
)

// Protocol describes plain TCP.
func Protocol() *protocols.Protocol {
	return &protocols.Protocol{
		ID:     protocols.ProtocolTCP,
		Name:   "tcp",
		Detect: func([]byte) protocols.Match { return protocols.MatchYes },
		Server: func(env *protocols.Env) protocols.Codec { return &codec{env: env, server: true} },
		Client: func(env *protocols.Env) protocols.Codec { return &codec{env: env} },
	}
}

// side is how far one direction of the connection is.
//
//	waiting ──Head──> open ──End──> ended
type side uint8

const (
	waiting side = iota // the Head event is still to come
	open
	ended
)

// codec is either end. The server's first Decode, with or without bytes, emits the Head that opens the stream, because
// in many protocols the server speaks first; the client's stream opens when that Head is encoded.
type codec struct {
	env     *protocols.Env
	in, out side
	server  bool
	aborted bool
}

var (
	errUnopened = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "data before the stream was opened"}
	errEnded    = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "data after the end"}
)

// Decode implements protocols.Codec.
func (c *codec) Decode(_ time.Duration, b []byte, sink protocols.Sink, _ protocols.Output) (int, error) {
	if c.in == waiting && c.server {
		c.in = open
		h := &c.env.Scratch
		h.Reset()
		h.Proto = protocols.ProtocolTCP
		if c.emit(sink, protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: h}) == protocols.Pause {
			return 0, nil
		}
	}
	if len(b) == 0 || c.in != open {
		return 0, nil
	}
	c.emit(sink, protocols.Event{Kind: protocols.KindData, Stream: 1, Data: b})
	return len(b), nil
}

// DecodeEOF implements protocols.Codec.
func (c *codec) DecodeEOF(_ time.Duration, rest []byte, sink protocols.Sink, _ protocols.Output) error {
	if c.in != open {
		return nil
	}
	c.in = ended
	c.emit(sink, protocols.Event{Kind: protocols.KindData, Stream: 1, Data: rest, End: true})
	return nil
}

func (c *codec) emit(sink protocols.Sink, ev protocols.Event) protocols.Verdict {
	c.env.Ev = ev
	return sink.Event(&c.env.Ev)
}

// Encode implements protocols.Codec.
func (c *codec) Encode(_ time.Duration, ev *protocols.Event, out protocols.Output) (int, error) {
	switch ev.Kind {
	case protocols.KindHead:
		if c.server {
			return 0, nil // a local reply has no form here
		}
		ev.Stream = 1
		c.in, c.out = open, open
		return 0, nil
	case protocols.KindData:
		return c.encodeData(ev, out)
	case protocols.KindReset:
		c.aborted = true
	case protocols.KindTrailer, protocols.KindCredit, protocols.KindGoAway:
	}
	return 0, nil
}

func (c *codec) encodeData(ev *protocols.Event, out protocols.Output) (int, error) {
	if c.out == waiting && c.server {
		c.out = open
	}
	switch c.out {
	case waiting:
		return 0, errUnopened
	case ended:
		return 0, errEnded
	case open:
	}
	out.Write(ev.Data)
	if ev.End {
		c.out = ended
	}
	return len(ev.Data), nil
}

// Status implements protocols.Codec.
func (c *codec) Status() protocols.Status {
	s := protocols.Status{Phase: protocols.PhaseTunnel}
	switch {
	case c.aborted:
		s.Phase = protocols.PhaseAbort
	case c.in == ended && c.out == ended:
		s.Phase = protocols.PhaseClosing
	case c.in == waiting && !c.server:
		s.Phase, s.Room, s.Idle = protocols.PhaseOpen, 1, true
	}
	return s
}
