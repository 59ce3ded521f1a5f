package http2

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

// pausing makes the owner take nothing.
func pausing(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindData {
		return protocols.Pause
	}
	return protocols.More
}

// What nobody reads stays out of the window, and is back in it when it is returned.
func TestWindowIsWithheld(t *testing.T) {
	e := server(t, protocols.Limits{Window: 1000})
	e.sink.Then = pausing
	e.recv(new(script).post(1).data(1, false, strings.Repeat("x", 1000)))
	e.sink.Take()
	if e.env.Owed != 1000 || len(e.frames()) != 0 {
		t.Fatalf("%d are owed", e.env.Owed)
	}
	for _, c := range []struct {
		n, owed int
		frames  []string
	}{{400, 600, nil}, {200, 400, []string{"WINDOW_UPDATE 1 600"}}, {300, 100, nil}, {5000, 0, nil}} {
		if err := e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: 1, N: c.n}); err != nil {
			t.Fatal(err)
		}
		e.expect(t, fmt.Sprint("credit of ", c.n), nil, c.frames, 0)
		if e.env.Owed != c.owed || e.codec.owed != c.owed {
			t.Errorf("%d are owed, want %d", e.env.Owed, c.owed)
		}
	}
	e.recv(new(script).data(1, false, strings.Repeat("x", 601)))
	e.expect(t, "too much", []string{"1 reset protocol_error"}, []string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}, 0)
}

func TestConnectionWindow(t *testing.T) {
	e := server(t, protocols.Limits{Streams: 1000, Window: 1 << 20, Owed: -1})
	e.codec.recv = 20_000
	e.recv(new(script).post(1).data(1, false, strings.Repeat("x", 16_000)).data(1, false, strings.Repeat("x", 4_001)))
	if frames := e.frames(); len(frames) != 1 || !strings.HasSuffix(frames[0], "FLOW_CONTROL_ERROR") {
		t.Errorf("%q", frames)
	}
	// What comes is given back however it is received: padding, late data, data that nobody reads.
	e = server(t, protocols.Limits{})
	e.sink.Then = pausing
	e.recv(new(script).post(1).data(1, false, strings.Repeat("x", 16_000)).
		frame(frameData, flagPadded, 1, "\xffx"+strings.Repeat("\x00", 255)).post(3).word(frameReset, 3, 0))
	if e.recv(new(script).data(3, false, "late")); e.err != nil {
		t.Fatal(e.err)
	}
	if c := e.codec; c.recv+c.unsaid != c.connWindow() {
		t.Errorf("%d are missing", c.connWindow()-c.recv-c.unsaid)
	}
	if e.env.Owed != 16_001 {
		t.Errorf("%d are owed: padding is not", e.env.Owed)
	}
}

// However a stream ends, what it owed is gone.
func TestNothingStaysOwed(t *testing.T) {
	for name, end := range map[string]func(e *end){
		"answered": func(e *end) {
			_ = e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(204), End: true})
		},
		"reset here":      func(e *end) { _ = e.encode(protocols.Event{Kind: protocols.KindReset, Stream: 1}) },
		"reset there":     func(e *end) { e.recv(new(script).word(frameReset, 1, 8)) },
		"stream error":    func(e *end) { e.recv(new(script).word(frameWindowUpdate, 1, 0)) },
		"connection over": func(e *end) { e.recv(new(script).word(frameWindowUpdate, 0, 0)) },
		"end of input":    func(e *end) { _ = e.codec.DecodeEOF(0, nil, &e.sink, &e.out) },
		"closed":          func(e *end) { e.codec.Closed() },
		"closed twice":    func(e *end) { e.codec.Closed(); e.codec.Closed() },
		"timeout":         func(e *end) { e.codec.timers.pinged = 1; _ = e.codec.Advance(time.Hour, &e.sink, &e.out) },
	} {
		e := server(t, protocols.Limits{})
		e.sink.Then = pausing
		e.recv(new(script).post(1).data(1, false, "paused"))
		if e.env.Owed != 6 {
			t.Fatalf("%s: %d are owed", name, e.env.Owed)
		}
		end(e)
		if err := e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: 1, N: 6}); err != nil {
			t.Errorf("%s: a late credit: %v", name, err)
		}
		if e.env.Owed != 0 || e.codec.owed != 0 || e.codec.streams.n != 0 {
			t.Errorf("%s: %d are owed, %d streams", name, e.env.Owed, e.codec.streams.n)
		}
	}
}

func TestHeaviestStalledStreamIsReset(t *testing.T) {
	e := server(t, protocols.Limits{Owed: 10_000})
	e.sink.Then = pausing
	e.recv(new(script).post(1).post(3).post(5).data(1, false, strings.Repeat("x", 3000)).data(3, false, strings.Repeat("x", 5000)).
		data(5, false, strings.Repeat("x", 2000)))
	e.sink.Take()
	e.recv(new(script).data(5, false, "x"))
	e.expect(t, "one byte more", []string{`5 data "x"`, "3 reset overflow"}, []string{"RST_STREAM 3 ENHANCE_YOUR_CALM"}, 0)
	if e.env.Owed != 5001 {
		t.Errorf("%d are owed", e.env.Owed)
	}
	// The loop's limit hits whoever receives more, and only so often.
	f := &end{env: e.env, codec: newServer(e.env)}
	f.sink.Then = pausing
	e.env.Limits.OwedOnLoop = 5500
	f.recv(hello().post(1).post(3).data(1, false, strings.Repeat("x", 300)).data(3, false, strings.Repeat("x", 500)))
	if got := f.sink.Take(); got[len(got)-1] != "3 reset overflow" || e.env.Owed != 5301 {
		t.Errorf("%q, %d are owed", got, e.env.Owed)
	}
	e.codec.Closed()
	f.codec.Closed()
	if e.env.Owed != 0 {
		t.Errorf("%d are owed at the end", e.env.Owed)
	}
}

// A window grows while half of it is used up within a round trip and nobody downstream holds anything back.
func TestWindowGrows(t *testing.T) {
	const rtt = 10 * time.Millisecond
	for name, c := range map[string]struct {
		every time.Duration
		pause bool
		want  int32
	}{
		"fast": {100 * time.Microsecond, false, 64_000}, "slow": {20 * time.Millisecond, false, 1000},
		"held back": {time.Millisecond, true, 1000},
	} {
		e := newEnd(roleServer, protocols.Limits{Window: 1000, WindowMax: 64_000})
		e.recv(hello())
		e.now += rtt
		e.recv(new(script).ack().post(1).post(3))
		if c.pause {
			e.sink.Then = pausing
			e.recv(new(script).data(1, false, "x"))
		}
		for range 2000 {
			e.now += c.every
			e.recv(new(script).data(1, false, strings.Repeat("x", 250)))
			if c.pause {
				_ = e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: 1, N: 250})
			}
			e.out.Take()
			e.sink.Take()
		}
		if e.err != nil || e.codec.streams.get(1).recvMax != c.want {
			t.Errorf("%s: %v, the window is %d, want %d", name, e.err, e.codec.streams.get(1).recvMax, c.want)
		}
		if e.codec.streams.get(3).recvMax != 1000 {
			t.Errorf("%s: another stream's window changed", name)
		}
	}
}

// A window grows as far as it may, which is 2 MiB unless somebody says otherwise; a reader that stalls then keeps its stream.
func TestWindowGrowsAsFarAsItMay(t *testing.T) {
	for limits, want := range map[protocols.Limits]int{
		{}: 2 << 20, {WindowMax: 16 << 20}: 16 << 20, {WindowMax: 100_000}: 100_000, {Window: 8 << 20}: 8 << 20,
	} {
		e := newEnd(roleServer, limits)
		e.recv(hello())
		e.now += 10 * time.Millisecond
		e.recv(new(script).ack().post(1))
		s := e.codec.streams.get(1)
		data := new(script).data(1, false, strings.Repeat("x", frameSize))
		for range 4000 {
			e.now += 10 * time.Microsecond
			e.recv(data)
			e.out.Take()
			e.sink.Take()
		}
		if e.err != nil || int(s.recvMax) != want {
			t.Errorf("%+v: %v, the window is %d, want %d", limits, e.err, s.recvMax, want)
			continue
		}
		e.sink.Then = pausing
		for e.err == nil && e.codec.streams.get(1) == s && s.recv >= frameSize {
			e.recv(data)
		}
		if e.err != nil || e.codec.streams.get(1) != s || int(s.owed) < want/2 {
			t.Errorf("%+v: %v, a stream that has kept to its window holds %d, %d streams are left", limits, e.err, s.owed, e.codec.streams.n)
		}
	}
}

// Readers that all stall behind windows that have grown keep their streams.
func TestGrownWindowsThatFill(t *testing.T) {
	const streams = 10
	e := newEnd(roleServer, protocols.Limits{})
	e.recv(hello())
	e.now += 10 * time.Millisecond
	w := new(script).ack()
	for i := range streams {
		w.post(nth(i))
	}
	e.recv(w)
	for range 500 {
		e.now += 10 * time.Microsecond
		var w script
		for i := range streams {
			w.data(nth(i), false, strings.Repeat("x", 4000))
		}
		e.recv(&w)
		e.out.Take()
		e.sink.Take()
	}
	e.sink.Then = pausing
	total := 0
	for i := range streams {
		for s := e.codec.streams.get(nth(i)); s != nil && s.recv > 0; {
			n := min(int(s.recv), frameSize)
			total += n
			e.recv(new(script).data(nth(i), false, strings.Repeat("x", n)))
		}
	}
	if e.err != nil || e.codec.streams.n != streams || e.codec.owed != total {
		t.Errorf("%v, %d of %d streams are left, %d bytes are owed, want %d", e.err, e.codec.streams.n, streams, e.codec.owed, total)
	}
	if total < 1<<20 {
		t.Errorf("the windows have not grown: %d", total)
	}
}

// A body whose rest fits into the window needs no more of it.
func TestNoUpdateForTheRest(t *testing.T) {
	e := server(t, protocols.Limits{Window: 1000})
	e.recv(new(script).post(1, "content-length", "1200"))
	e.now = time.Second
	e.recv(new(script).data(1, false, strings.Repeat("x", 600)).data(1, true, strings.Repeat("x", 600)))
	if frames := e.frames(); !slices.Equal(frames, []string{"WINDOW_UPDATE 1 600"}) {
		t.Errorf("%q", frames)
	}
	e = server(t, protocols.Limits{Window: 1000})
	e.recv(new(script).post(1, "content-length", "900").data(1, false, strings.Repeat("x", 600)).data(1, true, strings.Repeat("x", 300)))
	if frames := e.frames(); len(frames) != 0 {
		t.Errorf("%q", frames)
	}
}

// sending is a server with open answers, whose owner offers what is left of each when it may.
type sending struct {
	*end
	left  map[protocols.StreamID]int
	order []protocols.StreamID
}

func newSending(t *testing.T, w *script, urgencies ...string) *sending {
	s := &sending{end: server(t, protocols.Limits{}), left: map[protocols.StreamID]int{}}
	s.recv(w)
	for i, u := range urgencies {
		var fields []string
		if u != "" {
			fields = []string{"priority", u}
		}
		s.recv(new(script).get(nth(i), fields...))
		if err := s.encode(protocols.Event{Kind: protocols.KindHead, Stream: protocols.StreamID(nth(i)), Header: answerHeader(200)}); err != nil {
			t.Fatal(err)
		}
	}
	s.sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindCredit {
			s.order = append(s.order, ev.Stream)
			s.push(t, ev.Stream)
		}
		return protocols.More
	}
	s.frames()
	s.sink.Take()
	return s
}

func (s *sending) push(t *testing.T, id protocols.StreamID) {
	data := bytes.Repeat([]byte("x"), s.left[id])
	n, err := s.codec.Encode(0, &protocols.Event{Kind: protocols.KindData, Stream: id, Data: data, End: true}, &s.out)
	if err != nil {
		t.Fatal(err)
	}
	s.left[id] -= n
}

func (s *sending) offer(t *testing.T, id protocols.StreamID, n int) {
	s.left[id] = n
	s.push(t, id)
}

// Streams that wait for the connection's window take turns of a frame each, the urgent ones first.
func TestTurns(t *testing.T) {
	s := newSending(t, new(script), "", "u=5, i", "i,u=1", "u=9", "u=3")
	for _, id := range []protocols.StreamID{1, 3, 5, 7, 9} {
		s.offer(t, id, 40_000)
	}
	if s.left[1] != 0 || s.left[3] != 40_000-25_535 || s.left[5] != 40_000 {
		t.Fatalf("the first window went to %v", s.left)
	}
	s.order = nil
	s.out.Take()
	s.recv(new(script).word(frameWindowUpdate, 0, 1<<30))
	// 5 is urgent; 7 and 9 are of the default urgency, and 3 comes last.
	if want := []protocols.StreamID{5, 5, 5, 7, 9}; !slices.Equal(s.order[:5], want) {
		t.Errorf("the turns are %v, want %v first", s.order, want)
	}
	s.out.Take()
	for range 10 {
		s.codec.Drained(0, &s.sink, &s.out)
		s.out.Take()
	}
	if s.left[3]+s.left[5]+s.left[7]+s.left[9] != 0 || s.codec.streams.n != 0 || s.codec.queue != nil {
		t.Errorf("left are %v, the turns %v", s.left, s.order)
	}
	if s.order[len(s.order)-1] != 3 {
		t.Errorf("the turns are %v, want 3 last", s.order)
	}
}

// Who comes while others wait waits behind them.
func TestNobodyOvertakes(t *testing.T) {
	s := newSending(t, new(script), "", "", "")
	s.offer(t, 1, firstWindow)
	s.out.Take()
	s.offer(t, 3, 100)
	s.codec.send = 50 // room, of which nobody has been told
	s.offer(t, 5, 10)
	if s.left[5] != 10 {
		t.Error("the newcomer was served first")
	}
	s.recv(new(script).word(frameWindowUpdate, 0, 100))
	if !slices.Equal(s.order, []protocols.StreamID{3, 5}) || s.left[3]+s.left[5] != 0 {
		t.Errorf("the turns are %v", s.order)
	}
}

// A client may take windows back with SETTINGS: what it has may become negative, and nothing is sent then.
func TestWindowTakenBack(t *testing.T) {
	s := newSending(t, new(script).settings(4, 1000), "")
	s.offer(t, 1, 3000)
	if s.left[1] != 2000 {
		t.Fatalf("left are %d", s.left[1])
	}
	s.recv(new(script).settings(4, 100))
	if got := s.codec.streams.get(1).send; got != -900 {
		t.Errorf("the window is %d", got)
	}
	s.recv(new(script).word(frameWindowUpdate, 1, 900))
	if len(s.order) != 0 {
		t.Error("a window of 0 lets somebody send")
	}
	s.recv(new(script).settings(4, 2100))
	if !slices.Equal(s.order, []protocols.StreamID{1}) || s.left[1] != 0 {
		t.Errorf("left are %v, the turns %v", s.left, s.order)
	}
}

func TestPriorityUpdateMovesAStream(t *testing.T) {
	s := newSending(t, new(script), "", "", "")
	s.offer(t, 1, firstWindow)
	s.out.Take()
	s.offer(t, 3, 10)
	s.offer(t, 5, 10)
	s.recv(new(script).frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x05u=0").frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x63u=0").
		word(frameWindowUpdate, 0, 100))
	if !slices.Equal(s.order, []protocols.StreamID{5, 3}) {
		t.Errorf("the turns are %v", s.order)
	}
}

func TestUrgency(t *testing.T) {
	for text, want := range map[string]uint8{"": 3, "u=0": 0, "u=7": 7, "u=8": 3, "u=10": 3, "i": 3, "i, u=2": 2, "i,u=2": 2, "x=u=1": 3,
		"u=1, u=4": 4, "u": 3, "u=": 3, "xu=1": 3} {
		if got := urgencyOf([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// The owner's own mistakes are errors, and never a message that the peer could take for complete.
func TestEncodeRefuses(t *testing.T) {
	head, data := protocols.KindHead, protocols.KindData
	bad := answerHeader(200, "a", "b\r\nc: d")
	name := answerHeader(200, "a b", "c")
	twice := answerHeader(200, "content-length", "1", "content-length", "2")
	for what, c := range map[string]struct {
		before []protocols.Event
		ev     protocols.Event
		frames []string
	}{
		"no such stream":     {nil, protocols.Event{Kind: head, Stream: 3, Header: answerHeader(200)}, nil},
		"status 99":          {nil, protocols.Event{Kind: head, Stream: 1, Header: answerHeader(99)}, nil},
		"a line in a value":  {nil, protocols.Event{Kind: head, Stream: 1, Header: bad}, nil},
		"a space in a name":  {nil, protocols.Event{Kind: head, Stream: 1, Header: name}, nil},
		"two lengths":        {nil, protocols.Event{Kind: head, Stream: 1, Header: twice}, nil},
		"body before head":   {nil, protocols.Event{Kind: data, Stream: 1, Data: []byte("x")}, nil},
		"no body but length": {nil, protocols.Event{Kind: head, Stream: 1, Header: answerHeader(200, "content-length", "1"), End: true}, nil},
		"head twice": {[]protocols.Event{{Kind: head, Stream: 1, Header: answerHeader(200)}},
			protocols.Event{Kind: head, Stream: 1, Header: answerHeader(200)}, nil},
		"body too long": {[]protocols.Event{{Kind: head, Stream: 1, Header: answerHeader(200, "content-length", "1")}},
			protocols.Event{Kind: data, Stream: 1, Data: []byte("xy")}, []string{"RST_STREAM 1 INTERNAL_ERROR"}},
		"body too short": {[]protocols.Event{{Kind: head, Stream: 1, Header: answerHeader(200, "content-length", "3")}},
			protocols.Event{Kind: data, Stream: 1, Data: []byte("xy"), End: true}, []string{"RST_STREAM 1 INTERNAL_ERROR"}},
		"trailers too soon": {[]protocols.Event{{Kind: head, Stream: 1, Header: answerHeader(200, "content-length", "3")}},
			protocols.Event{Kind: protocols.KindTrailer, Stream: 1, Header: answerHeader(0), End: true}, []string{"RST_STREAM 1 INTERNAL_ERROR"}},
		"unknown kind": {nil, protocols.Event{Kind: 99, Stream: 1}, nil},
	} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).get(1))
		e.sink.Take()
		for _, ev := range c.before {
			if err := e.encode(ev); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		e.frames()
		if err := e.encode(c.ev); err == nil {
			t.Errorf("%s is encoded", what)
		}
		e.expect(t, what, nil, c.frames, 0)
	}
}

// A HEAD's answer, a 204 and a 304 have no body, whatever the owner passes on.
func TestAnswersWithoutBody(t *testing.T) {
	for status, method := range map[int]string{200: "HEAD", 204: "GET", 304: "GET"} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).headers(1, true, requestLine(method)...))
		e.sink.Take()
		h := answerHeader(status, "content-length", "5")
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: h}); err != nil {
			t.Fatal(err)
		}
		if n, err := e.codec.Encode(0, &protocols.Event{Kind: protocols.KindData, Stream: 1, Data: []byte("hello"), End: true}, &e.out); n != 5 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		want := fmt.Sprintf("HEADERS 1 :status=%d content-length=5", status)
		if status == 204 {
			want = "HEADERS 1 :status=204"
		}
		e.expect(t, method, nil, []string{want, "DATA 1 0 END"}, 0)
	}
}

// A head that is longer than a frame goes out in several.
func TestLongHeadIsSplit(t *testing.T) {
	c, s := newPair(t, protocols.Limits{}, protocols.Limits{})
	long := strings.Repeat("\xff", 12_000) // Huffman codes make it no shorter
	f := c.request(requestHeader("GET", "/", "a", long, "b", long, "c", long), true)
	s.opened = func(f *flow, h *protocols.Header) {
		s.answer(f, answerHeader(200, "d", long, "e", long, "f", string(h.Lookup("c"))), true)
	}
	if err := c.pump(0, 1000); err != nil {
		t.Fatal(err)
	}
	if f.head.Status != 200 || string(f.head.Lookup("f")) != long || string(s.flows[1].head.Lookup("a")) != long {
		t.Errorf("the answer is %d", f.head.Status)
	}
}
