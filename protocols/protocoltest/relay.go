package protocoltest

import (
	"testing"

	"sluice/protocols"
)

// A Relay is a gateway's path for one exchange: a server codec's request goes to a client codec, whose answer goes back. It
// allocates nothing, for benchmarks and tests of what codecs allocate.
type Relay struct {
	Server, Client protocols.Codec
	// UpID is the client codec's id of the last request.
	UpID   protocols.StreamID
	id     protocols.StreamID // at the server
	down   Null
	up     Null
	ev     protocols.Event
	err    error
	answer relayAnswer
}

type relayAnswer struct{ r *Relay }

// NewRelay returns a relay between two connections of p, each on a loop of its own.
func NewRelay(p *protocols.Protocol) *Relay {
	r := &Relay{Server: p.Server(protocols.NewEnv(protocols.Limits{})), Client: p.Client(protocols.NewEnv(protocols.Limits{}))}
	r.answer.r = r
	return r
}

// Event passes a request on.
func (r *Relay) Event(ev *protocols.Event) protocols.Verdict {
	r.id = ev.Stream
	r.ev = protocols.Event{Kind: ev.Kind, End: ev.End, Header: ev.Header, Data: ev.Data, Stream: r.UpID}
	if ev.Kind == protocols.KindHead {
		r.ev.Stream = 0
	}
	if _, err := r.Client.Encode(1, &r.ev, &r.up); err != nil {
		r.err = err
	}
	r.UpID = r.ev.Stream
	return protocols.More
}

// Event passes an answer back.
func (s *relayAnswer) Event(ev *protocols.Event) protocols.Verdict {
	r := s.r
	r.ev = protocols.Event{Kind: ev.Kind, End: ev.End, Header: ev.Header, Data: ev.Data, Stream: r.id}
	if _, err := r.Server.Encode(1, &r.ev, &r.down); err != nil {
		r.err = err
	}
	return protocols.More
}

// Exchange relays one request and its answer, to which address gives the id of the request that was passed on.
func (r *Relay) Exchange(tb testing.TB, request, answer []byte, address func(b []byte, id protocols.StreamID)) {
	if n, err := r.Server.Decode(1, request, r, &r.down); n != len(request) || err != nil || r.err != nil {
		tb.Fatal("request", n, err, r.err)
	}
	address(answer, r.UpID)
	if n, err := r.Client.Decode(1, answer, &r.answer, &r.up); n != len(answer) || err != nil || r.err != nil {
		tb.Fatal("answer", n, err, r.err)
	}
}
