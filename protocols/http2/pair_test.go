package http2

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// side is one end of a connection in memory, with an owner that behaves like a gateway's: it keeps what it can't send, and
// offers it again when it is told to.
type side struct {
	codec *conn
	env   *protocols.Env
	out   protocoltest.Output
	high  bool   // the output was above OutputHigh
	left  []byte // what Decode has not consumed
	peer  *side
	test  fataler
	log   []string
	flows map[protocols.StreamID]*flow
	// opened is called with the flow of each request that comes (server).
	opened func(f *flow, h *protocols.Header)
	pauses func() bool // whether to pause on data
}

type fataler interface{ Fatalf(string, ...any) }

// flow is the owner's part of a stream.
type flow struct {
	id        protocols.StreamID
	send      []byte // not yet taken by the codec
	sendEnd   bool
	trailer   bool
	sent      bool // the end is out
	got       bytes.Buffer
	head      protocols.Header
	trailers  protocols.Header
	interims  int
	ended     bool
	trailed   bool
	reset     protocols.Reason
	unproc    bool
	paused    int // bytes held back
	wantsMore int // Credit events
}

func newSide(t fataler, role role, l protocols.Limits) *side {
	env := protocols.NewEnv(l)
	c := newServer(env)
	if role == roleClient {
		c = newClient(env)
	}
	return &side{codec: c, env: env, test: t, flows: map[protocols.StreamID]*flow{}}
}

// newPair joins a client and a server.
func newPair(t fataler, client, server protocols.Limits) (c, s *side) {
	c, s = newSide(t, roleClient, client), newSide(t, roleServer, server)
	c.peer, s.peer = s, c
	return c, s
}

// Event implements protocols.Sink.
func (s *side) Event(ev *protocols.Event) protocols.Verdict {
	var f *flow
	if ev.Kind == protocols.KindHead && s.codec.role == roleServer {
		f = &flow{id: ev.Stream}
		s.flows[ev.Stream] = f
		ev.Owner = f
	} else if ev.Kind != protocols.KindGoAway {
		if f, _ = ev.Owner.(*flow); f == nil || f.id != ev.Stream {
			s.test.Fatalf("%v of stream %d without its owner: %v", ev.Kind, ev.Stream, ev.Owner)
		}
		if f.reset != 0 {
			s.test.Fatalf("%v behind the reset of stream %d", ev.Kind, ev.Stream)
		}
	}
	switch ev.Kind {
	case protocols.KindHead:
		if ev.Interim {
			f.interims++
			break
		}
		f.head.Take(ev.Header)
		f.ended = ev.End
		if s.opened != nil {
			s.opened(f, &f.head)
		}
	case protocols.KindData:
		if f.ended {
			s.test.Fatalf("data behind the end of stream %d", ev.Stream)
		}
		f.got.Write(ev.Data)
		f.ended = ev.End
		if s.pauses != nil && s.pauses() {
			f.paused += len(ev.Data)
			return protocols.Pause
		}
	case protocols.KindTrailer:
		f.trailers.Take(ev.Header)
		f.trailed, f.ended = true, true
	case protocols.KindReset:
		f.reset, f.unproc = ev.Reason, ev.Unprocessed
		f.paused = 0
		if f.reset == 0 {
			f.reset = protocols.NumReasons
		}
	case protocols.KindCredit:
		f.wantsMore++
		if ev.N <= 0 {
			s.test.Fatalf("a credit of %d", ev.N)
		}
		s.push(f)
	case protocols.KindGoAway:
		s.log = append(s.log, "goaway "+ev.Reason.String())
	}
	return protocols.More
}

func (s *side) encode(ev protocols.Event) (int, error) {
	n, err := s.codec.Encode(0, &ev, &s.out)
	s.high = s.high || s.out.Buffered() > protocols.OutputHigh
	return n, err
}

// push offers what f has to send.
func (s *side) push(f *flow) {
	if f.sent || f.reset != 0 || len(f.send) == 0 && !f.sendEnd {
		return
	}
	n, err := s.encode(protocols.Event{Kind: protocols.KindData, Stream: f.id, Data: f.send, End: f.sendEnd && !f.trailer})
	if err != nil {
		s.test.Fatalf("data of stream %d: %v", f.id, err)
	}
	f.send = f.send[n:]
	if len(f.send) > 0 || !f.sendEnd {
		return
	}
	f.sent = true
	if f.trailer {
		var h protocols.Header
		h.Reset()
		h.AddString("x-sum", "1")
		if _, err = s.encode(protocols.Event{Kind: protocols.KindTrailer, Stream: f.id, Header: &h, End: true}); err != nil {
			s.test.Fatalf("trailer of stream %d: %v", f.id, err)
		}
	}
}

func (s *side) credit(f *flow, n int) {
	f.paused -= n
	if _, err := s.encode(protocols.Event{Kind: protocols.KindCredit, Stream: f.id, N: n}); err != nil {
		s.test.Fatalf("credit of stream %d: %v", f.id, err)
	}
}

// carry gives the peer what this side has written, in pieces of at most size bytes.
func (s *side) carry(now time.Duration, size int) (moved bool, err error) {
	b := s.out.Take()
	for len(b) > 0 {
		k := min(size, len(b))
		s.peer.left = append(s.peer.left, b[:k]...)
		b = b[k:]
		if err = s.peer.decode(now); err != nil {
			return true, err
		}
		moved = true
	}
	if s.high {
		s.high = false
		s.codec.Drained(now, s, &s.out)
		s.high = s.out.Buffered() > protocols.OutputHigh
		moved = moved || s.out.Buffered() > 0
	}
	return moved, nil
}

func (s *side) decode(now time.Duration) error {
	for len(s.left) > 0 {
		n, err := s.codec.Decode(now, bytes.Clone(s.left), s, &s.out)
		s.high = s.high || s.out.Buffered() > protocols.OutputHigh
		s.left = s.left[n:]
		if err != nil || n == 0 && !s.codec.Status().Yielded {
			return err
		}
	}
	return nil
}

// pump carries bytes both ways until neither side has any.
func (s *side) pump(now time.Duration, size int) error {
	for {
		there, err := s.carry(now, size)
		if err != nil {
			return fmt.Errorf("at the peer: %w", err)
		}
		back, err := s.peer.carry(now, size)
		if err != nil {
			return fmt.Errorf("here: %w", err)
		}
		if !there && !back {
			return nil
		}
	}
}

func requestHeader(method, path string, fields ...string) *protocols.Header {
	h := new(protocols.Header)
	h.Reset()
	h.SetMethod([]byte(method))
	h.SetPath([]byte(path))
	h.SetAuthority([]byte("a.example"))
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	return h
}

func answerHeader(status int, fields ...string) *protocols.Header {
	h := new(protocols.Header)
	h.Reset()
	h.Status = status
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	return h
}

// request opens a stream.
func (s *side) request(h *protocols.Header, end bool) *flow {
	f := new(flow)
	ev := protocols.Event{Kind: protocols.KindHead, Header: h, End: end, Owner: f}
	if _, err := s.codec.Encode(0, &ev, &s.out); err != nil {
		s.test.Fatalf("request: %v", err)
	}
	f.id, f.sent = ev.Stream, end
	s.flows[f.id] = f
	return f
}

func (s *side) answer(f *flow, h *protocols.Header, end bool) {
	if _, err := s.encode(protocols.Event{Kind: protocols.KindHead, Stream: f.id, Header: h, End: end}); err != nil {
		s.test.Fatalf("answer: %v", err)
	}
	f.sent = end
}

func TestOneExchange(t *testing.T) {
	c, s := newPair(t, protocols.Limits{}, protocols.Limits{})
	s.opened = func(f *flow, h *protocols.Header) {
		if got := string(h.AppendLines(nil)); got != "Accept: */*\r\nx-a: b\r\n" {
			t.Errorf("the request's lines: %q", got)
		}
		if string(h.Path()) != "/p?q" || string(h.Authority()) != "a.example" || string(h.Scheme()) != "http" ||
			h.Method != protocols.MethodGet || !f.ended {
			t.Errorf("the request is %s %s %s %s", h.MethodBytes(), h.Path(), h.Authority(), h.Scheme())
		}
		s.answer(f, answerHeader(200, "Content-Length", "5", "X-B", "c"), false)
		f.send, f.sendEnd = []byte("hello"), true
		s.push(f)
	}
	f := c.request(requestHeader("GET", "/p?q", "Accept", "*/*", "X-A", "b", "Connection", "close", "Host", "other"), true)
	if err := c.pump(1, 1<<20); err != nil {
		t.Fatal(err)
	}
	if f.head.Status != 200 || f.got.String() != "hello" || !f.ended || f.head.ContentLength != 5 {
		t.Errorf("the answer is %d %q, ended %v", f.head.Status, f.got.String(), f.ended)
	}
	if got := string(f.head.AppendLines(nil)); got != "Content-Length: 5\r\nx-b: c\r\n" {
		t.Errorf("the answer's lines: %q", got)
	}
	for _, x := range []*side{c, s} {
		if st := x.codec.Status(); !st.Idle || st.Phase != protocols.PhaseOpen {
			t.Errorf("behind the exchange: %+v", st)
		}
	}
}

// Whatever the windows, the pauses and the pieces: every byte of every stream arrives, in order, and nothing stays owed.
func TestManyStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]int{0, 1, 10, 1000, 100_000})
		c, s := newPair(t, protocols.Limits{Window: window.Draw(t, "client's window")},
			protocols.Limits{Window: window.Draw(t, "server's window")})
		body := func(label string) []byte {
			n := rapid.SampledFrom([]int{0, 1, 9, 300, 20_000, 200_000}).Draw(t, label)
			if c.env.Limits.Window == 1 || s.env.Limits.Window == 1 {
				n = min(n, 300)
			}
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(i*7 + i>>8)
			}
			return b
		}
		pausing := rapid.Bool().Draw(t, "pausing")
		for _, x := range []*side{c, s} {
			x.pauses = func() bool { return pausing && rapid.IntRange(0, 2).Draw(t, "pause") == 0 }
		}
		want := map[protocols.StreamID][2][]byte{}
		s.opened = func(f *flow, _ *protocols.Header) {
			answer := want[f.id][1]
			s.answer(f, answerHeader(200), false)
			f.send, f.sendEnd, f.trailer = answer, true, rapid.Bool().Draw(t, "trailer")
		}
		for range rapid.IntRange(1, 12).Draw(t, "streams") {
			up := body("request's body")
			f := c.request(requestHeader("POST", "/"), false)
			f.send, f.sendEnd, f.trailer = up, true, rapid.Bool().Draw(t, "trailer")
			want[f.id] = [2][]byte{up, body("answer's body")}
			c.push(f)
		}
		size := rapid.SampledFrom([]int{1 << 20, 5000, 13}).Draw(t, "pieces")
		settle(t, c, s, size)
		for id, bodies := range want {
			up, down := s.flows[id], c.flows[id]
			if up == nil || !bytes.Equal(up.got.Bytes(), bodies[0]) || !up.ended {
				t.Fatalf("stream %d: the request's body has %d bytes, not %d", id, up.got.Len(), len(bodies[0]))
			}
			if !bytes.Equal(down.got.Bytes(), bodies[1]) || !down.ended {
				t.Fatalf("stream %d: the answer's body has %d bytes, not %d", id, down.got.Len(), len(bodies[1]))
			}
			if up.trailed != down.trailed && (up.trailed != c.flows[id].trailer) {
				t.Fatalf("stream %d: trailers got lost", id)
			}
		}
		for _, x := range []*side{c, s} {
			if x.env.Owed != 0 || x.codec.owed != 0 || x.codec.streams.n != 0 || x.codec.queue != nil {
				t.Fatalf("left: %d owed, %d streams, queue %v", x.env.Owed, x.codec.streams.n, x.codec.queue)
			}
			if st := x.codec.Status(); !st.Idle {
				t.Fatalf("not idle: %+v", st)
			}
		}
	})
}

// settle pumps until everything has arrived, returning what is held back in random pieces. An answer's body waits until
// the request's is complete, as with a server that reads first.
func settle(t *rapid.T, c, s *side, size int) {
	for round := 0; ; round++ {
		if round > 1_000_000 {
			t.Fatalf("no end in sight")
		}
		if err := c.pump(time.Duration(round), size); err != nil {
			t.Fatalf("%v", err)
		}
		moved := false
		for _, x := range []*side{c, s} {
			for _, id := range slices.Sorted(maps.Keys(x.flows)) {
				f := x.flows[id]
				if x == s && f.ended && !f.sent && f.wantsMore == 0 {
					before := len(f.send)
					x.push(f)
					moved = moved || len(f.send) < before || f.sent
				}
				if f.paused > 0 && f.reset == 0 {
					x.credit(f, max(1, rapid.IntRange(f.paused/2, f.paused).Draw(t, "returned")))
					moved = true
				}
			}
		}
		if !moved && c.out.Buffered() == 0 && s.out.Buffered() == 0 {
			return
		}
	}
}
