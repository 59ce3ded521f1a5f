package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"sluice/protocols"
)

// A link is a codec and what its loop keeps of its connection.
type link struct {
	*end
	high bool // Drained is owed
}

func newLink(t *testing.T, server bool) *link {
	return &link{end: newEnd(t, server, protocols.Limits{Calls: 40, Owed: 200 << 10})}
}

// note remembers that the output was full, as a loop does.
func (l *link) note() { l.high = l.high || l.out.Buffered() > protocols.OutputHigh }

// takeOut takes up to n bytes of the output.
func (l *link) takeOut(n int) []byte {
	n = min(n, l.out.Buffered())
	b := bytes.Clone(l.out.B[:n])
	l.out.B = append([]byte(nil), l.out.B[n:]...)
	if l.high && l.out.Buffered() <= protocols.OutputHigh/4 {
		l.high = false
		l.codec.Drained(1, &l.sink, &l.out)
		l.note()
	}
	return b
}

// turn gives the codec what it has left when it asks for it.
func (l *link) turn(b []byte) {
	if len(b) > 0 || l.codec.Status().Yielded {
		l.receive(b)
		l.note()
	}
}

// simClient is one downstream connection: its codec, and the peer.
type simClient struct {
	link
	s      *simulation
	name   int
	next   uint32
	toSend []byte
	got    []byte            // not a whole frame yet
	wants  map[uint32]string // the content of the calls without an answer
	calls  []*call           // without an answer
}

// simUpstream is the other end of the upstream connection.
type simUpstream struct {
	s       *simulation
	got     []byte
	pending []wire // answers that are due
	out     []byte
}

func (p *simUpstream) receive(b []byte) {
	p.got = append(p.got, b...)
	for {
		f, content, n := cutFrame(p.s.t, p.got)
		if n == 0 {
			return
		}
		p.got = p.got[n:]
		switch {
		case f.command == commandHeartbeat:
			continue
		case f.kind == kindOneWay:
			p.s.good++
		case p.s.rng.IntN(50) > 0: // otherwise it never answers
			p.pending = append(p.pending, wire{resp: true, v2: f.version == version2, sum: f.summed(), id: f.id,
				status: uint16(p.s.rng.IntN(3)), content: "re:" + content})
		}
	}
}

// say lets some answer go, in any order.
func (p *simUpstream) say() {
	if len(p.pending) > 0 {
		i := p.s.rng.IntN(len(p.pending))
		w := p.pending[i]
		p.out = append(p.out, w.bytes()...)
		if p.s.rng.IntN(10) == 0 {
			p.out = append(p.out, w.bytes()...) // twice
		}
		p.pending = append(p.pending[:i], p.pending[i+1:]...)
	}
	switch p.s.rng.IntN(40) {
	case 0:
		p.out = append(p.out, wire{resp: true, id: p.s.rng.Uint32(), content: "whose?"}.bytes()...)
	case 1:
		p.out = append(p.out, wire{command: -1, id: 1}.bytes()...)
	}
}

// cutFrame cuts a whole frame off b; n is 0 when there is none.
func cutFrame(t testing.TB, b []byte) (f frame, content string, n int) {
	t.Helper()
	f, fixed, r := parseFrame(b)
	if r != nil {
		t.Fatalf("%s: %q", r.Request.Detail, b[:min(len(b), 50)])
	}
	if fixed == 0 {
		return f, "", 0
	}
	at := fixed + int(f.class) + int(f.block)
	if n = at + f.content; f.summed() {
		n += sumBytes
	}
	if len(b) < n {
		return f, "", 0
	}
	return f, string(b[at : at+f.content]), n
}

// ask makes a call.
func (c *simClient) ask() {
	c.next++
	rng := c.s.rng
	size := rng.IntN(100)
	if rng.IntN(30) == 0 {
		size = rng.IntN(120000)
	}
	w := wire{id: c.next, v2: rng.IntN(2) == 0, class: "C", fields: []string{"service", "s"}}
	w.sum = w.v2 && rng.IntN(2) == 0
	w.content = fmt.Sprintf("%d/%d/%s", c.name, c.next, bytes.Repeat([]byte{'x'}, size))
	if rng.IntN(10) == 0 {
		w.kind = kindOneWay
	} else {
		c.wants[w.id] = w.content
	}
	c.toSend = append(c.toSend, w.bytes()...)
}

// hear checks the answers that have come.
func (c *simClient) hear(b []byte) {
	c.got = append(c.got, b...)
	for {
		f, content, n := cutFrame(c.s.t, c.got)
		if n == 0 {
			return
		}
		if f.summed() && binary.BigEndian.Uint32(c.got[n-sumBytes:]) != binary.BigEndian.Uint32(readdress(c.s.t, c.got[:n], f.id)[n-sumBytes:]) {
			c.s.t.Fatal("an answer has a wrong CRC32")
		}
		c.got = c.got[n:]
		want, ok := c.wants[f.id]
		if !ok {
			c.s.t.Fatalf("client %d: a second answer, or one to nothing: id %d, status %d, %d bytes", c.name, f.id, f.status, f.content)
		}
		delete(c.wants, f.id)
		c.s.calls++
		switch {
		case content == "re:"+want:
			c.s.good++
		case content != "" || f.status == statusSuccess:
			c.s.t.Fatalf("client %d: id %d has the answer %.40q to %.40q, status %d", c.name, f.id, content, want, f.status)
		}
	}
}
