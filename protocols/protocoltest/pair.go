package protocoltest

import (
	"bytes"
	"fmt"

	"sluice/protocols"
)

// A Pair is the two ends of one connection, joined in memory.
type Pair struct {
	Client, Server End
}

// An End is a codec with its sink, its output, and the bytes that it has not consumed.
type End struct {
	Codec protocols.Codec
	Sink  Recorder
	Out   Output
	left  []byte
}

// NewPair returns a connected pair, both ends with the limits l.
func NewPair(p *protocols.Protocol, l protocols.Limits) *Pair {
	return &Pair{Client: End{Codec: p.Client(protocols.NewEnv(l))}, Server: End{Codec: p.Server(protocols.NewEnv(l))}}
}

// Encode lets the end encode ev.
func (e *End) Encode(ev *protocols.Event) error {
	n, err := e.Codec.Encode(0, ev, &e.Out)
	if err == nil && ev.Kind == protocols.KindData && n < len(ev.Data) {
		return fmt.Errorf("encode took %d of %d bytes", n, len(ev.Data))
	}
	return err
}

// Pump carries bytes both ways, in pieces of at most size bytes, until neither end has any for the other.
func (p *Pair) Pump(size int) error {
	for {
		up, err := pump(&p.Client, &p.Server, size)
		if err != nil {
			return fmt.Errorf("server: %w", err)
		}
		down, err := pump(&p.Server, &p.Client, size)
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
		if !up && !down {
			return nil
		}
	}
}

func pump(from, to *End, size int) (moved bool, err error) {
	b := from.Out.Take()
	for len(b) > 0 {
		k := min(size, len(b))
		to.left = append(to.left, b[:k]...)
		b = b[k:]
		if err = to.decode(); err != nil {
			return true, err
		}
		moved = true
	}
	return moved, to.decode()
}

// decode offers the end what it has not consumed.
func (e *End) decode() error {
	for len(e.left) > 0 {
		n, err := e.Codec.Decode(0, bytes.Clone(e.left), &e.Sink, &e.Out)
		e.left = e.left[n:]
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}
