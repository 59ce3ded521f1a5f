package http2

import (
	"testing"
	"time"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
	"sluice/protocols/syntax"
)

// driver feeds a codec with what a fuzzer invents, and does with its streams what the same bytes say.
type driver struct {
	t      *testing.T
	codec  *conn
	env    *protocols.Env
	out    protocoltest.Output
	open   map[protocols.StreamID]int // bytes that are held back
	dice   uint32
	ended  map[protocols.StreamID]bool
	header protocols.Header
	body   [300]byte
}

func newDriver(t *testing.T, r role, seed uint32) *driver {
	e := newEnd(r, protocols.Limits{Window: 100, Owed: 2000, OwedOnLoop: 3000, Streams: 8, HeadBytes: 4096})
	return &driver{t: t, codec: e.codec, env: e.env, open: map[protocols.StreamID]int{}, ended: map[protocols.StreamID]bool{}, dice: seed | 1}
}

func (d *driver) roll(n uint32) uint32 {
	d.dice ^= d.dice << 13
	d.dice ^= d.dice >> 17
	d.dice ^= d.dice << 5
	return d.dice % n
}

// Event implements protocols.Sink.
func (d *driver) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindGoAway {
		return protocols.More
	}
	id := ev.Stream
	if _, known := d.open[id]; !known {
		if ev.Kind != protocols.KindHead || d.codec.role == roleClient {
			d.t.Fatalf("%v of the unknown stream %d", ev.Kind, id)
		}
		d.open[id] = 0
		ev.Owner = id
	} else if ev.Owner != any(id) {
		d.t.Fatalf("%v of stream %d has the owner %v", ev.Kind, id, ev.Owner)
	}
	if d.ended[id] && ev.Kind != protocols.KindReset && ev.Kind != protocols.KindCredit {
		d.t.Fatalf("%v behind the end of stream %d", ev.Kind, id)
	}
	d.ended[id] = d.ended[id] || ev.End
	switch ev.Kind {
	case protocols.KindReset:
		delete(d.open, id)
		delete(d.ended, id)
	case protocols.KindHead, protocols.KindTrailer:
		d.checkHeader(ev.Header)
		d.act(id)
	case protocols.KindData:
		if d.roll(2) == 0 {
			d.open[id] += len(ev.Data)
			return protocols.Pause
		}
		d.act(id)
	default:
		d.act(id)
	}
	return protocols.More
}

// checkHeader checks that no field can be taken for two by anybody.
func (d *driver) checkHeader(h *protocols.Header) {
	for i := range h.Len() {
		if _, name, value, ok := h.Field(i); ok && (len(name) == 0 || !syntax.Token.All(name) || !validValue(value)) {
			d.t.Fatalf("the field %q: %q", name, value)
		}
	}
	if h.Method != protocols.MethodConnect && h.Status == 0 && len(h.Path()) > 0 && !validTarget(h.Path(), true) {
		d.t.Fatalf("the path %q", h.Path())
	}
}

// act does something to a stream.
func (d *driver) act(id protocols.StreamID) {
	ev := protocols.Event{Stream: id, Header: &d.header, Owner: id}
	switch d.roll(8) {
	case 0:
		ev.Kind = protocols.KindReset
		delete(d.open, id)
	case 1, 2:
		ev.Kind, ev.End = protocols.KindHead, d.roll(2) == 0
		d.header.Reset()
		d.header.Status = 200
	case 3, 4:
		ev.Kind, ev.Data, ev.End = protocols.KindData, d.body[:d.roll(300)], d.roll(2) == 0
	case 5:
		ev.Kind, ev.N = protocols.KindCredit, d.open[id]
		d.open[id] = 0
	case 6:
		ev.Kind, ev.End = protocols.KindTrailer, true
		d.header.Reset()
		d.header.AddString("x", "y")
	default:
		return
	}
	if d.codec.role == roleClient && ev.Kind == protocols.KindHead {
		return
	}
	_, _ = d.codec.Encode(0, &ev, &d.out) // the owner's mistakes are refused
	if d.codec.streams.get(uint32(id)) == nil {
		delete(d.open, id)
		delete(d.ended, id)
	}
}

func (d *driver) request() {
	d.header.Reset()
	d.header.SetMethod([]byte("POST"))
	d.header.SetPath([]byte("/"))
	d.header.SetAuthority([]byte("a"))
	ev := protocols.Event{Kind: protocols.KindHead, Header: &d.header, End: d.roll(2) == 0}
	id := protocols.StreamID(d.codec.nextOpen)
	ev.Owner = id
	if _, err := d.codec.Encode(0, &ev, &d.out); err == nil {
		d.open[id] = 0
	}
}

func (d *driver) run(b []byte) {
	now := time.Duration(0)
	var left []byte
	for len(b) > 0 {
		k := min(int(d.roll(200))+1, len(b))
		left = append(left, b[:k]...)
		b = b[k:]
		now += time.Duration(d.roll(1000)) * time.Millisecond
		if d.codec.role == roleClient && d.roll(4) == 0 {
			d.request()
		}
		n, err := d.codec.Decode(now, left, d, &d.out)
		if n < 0 || n > len(left) {
			d.t.Fatalf("%d of %d bytes are consumed", n, len(left))
		}
		if left = left[n:]; len(left) > 64<<10 {
			d.t.Fatalf("%d bytes are left to the loop", len(left))
		}
		d.check(err)
		if err != nil {
			break
		}
		if at := d.codec.Deadline(); at > 0 && d.roll(3) == 0 {
			d.check(d.codec.Advance(now, d, &d.out))
		}
		if d.out.Buffered() > 4*protocols.OutputHigh {
			d.t.Fatalf("%d bytes are buffered", d.out.Buffered())
		}
		if d.roll(3) == 0 {
			d.out.Take()
			d.codec.Drained(now, d, &d.out)
		}
	}
	if d.codec.input != inputEnded {
		_ = d.codec.DecodeEOF(now, left, d, &d.out)
	}
	d.codec.Closed()
	if d.env.Owed != 0 || d.codec.streams.n != 0 {
		d.t.Fatalf("%d are owed at the end, %d streams are left", d.env.Owed, d.codec.streams.n)
	}
}

// check checks what always holds.
func (d *driver) check(err error) {
	c := d.codec
	owed := 0
	n := 0
	for _, s := range c.streams.slots {
		if s == nil {
			continue
		}
		n++
		owed += int(s.owed)
		if c.streams.get(s.id) != s {
			d.t.Fatalf("stream %d is not found", s.id)
		}
		if s.in == progressDone && s.out == progressDone {
			d.t.Fatalf("stream %d is closed, and in the table", s.id)
		}
		if s.turn == turnServed {
			d.t.Fatalf("stream %d is being served", s.id)
		}
	}
	if n != c.streams.n || owed != c.owed || owed != d.env.Owed || owed > d.env.Limits.Owed {
		d.t.Fatalf("%d streams of %d; %d owed, %d in the connection, %d in the loop", n, c.streams.n, owed, c.owed, d.env.Owed)
	}
	if err != nil && (c.streams.n > 0 || c.phase != protocols.PhaseClosing) {
		d.t.Fatalf("behind an error: %d streams, %v", c.streams.n, c.phase)
	}
}

// talk makes frames of what a fuzzer invents, most of which make sense: four bytes each for the kind, the stream, the flags
// and the content.
func talk(w *script, answers bool, b []byte) *script {
	for ; len(b) >= 4; b = b[4:] {
		id, n := uint32(b[1]%24), uint32(b[3])
		end := b[2]&1 != 0
		switch b[0] % 16 {
		case 0, 1, 2:
			if answers {
				w.headers(id, end, ":status", []string{"200", "204", "304", "103", "404", "1"}[n%6], "x", "y")
			} else {
				w.headers(id, end, append(requestLine([]string{"GET", "POST", "HEAD", "CONNECT"}[n%4]), "x", "y")...)
			}
		case 3:
			w.headers(id, true, "trailer-field", "1")
		case 4, 5, 6:
			w.data(id, end, string(make([]byte, n%120)))
		case 7:
			w.frame(frameData, flagPadded|b[2]&1, id, string(append([]byte{b[3] % 40}, make([]byte, 45)...)))
		case 8:
			w.word(frameReset, id, n%14)
		case 9, 10:
			w.word(frameWindowUpdate, id, n<<(b[2]%24))
		case 11:
			w.settings(uint32(b[1]%10), n<<(b[2]%24))
		case 12:
			w.ack()
		case 13:
			w.frame(frameType(b[1]%20), b[2], id, string(make([]byte, n%20)))
		case 14:
			w.frame(frameHeaders, b[2], id, string(b[3:4])).frame(frameContinuation, b[2], id, string(b[1:4]))
		case 15:
			w.frame(frameGoAway, 0, 0, string([]byte{0, 0, 0, b[1], 0, 0, 0, b[2]}))
		}
	}
	return w
}

// isTalk tells the inputs that are for talk from those that are bytes.
const isTalk = 1 << 31

func FuzzServer(f *testing.F) {
	for i := range uint32(8) {
		f.Add(i|isTalk, conversation().b[i*100:i*100+400])
	}
	f.Add(uint32(1), conversation().b)
	f.Add(uint32(2), hello().get(1).get(3).word(frameReset, 3, 8).settings(4, 0).word(frameWindowUpdate, 1, 50).settings(4, 1000).b)
	f.Add(uint32(3), hello().ack().post(1).data(1, false, string(make([]byte, 100))).post(3).data(3, true, "xyz").frame(frameGoAway, 0, 0, "12345678").b)
	f.Add(uint32(4), hello().headers(1, false, append([]string{":protocol", "websocket"}, requestLine("CONNECT")...)...).data(1, false, "x").b)
	f.Fuzz(func(t *testing.T, seed uint32, b []byte) {
		if seed&isTalk != 0 {
			b = talk(hello(), false, b).b
		}
		newDriver(t, roleServer, seed).run(b)
	})
}

func FuzzClient(f *testing.F) {
	hello := func() *script { return new(script).settings() }
	for i := range uint32(8) {
		f.Add(i|isTalk, conversation().b[i*100:i*100+400])
	}
	f.Add(uint32(1), hello().ack().headers(1, false, ":status", "200").data(1, true, "x").headers(3, true, ":status", "204").b)
	f.Add(uint32(7), hello().headers(1, false, ":status", "100").headers(1, false, ":status", "200", "content-length", "3").data(1, false, "abc").
		headers(1, true, "x", "y").frame(frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00").b)
	f.Add(uint32(9), hello().settings(3, 1, 4, 0, 5, 16384).word(frameReset, 1, 7).word(frameWindowUpdate, 0, 100).frame(framePing, 0, 0, "12345678").b)
	f.Fuzz(func(t *testing.T, seed uint32, b []byte) {
		if seed&isTalk != 0 {
			b = talk(new(script).settings(), true, b).b
		}
		d := newDriver(t, roleClient, seed)
		d.request()
		d.run(b)
	})
}
