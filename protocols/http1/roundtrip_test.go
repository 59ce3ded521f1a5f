package http1

import (
	"bytes"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// relay is a proxy's stream in small: it passes what one codec decodes to another one, at once.
type relay struct {
	to  protocols.Codec
	out protocols.Output
	id  protocols.StreamID
	err error
}

func (r *relay) Event(ev *protocols.Event) protocols.Verdict {
	stream := ev.Stream
	ev.Stream = r.id
	_, r.err = r.to.Encode(0, ev, r.out)
	ev.Stream = stream
	return protocols.More
}

// proxy is a server codec and a client codec with a relay in each direction.
type proxy struct {
	server, client protocols.Codec
	down, up       protocoltest.Output
	toUp, toDown   relay
}

func newProxy(l protocols.Limits) *proxy {
	env := protocols.NewEnv(l)
	p := &proxy{server: Protocol().Server(env), client: Protocol().Client(env)}
	p.toUp = relay{to: p.client, out: &p.up}
	p.toDown = relay{to: p.server, out: &p.down}
	return p
}

func (p *proxy) request(b []byte) (int, error) {
	p.toUp.id = 0
	return p.server.Decode(0, b, upstreamID{p}, &p.down)
}

// upstreamID gives the events behind a head the stream that the client codec opened.
type upstreamID struct{ p *proxy }

func (u upstreamID) Event(ev *protocols.Event) protocols.Verdict {
	stream := ev.Stream
	if ev.Kind == protocols.KindHead {
		ev.Stream = 0
	} else {
		ev.Stream = u.p.toUp.id
	}
	_, u.p.toUp.err = u.p.client.Encode(0, ev, &u.p.up)
	u.p.toUp.id = ev.Stream
	ev.Stream = stream
	return protocols.More
}

func (p *proxy) response(b []byte) (int, error) {
	return p.client.Decode(0, b, &p.toDown, &p.up)
}

const (
	smallRequest = "GET /some/path?with=query HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8.14.1\r\n" +
		"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nX-Request-Id: 0123456789abcdef\r\nCookie: session=0123456789\r\n\r\n"
	smallResponse = "HTTP/1.1 200 OK\r\nServer: test\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
		"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)

func TestProxyForwardsACleanExchangeAsItCame(t *testing.T) {
	p := newProxy(protocols.Limits{})
	for range 3 {
		n, err := p.request([]byte(smallRequest))
		if n != len(smallRequest) || err != nil || p.toUp.err != nil {
			t.Fatalf("request: n = %d, err = %v, encode: %v", n, err, p.toUp.err)
		}
		if got := p.up.Take(); string(got) != smallRequest {
			t.Fatalf("upstream got:\n%q\nwant:\n%q", got, smallRequest)
		}
		if n, err = p.response([]byte(smallResponse)); n != len(smallResponse) || err != nil || p.toDown.err != nil {
			t.Fatalf("response: n = %d, err = %v, encode: %v", n, err, p.toDown.err)
		}
		if got := p.down.Take(); !bytes.Equal(got, []byte(smallResponse)) {
			t.Fatalf("client got:\n%q\nwant:\n%q", got, smallResponse)
		}
		for _, c := range []protocols.Codec{p.server, p.client} {
			if s := c.Status(); !s.Idle || s.Phase != protocols.PhaseOpen {
				t.Fatalf("status after the exchange: %+v", s)
			}
		}
	}
}

func BenchmarkRequestDecode(b *testing.B) {
	env := protocols.NewEnv(protocols.Limits{})
	raw := []byte(smallRequest)
	h := &env.Scratch
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		var q request
		var p progress
		if r := q.scan(raw, &p, &env.Limits, h); r != ruleOK || q.fields.end != len(raw) {
			b.Fatal(r)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	p := newProxy(protocols.Limits{})
	request, response := []byte(smallRequest), []byte(smallResponse)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.request(request); err != nil {
			b.Fatal(err)
		}
		if _, err := p.response(response); err != nil {
			b.Fatal(err)
		}
		p.up.B, p.down.B = p.up.B[:0], p.down.B[:0]
	}
}
