package bolt

import (
	"encoding/binary"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

func newRelay() *protocoltest.Relay { return protocoltest.NewRelay(Protocol()) }

// address gives an answer another id.
func address(b []byte, id protocols.StreamID) {
	binary.BigEndian.PutUint32(b[idOffset(b[0]):], uint32(id))
}

// BenchmarkServer decodes a small request and encodes its answer: the work of one codec.
func BenchmarkServer(b *testing.B) {
	env := protocols.NewEnv(protocols.Limits{})
	c := newServer(env)
	h, content := decoded(b, answer(1))
	in := request(7).bytes()
	var out, null protocoltest.Null
	var ev protocols.Event
	sink := &lastStream{}
	_ = null
	b.ReportAllocs()
	for b.Loop() {
		if n, err := c.Decode(1, in, sink, &out); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
		ev = protocols.Event{Kind: protocols.KindHead, Stream: sink.id, Header: h}
		if _, err := c.Encode(1, &ev, &out); err != nil {
			b.Fatal(err)
		}
		ev = protocols.Event{Kind: protocols.KindData, Stream: sink.id, Data: content, End: true}
		if _, err := c.Encode(1, &ev, &out); err != nil {
			b.Fatal(err)
		}
	}
}

type lastStream struct{ id protocols.StreamID }

func (s *lastStream) Event(ev *protocols.Event) protocols.Verdict {
	s.id = ev.Stream
	return protocols.More
}

// BenchmarkRelay is an exchange through both codecs.
func BenchmarkRelay(b *testing.B) {
	r := newRelay()
	in, back := request(7).bytes(), answer(7).bytes()
	b.ReportAllocs()
	for b.Loop() {
		r.Exchange(b, in, back, address)
	}
}

// BenchmarkRelaySum is the same with frames of version 2 and their CRC32.
func BenchmarkRelaySum(b *testing.B) {
	r := newRelay()
	q, a := request(7), answer(7)
	q.sum, a.v2 = true, true
	in, back := q.bytes(), a.bytes()
	b.ReportAllocs()
	for b.Loop() {
		r.Exchange(b, in, back, address)
	}
}
