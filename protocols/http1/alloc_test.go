//go:build !race

package http1

import (
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// exchanges are requests and answers of every framing, as they pass through both codecs.
var exchanges = []struct{ name, request, response string }{
	{"small", smallRequest, smallResponse},
	{"keep-alive fields", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nTE: x, trailers\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=10\r\nContent-Length: 0\r\n\r\n"},
	{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", smallResponse},
	{"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
	{"100-continue", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"},
	{"upgrade refused", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
	{"full target", "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"},
	{"1.0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", smallResponse},
}

func TestNoAllocationPerExchange(t *testing.T) {
	for _, x := range exchanges {
		p := newProxy(protocols.Limits{})
		request, response := []byte(x.request), []byte(x.response)
		exchange := func() {
			n, err := p.request(request)
			if err != nil || n != len(request) || p.toUp.err != nil {
				t.Fatalf("%s: request: n = %d, %v, encode: %v", x.name, n, err, p.toUp.err)
			}
			if n, err = p.response(response); err != nil || n != len(response) || p.toDown.err != nil {
				t.Fatalf("%s: response: n = %d, %v, encode: %v", x.name, n, err, p.toDown.err)
			}
			p.up.B, p.down.B = p.up.B[:0], p.down.B[:0]
		}
		exchange() // the buffers of the test grow once
		if allocs := testing.AllocsPerRun(2, func() {
			for range 1000 {
				exchange()
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations in 1000 exchanges", x.name, allocs)
		}
	}
}

// A refusal, with the local answer to it, allocates nothing but the connection's codec.
func TestNoAllocationPerRefusal(t *testing.T) {
	env := protocols.NewEnv(protocols.Limits{})
	request := []byte("GET / HTTP/1.1\r\nHost : a\r\n\r\n")
	body := []byte("bad request\n")
	var (
		answer protocols.Header
		out    protocoltest.Null
		s      server
	)
	ev := protocols.Event{Kind: protocols.KindHead, Header: &answer}
	data := protocols.Event{Kind: protocols.KindData, Data: body, End: true}
	if allocs := testing.AllocsPerRun(2, func() {
		for range 1000 {
			s = server{env: env}
			if _, err := s.Decode(0, request, &out, &out); err == nil {
				t.Fatal("accepted")
			}
			answer.SetAnswer(400, "text/plain", int64(len(body)))
			if _, err := s.Encode(0, &ev, &out); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Encode(0, &data, &out); err != nil {
				t.Fatal(err)
			}
		}
	}); allocs != 0 {
		t.Errorf("%v allocations in 1000 refusals", allocs)
	}
}
