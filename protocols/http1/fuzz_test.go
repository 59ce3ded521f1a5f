package http1

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// heard is what a receiver understood of a series of messages, without how each hop framed them: what two hops must
// agree upon, or one of them was deceived.
type heard struct {
	lines []string
	body  []byte
	err   error
}

func (h *heard) flush() {
	if h.body != nil {
		h.lines = append(h.lines, fmt.Sprintf("body %q", h.body))
		h.body = nil
	}
}

func (h *heard) event(ev *protocols.Event) {
	switch ev.Kind {
	case protocols.KindData:
		if h.body == nil {
			h.body = []byte{}
		}
		h.body = append(h.body, ev.Data...)
	case protocols.KindHead:
		m := ev.Header
		if ev.Interim && m.Status == 100 {
			return // of which a client gets at most one
		}
		h.lines = append(h.lines, fmt.Sprintf("%s %s %s %q %d", m.MethodBytes(), m.Path(), m.Authority(),
			strings.ToLower(string(m.Upgrade())), m.Status))
		h.fields(m)
	case protocols.KindTrailer:
		h.flush()
		h.lines = append(h.lines, "trailer")
		h.fields(ev.Header)
	default:
		h.lines = append(h.lines, ev.Kind.String())
	}
	if ev.End {
		if len(h.body) > 0 {
			h.flush()
		}
		h.body = nil
		h.lines = append(h.lines, "end")
	}
}

func (h *heard) fields(m *protocols.Header) {
	for i := range m.Len() {
		if id, name, value, ok := m.Field(i); ok && id != protocols.NameHost && id != protocols.NameContentLength {
			h.lines = append(h.lines, fmt.Sprintf("%s: %q", name, value))
		}
	}
}

// gateway is a server codec whose requests are answered at once and passed on by client codecs, one for each.
type gateway struct {
	t      *testing.T
	server protocols.Codec
	client protocols.Codec
	down   protocoltest.Output
	up     protocoltest.Output
	id     protocols.StreamID
	heard  heard
	due    bool // an answer is due when Decode has returned
}

func newGateway(t *testing.T) *gateway {
	return &gateway{t: t, server: Protocol().Server(protocols.NewEnv(protocols.Limits{}))}
}

func (g *gateway) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead && len(ev.Header.Authority()) == 0 {
		ev.Header.SetAuthority([]byte("default"))
	}
	g.heard.event(ev)
	stream := ev.Stream
	if ev.Kind == protocols.KindHead {
		g.client = Protocol().Client(protocols.NewEnv(protocols.Limits{}))
		g.due = true
		ev.Stream = 0
	} else {
		ev.Stream = g.id
	}
	if n, err := g.client.Encode(0, ev, &g.up); err != nil || n != len(ev.Data) {
		g.t.Fatalf("what was decoded can't be encoded: took %d of %d, %v", n, len(ev.Data), err)
	}
	g.id = ev.Stream
	ev.Stream = stream
	return protocols.More
}

// run feeds input in pieces of size, answering each request when its bytes have been taken.
func (g *gateway) run(input []byte, size int) {
	var left []byte
	for len(input) > 0 && g.heard.err == nil {
		k := min(size, len(input))
		left = append(left, input[:k]...)
		input = input[k:]
		for g.heard.err == nil {
			n, err := g.server.Decode(0, bytes.Clone(left), g, &g.down)
			if n < 0 || n > len(left) {
				g.t.Fatalf("Decode used %d of %d bytes", n, len(left))
			}
			left = left[n:]
			g.heard.err = err
			if err != nil || !g.answer() {
				break
			}
		}
	}
}

// answer answers a request that is complete, and says whether it did.
func (g *gateway) answer() bool {
	in := g.server.(*server).in
	if !g.due || in != serverDone && in != serverHeld {
		return false
	}
	g.due = false
	var h protocols.Header
	h.SetAnswer(403, "", 0)
	if _, err := g.server.Encode(0, &protocols.Event{Kind: protocols.KindHead, Header: &h, End: true}, &g.down); err != nil {
		g.t.Fatalf("the answer can't be encoded: %v", err)
	}
	return true
}

func FuzzServer(f *testing.F) {
	for _, seed := range requestSeeds() {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		if len(input) > 1<<17 {
			return
		}
		whole := newGateway(t)
		whole.run(input, len(input)+1)
		if step := int(size); step > 0 && len(input) < 1<<13 {
			cut := newGateway(t)
			cut.run(input, step)
			if !slices.Equal(whole.heard.lines, cut.heard.lines) || !errors.Is(cut.heard.err, whole.heard.err) {
				t.Fatalf("%q\nwhole: %q %v\nin pieces of %d: %q %v", input, whole.heard.lines, whole.heard.err, step,
					cut.heard.lines, cut.heard.err)
			}
		}
		// What we pass on is understood by the next hop as we understood it: nothing is smuggled through.
		next := newGateway(t)
		sent := whole.up.Take()
		next.run(sent, len(sent)+1)
		if next.heard.err != nil {
			t.Fatalf("%q\nis passed on as\n%q\nwhich is refused: %v", input, sent, next.heard.err)
		}
		if whole.heard.err == nil {
			whole.heard.flush()
			next.heard.flush()
		}
		compareHops(t, input, sent, whole.heard.lines, next.heard.lines)
	})
}

// compareHops fails when what was understood differs from what was meant. A message that was not complete may be cut
// short by a line.
func compareHops(t *testing.T, input, sent []byte, meant, understood []string) {
	t.Helper()
	n := len(understood)
	complete := len(meant) > 0 && meant[len(meant)-1] == "end"
	if n > len(meant) || !slices.Equal(meant[:n], understood) || complete && n < len(meant) {
		t.Fatalf("%q\nis passed on as\n%q\nunderstood as\n%q\nbut meant as\n%q", input, sent, understood, meant)
	}
}

// backend is a client codec with one request outstanding, whose answer a server codec passes on.
type backend struct {
	t      *testing.T
	client protocols.Codec
	server protocols.Codec
	down   protocoltest.Output
	heard  heard
}

func newBackend(t *testing.T, method string) *backend {
	b := &backend{t: t, client: Protocol().Client(protocols.NewEnv(protocols.Limits{})),
		server: Protocol().Server(protocols.NewEnv(protocols.Limits{}))}
	var (
		up   protocoltest.Output
		null protocoltest.Null
		h    protocols.Header
	)
	h.Reset()
	h.SetMethod([]byte(method))
	h.SetPath([]byte("/"))
	h.SetAuthority([]byte("a:1"))
	if method == "GET" {
		h.SetUpgrade([]byte("websocket"))
	}
	h.AddString("expect", "100-continue")
	end := method != "GET" && method != "CONNECT"
	if _, err := b.client.Encode(0, &protocols.Event{Kind: protocols.KindHead, Header: &h, End: end}, &up); err != nil {
		t.Fatal(err)
	}
	if _, err := b.server.Decode(0, up.Take(), &null, &null); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *backend) Event(ev *protocols.Event) protocols.Verdict {
	b.heard.event(ev)
	stream := ev.Stream
	ev.Stream = 0
	if n, err := b.server.Encode(0, ev, &b.down); err != nil || n != len(ev.Data) {
		b.t.Fatalf("what was decoded can't be encoded: took %d of %d, %v", n, len(ev.Data), err)
	}
	ev.Stream = stream
	return protocols.More
}

func (b *backend) run(input []byte, size int, eof bool) {
	var left []byte
	for len(input) > 0 && b.heard.err == nil {
		k := min(size, len(input))
		left = append(left, input[:k]...)
		input = input[k:]
		n, err := b.client.Decode(0, bytes.Clone(left), b, &b.down)
		left, b.heard.err = left[n:], err
	}
	if eof && b.heard.err == nil {
		b.heard.err = b.client.DecodeEOF(0, left, b, &b.down)
	}
}

func FuzzClient(f *testing.F) {
	for _, seed := range responseSeeds() {
		f.Add([]byte(seed), uint8(1), uint8(0))
		f.Add([]byte(seed), uint8(3), uint8(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, size, method uint8) {
		if len(input) > 1<<17 {
			return
		}
		name := []string{"GET", "HEAD", "POST", "CONNECT"}[method%4]
		whole := newBackend(t, name)
		whole.run(input, len(input)+1, true)
		if step := int(size); step > 0 && len(input) < 1<<13 {
			cut := newBackend(t, name)
			cut.run(input, step, true)
			if !slices.Equal(whole.heard.lines, cut.heard.lines) || !errors.Is(cut.heard.err, whole.heard.err) {
				t.Fatalf("%q\nwhole: %q %v\nin pieces of %d: %q %v", input, whole.heard.lines, whole.heard.err, step,
					cut.heard.lines, cut.heard.err)
			}
		}
		next := newBackend(t, name)
		sent := whole.down.Take()
		next.run(sent, len(sent)+1, whole.heard.err == nil)
		if next.heard.err != nil {
			t.Fatalf("%q\nis passed on as\n%q\nwhich is refused: %v", input, sent, next.heard.err)
		}
		compareHops(t, input, sent, whole.heard.lines, next.heard.lines)
	})
}

func requestSeeds() []string {
	return []string{
		smallRequest,
		get() + get("Connection: close"),
		"\r\nGET / HTTP/1.0\r\n\r\n",
		get("Content-Length: 5") + "hello" + get(),
		get("Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\nG",
		get("Transfer-Encoding: chunked", "Content-Length: 4") + "5c\r\nGPOST / HTTP/1.1\r\n",
		get("Transfer-Encoding: xchunked"), get("Transfer-Encoding:\tchunked") + "0\r\n\r\n",
		get("Transfer-Encoding : chunked"), get("Transfer-Encoding: chunked", "Transfer-encoding: cow"),
		get("Transfer-Encoding: \vchunked"), get("Transfer-Encoding:\r\n chunked"), get("X: X\nTransfer-Encoding: chunked"),
		get("Content-Length: 5", "Content-Length: 6"), get("Content-Length: 5,5"), get("Content-Length: +5"),
		get("Expect: 100-continue", "Content-Length: 3") + "abc" + get(),
		get("Connection: upgrade", "Upgrade: websocket"), get("Connection: upgrade, x", "Upgrade: h2c, b/1", "X: y", "TE: a, trailers"),
		get("Connection: Content-Length", "Content-Length: 5"),
		chunked("5\r\nhello\r\n0\r\n\r\n") + get(), chunked("5;a=\"b\\\"\";c\r\nhello\r\n0;x\r\nX: y\r\nz:\r\n\r\n"),
		chunked("5\r\nhelloX\r\n0\r\n\r\n"), chunked("5\nhello\r\n"), chunked("2\r\nxx\r\n4c;\nxx\r\n0\r\n\r\n"),
		chunked("0\r\nContent-Length: 5\r\n\r\n"), chunked("1 ;\r\na\r\n"), chunked("ffffffffffffffff\r\n"),
		"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS http://a HTTP/1.1\r\nHost: A:80\r\n\r\n",
		"GET http://a?b HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\nbytes", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n",
		get("Host: b"), get("X: a\x00b"), get(": x"), get("X: y", " z"), get("X_Y: z", "Y:", "Z:  a  "),
	}
}

func responseSeeds() []string {
	ok := func(fields ...string) string { return lines(append([]string{"HTTP/1.1 200 OK"}, fields...)...) }
	return []string{
		smallResponse,
		ok() + "until the end",
		ok("Connection: close", "X: y") + "until the end",
		ok("Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
		ok("Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n",
		ok("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		ok("Content-Length: 5") + "hell", ok("Content-Length: 5") + "hello!", ok("Content-Length: 5, 5") + "hello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\n" + ok("Content-Length: 0"),
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nframes",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
		"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 304 x\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 426 x\r\nUpgrade: a/1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200\n\n", "HTTP/2.0 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 999 \xc3\xa4\r\n\r\n",
		ok("Connection: X", "X: y", "Content-Length: 0"), ok("Connection: Content-Length", "Content-Length: 0"),
	}
}
