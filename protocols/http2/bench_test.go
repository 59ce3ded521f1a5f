package http2

import (
	"strconv"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// exchanges joins a client and a server that do many small exchanges at a time, as gateways do: 32 GET with a path of
// their own and a cookie, answered with 128 bytes.
type exchanges struct {
	client, server *conn
	up, down       protocoltest.Output
	request        protocols.Header
	answer         protocols.Header
	kept           protocols.Header
	body           [128]byte
	n              int // requests made
	answered       int
	path           []byte
	cookie         []byte
	err            error
	sink           downloadSink
}

const batch = 32

func newExchanges() *exchanges {
	x := &exchanges{client: newClient(protocols.NewEnv(protocols.Limits{})), server: newServer(protocols.NewEnv(protocols.Limits{}))}
	x.cookie = []byte("session=0123456789abcdef0123456789abcdef; theme=dark")
	return x
}

// ask encodes one request, of which the path is new.
func (x *exchanges) ask() {
	x.n++
	h := &x.request
	h.Reset()
	h.Proto = protocols.ProtocolHTTP2
	h.SetMethod(x.append("GET"))
	h.SetScheme(x.append("http"))
	h.SetAuthority(x.append("www.example.com"))
	x.path = strconv.AppendInt(append(x.path[:0], "/items/"...), int64(x.n), 10)
	h.SetPath(x.path)
	h.AddString("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
	h.AddString("accept", "*/*")
	h.Add("cookie", x.cookie)
	ev := protocols.Event{Kind: protocols.KindHead, Header: h, End: true, Owner: x}
	if _, err := x.client.Encode(0, &ev, &x.up); err != nil {
		x.err = err
	}
}

func (x *exchanges) append(s string) []byte {
	x.path = append(x.path[:0], s...)
	return x.path
}

// serverSink answers each request within its event.
type serverSink exchanges

func (s *serverSink) Event(ev *protocols.Event) protocols.Verdict {
	x := (*exchanges)(s)
	if ev.Kind != protocols.KindHead {
		return protocols.More
	}
	x.kept.Take(ev.Header)
	ev.Owner = x
	id := ev.Stream
	x.answer.SetAnswer(200, "text/plain", int64(len(x.body)))
	x.answer.Proto = protocols.ProtocolHTTP2
	x.answer.AddString("server", "backend")
	x.answer.AddString("date", "Mon, 23 Nov 2026 18:00:00 GMT")
	out := protocols.Event{Kind: protocols.KindHead, Stream: id, Header: &x.answer}
	if _, err := x.server.Encode(0, &out, &x.down); err != nil {
		x.err = err
	}
	out = protocols.Event{Kind: protocols.KindData, Stream: id, Data: x.body[:], End: true}
	if n, err := x.server.Encode(0, &out, &x.down); err != nil || n != len(x.body) {
		x.err = err
	}
	return protocols.More
}

// clientSink counts answers.
type clientSink exchanges

func (s *clientSink) Event(ev *protocols.Event) protocols.Verdict {
	if ev.End {
		s.answered++
	}
	return protocols.More
}

// run does a batch.
func (x *exchanges) run() {
	for range batch {
		x.ask()
	}
	x.serve()
	x.finish()
}

func (x *exchanges) serve() {
	if n, err := x.server.Decode(0, x.up.B, (*serverSink)(x), &x.down); err != nil || n != len(x.up.B) {
		x.err = err
	}
	x.up.B = x.up.B[:0]
}

func (x *exchanges) finish() {
	if n, err := x.client.Decode(0, x.down.B, (*clientSink)(x), &x.up); err != nil || n != len(x.down.B) {
		x.err = err
	}
	x.down.B = x.down.B[:0]
}

func (x *exchanges) check(t testing.TB) {
	t.Helper()
	if x.err != nil || x.answered != x.n {
		t.Fatalf("%v; %d of %d answered", x.err, x.answered, x.n)
	}
}

// BenchmarkExchange is one exchange through both ends: request out, in, answer out, in.
func BenchmarkExchange(b *testing.B) {
	x := newExchanges()
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		x.run()
	}
	x.check(b)
}

// BenchmarkServer is a server's part of an exchange.
func BenchmarkServer(b *testing.B) {
	x := newExchanges()
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		b.StopTimer()
		for range batch {
			x.ask()
		}
		b.StartTimer()
		x.serve()
		b.StopTimer()
		x.finish()
		b.StartTimer()
	}
	x.check(b)
}

// BenchmarkDownload is a body of 1 MiB from a server to a client, in pieces of 16 KiB.
func BenchmarkDownload(b *testing.B) {
	x := newExchanges()
	x.run()
	piece := make([]byte, 16<<10)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		x.download(piece, 64)
	}
	x.check(b)
}

func (x *exchanges) download(piece []byte, pieces int) {
	x.ask()
	sink := &x.sink
	if _, err := x.server.Decode(0, x.up.B, sink, &x.down); err != nil {
		x.err = err
	}
	x.up.B = x.up.B[:0]
	x.answer.SetAnswer(200, "", int64(len(piece)*pieces))
	out := protocols.Event{Kind: protocols.KindHead, Stream: sink.id, Header: &x.answer}
	if _, err := x.server.Encode(0, &out, &x.down); err != nil {
		x.err = err
	}
	for i := range pieces {
		for rest := piece; len(rest) > 0; {
			out = protocols.Event{Kind: protocols.KindData, Stream: sink.id, Data: rest, End: i == pieces-1}
			n, err := x.server.Encode(0, &out, &x.down)
			if err != nil {
				x.err = err
				return
			}
			rest = rest[n:]
			x.finish()
			if _, err = x.server.Decode(0, x.up.B, sink, &x.down); err != nil {
				x.err = err
			}
			x.up.B = x.up.B[:0]
		}
	}
	x.finish()
}

type downloadSink struct{ id protocols.StreamID }

func (s *downloadSink) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead {
		s.id = ev.Stream
	}
	return protocols.More
}
