package bolt

import (
	"encoding/binary"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// relay is a gateway's path for one exchange: a server codec's request goes to a client codec, whose answer goes back.
type relay struct {
	server *server
	client *client
	down   protocoltest.Null
	up     protocoltest.Null
	out    protocols.Event
	id     protocols.StreamID // at the server
	upID   protocols.StreamID
	err    error
	answer sinkFunc
}

type sinkFunc struct{ r *relay }

func newRelay() *relay {
	env := protocols.NewEnv(protocols.Limits{})
	r := &relay{server: newServer(env), client: newClient(protocols.NewEnv(protocols.Limits{}))}
	r.answer = sinkFunc{r}
	return r
}

// Event passes a request on.
func (r *relay) Event(ev *protocols.Event) protocols.Verdict {
	r.id = ev.Stream
	r.out = protocols.Event{Kind: ev.Kind, End: ev.End, Header: ev.Header, Data: ev.Data, Stream: r.upID}
	if ev.Kind == protocols.KindHead {
		r.out.Stream = 0
	}
	if _, err := r.client.Encode(1, &r.out, &r.up); err != nil {
		r.err = err
	}
	r.upID = r.out.Stream
	return protocols.More
}

// Event passes an answer back.
func (s *sinkFunc) Event(ev *protocols.Event) protocols.Verdict {
	r := s.r
	r.out = protocols.Event{Kind: ev.Kind, End: ev.End, Header: ev.Header, Data: ev.Data, Stream: r.id}
	if _, err := r.server.Encode(1, &r.out, &r.down); err != nil {
		r.err = err
	}
	return protocols.More
}

// exchange relays one request and its answer.
func (r *relay) exchange(tb testing.TB, request, answer []byte) {
	if n, err := r.server.Decode(1, request, r, &r.down); n != len(request) || err != nil || r.err != nil {
		tb.Fatal("request", n, err, r.err)
	}
	binary.BigEndian.PutUint32(answer[idOffset(answer[0]):], uint32(r.upID))
	if n, err := r.client.Decode(1, answer, &r.answer, &r.up); n != len(answer) || err != nil || r.err != nil {
		tb.Fatal("answer", n, err, r.err)
	}
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
		r.exchange(b, in, back)
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
		r.exchange(b, in, back)
	}
}
