package gateway

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
)

// A dubboFrame is a frame of Dubbo, for peers that the tests play.
type dubboFrame struct {
	flags, status byte
	id            uint64
	body          string
}

const (
	dubboRequest = 0xc2 // two-way, Hessian 2
	dubboOneWay  = 0x82
	dubboAnswer  = 0x02
	dubboBeat    = 0xe2
	dubboOK      = 20
)

// dubboCall calls the method echo of a service.
func dubboCall(id uint64, service, content string) dubboFrame {
	return dubboFrame{flags: dubboRequest, id: id, body: "\x052.0.2" + string(byte(len(service))) + service + "N\x04echo" + content}
}

func (f dubboFrame) answer(status byte, content string) dubboFrame {
	return dubboFrame{flags: dubboAnswer, status: status, id: f.id, body: content}
}

func (f dubboFrame) bytes() []byte {
	b := binary.BigEndian.AppendUint64([]byte{0xda, 0xbb, f.flags, f.status}, f.id)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(f.body))), f.body...)
}

// dubboFrames takes the frames that p has received.
func dubboFrames(t testing.TB, p *looptest.Peer) (all []dubboFrame) {
	t.Helper()
	for b := []byte(p.Take()); len(b) > 0; {
		if len(b) < 16 || b[0] != 0xda || b[1] != 0xbb || len(b) < 16+int(binary.BigEndian.Uint32(b[12:])) {
			t.Fatalf("no frame: %q", b)
		}
		n := 16 + int(binary.BigEndian.Uint32(b[12:]))
		all = append(all, dubboFrame{flags: b[2], status: b[3], id: binary.BigEndian.Uint64(b[4:]), body: string(b[16:n])})
		b = b[n:]
	}
	return all
}

func sendDubbo(p *looptest.Peer, frames ...dubboFrame) {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	p.SendBytes(b)
}

func wantDubbo(t testing.TB, p *looptest.Peer, want ...dubboFrame) {
	t.Helper()
	if got := dubboFrames(t, p); !slices.Equal(got, want) {
		t.Errorf("frames\n  %+v\nwant\n  %+v", got, want)
	}
}

// Calls find their cluster by the service in their body; ids are replaced on the way up and put back on the way down,
// whatever the order of the answers; unchanged frames are passed on as they came.
func TestDubboCalls(t *testing.T) {
	rules := `{"match":{"headers":[{"name":"service","value":"com.example.None"}]},"direct_response":{"status":403}},`
	r := newRig(t, boltDoc{speaks: "dubbo", rules: rules}.String())
	ups := r.upstream(nil)
	a, b := r.connect(), r.connect()
	sendDubbo(a, dubboCall(1<<40, "com.example.Shop", "one"), dubboCall(7, "com.example.Shop", "two"))
	sendDubbo(b, dubboCall(7, "com.example.Shop", "three"), dubboCall(8, "com.example.None", ""))
	r.l.Run()
	if len(*ups) != 1 {
		t.Fatalf("%d upstream connections", len(*ups))
	}
	up := (*ups)[0]
	calls := dubboFrames(t, up)
	if len(calls) != 3 {
		t.Fatalf("the calls %+v have arrived", calls)
	}
	for i, content := range []string{"one", "two", "three"} {
		if want := dubboCall(calls[i].id, "com.example.Shop", content); calls[i] != want {
			t.Errorf("passed on as %+v, want %+v", calls[i], want)
		}
	}
	wantDubbo(t, b, dubboFrame{flags: dubboAnswer, status: 80, id: 8, body: "\x11sluice: no result"})
	sendDubbo(up, calls[2].answer(dubboOK, "3"), calls[1].answer(dubboOK, "2"), calls[0].answer(70, "1"), calls[0].answer(dubboOK, "again"))
	r.l.Run()
	wantDubbo(t, a, dubboFrame{flags: dubboAnswer, status: dubboOK, id: 7, body: "2"}, dubboFrame{flags: dubboAnswer, status: 70, id: 1 << 40, body: "1"})
	wantDubbo(t, b, dubboFrame{flags: dubboAnswer, status: dubboOK, id: 7, body: "3"})
	if got := r.counts(); got != "late 0 unknown 1 refused 0" {
		t.Error(got)
	}
	r.idle()
}

// A one-way call is over when it is sent, and a header rule changes the names in the body.
func TestDubboOneWayAndChanges(t *testing.T) {
	change := `,"request_headers_to_add":[{"header":{"key":"service","value":"com.example.Other"},"append":false}]`
	r := newRig(t, boltDoc{speaks: "dubbo", route: change}.String())
	ups := r.upstream(nil)
	c := r.connect()
	f := dubboCall(5, "com.example.Shop", "x")
	f.flags = dubboOneWay
	sendDubbo(c, f)
	r.l.Run()
	want := dubboCall(0, "com.example.Other", "x")
	want.flags = dubboOneWay
	got := dubboFrames(t, (*ups)[0])
	if len(got) != 1 || got[0].body != want.body || got[0].flags != want.flags {
		t.Errorf("passed on as %+v, want %+v", got, want)
	}
	wantDubbo(t, c)
	r.idle()
}

// Failures have Dubbo's statuses, and their reason in the text.
func TestDubboFailures(t *testing.T) {
	r := newRig(t, boltDoc{speaks: "dubbo", route: `,"timeout":"1s"`}.String())
	ups := r.upstream(nil)
	c := r.connect()
	sendDubbo(c, dubboCall(1, "com.example.Shop", ""))
	nobody := dubboFrame{flags: dubboRequest, id: 2, body: "\x052.0.2NN\x04echo"}
	sendDubbo(c, nobody)
	r.l.Run()
	if got := dubboFrames(t, c); len(got) != 1 || got[0].id != 2 || got[0].status != 60 || !strings.Contains(got[0].body, "no_route") {
		t.Errorf("no route: %+v", got)
	}
	r.l.Advance(1100 * time.Millisecond)
	if got := dubboFrames(t, c); len(got) != 1 || got[0].id != 1 || got[0].status != 30 || !strings.Contains(got[0].body, "request_timeout") {
		t.Errorf("timeout: %+v", got)
	}
	sendDubbo(c, dubboCall(3, "com.example.Shop", ""))
	r.l.Run()
	(*ups)[len(*ups)-1].Reset()
	r.l.Run()
	if got := dubboFrames(t, c); len(got) != 1 || got[0].id != 3 || got[0].status != 60 || !strings.Contains(got[0].body, "upstream_reset") {
		t.Errorf("reset: %+v", got)
	}
	sendDubbo(c, dubboFrame{flags: dubboRequest, id: 4, body: "\x91"})
	r.l.Run()
	if got := dubboFrames(t, c); len(got) != 1 || got[0].id != 4 || got[0].status != 40 {
		t.Errorf("malformed: %+v", got)
	}
	r.idle()
}

// Heartbeats are answered by the gateway, and an upstream's that stops ends no call.
func TestDubboHeartbeatAndReadOnly(t *testing.T) {
	r := newRig(t, boltDoc{speaks: "dubbo"}.String())
	ups := r.upstream(nil)
	c := r.connect()
	sendDubbo(c, dubboFrame{flags: dubboBeat, id: 9, body: "N"})
	r.l.Run()
	wantDubbo(t, c, dubboFrame{flags: 0x22, status: dubboOK, id: 9, body: "N"})
	if len(*ups) != 0 {
		t.Error("a heartbeat went on")
	}
	sendDubbo(c, dubboCall(1, "com.example.Shop", "a"))
	r.l.Run()
	first := (*ups)[0]
	sendDubbo(first, dubboFrame{flags: 0xa2, body: "\x01R"})
	r.l.Run()
	calls := dubboFrames(t, first)
	sendDubbo(c, dubboCall(2, "com.example.Shop", "b"))
	r.l.Run()
	if len(*ups) != 2 {
		t.Fatalf("%d upstream connections", len(*ups))
	}
	sendDubbo(first, calls[0].answer(dubboOK, "A"))
	r.l.Run()
	sendDubbo((*ups)[1], dubboFrames(t, (*ups)[1])[0].answer(dubboOK, "B"))
	r.l.Run()
	wantDubbo(t, c, dubboFrame{flags: dubboAnswer, status: dubboOK, id: 1, body: "A"}, dubboFrame{flags: dubboAnswer, status: dubboOK, id: 2, body: "B"})
	r.idle()
}

// One port serves HTTP/1, Bolt and Dubbo.
func TestDubboIsDetected(t *testing.T) {
	for _, speaks := range []string{"Auto", "Http1,bolt,dubbo"} {
		r := newRig(t, boltDoc{speaks: speaks, rules: `{"match":{"path":"/x"},"direct_response":{"status":200,"body":"http"}},`}.String())
		ups := r.upstream(nil)
		h, c, b := r.connect(), r.connect(), r.connect()
		f := dubboCall(1, "com.example.Shop", "x").bytes()
		h.Send(get)
		c.SendBytes(f[:1])
		r.l.Run()
		c.SendBytes(f[1:])
		sendBolt(b, boltFrame{kind: boltRequest, command: boltHeartbeat, id: 3})
		r.l.Run()
		if got := h.Take(); !strings.HasSuffix(got, "http") {
			t.Errorf("%s: HTTP/1 is answered by %q", speaks, got)
		}
		if got := boltFrames(t, b); len(got) != 1 || got[0].id != 3 {
			t.Errorf("%s: Bolt is answered by %v", speaks, got)
		}
		if len(*ups) != 1 {
			t.Fatalf("%s: %d upstream connections; the client got %q", speaks, len(*ups), c.Take())
		}
		up := (*ups)[0]
		sendDubbo(up, dubboFrames(t, up)[0].answer(dubboOK, "y"))
		r.l.Run()
		wantDubbo(t, c, dubboFrame{flags: dubboAnswer, status: dubboOK, id: 1, body: "y"})
	}
}
