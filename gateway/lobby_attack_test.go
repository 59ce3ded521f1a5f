package gateway

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sluice/loop/looptest"
	"sluice/protocols"
)

// Many clients that send a part of something each cost a bounded amount of memory together: those that wait longest are closed,
// with a word where there is one to say, and others get in.
func TestUnfinishedMessagesAreBounded(t *testing.T) {
	const clients, room = 300, 1 << 20
	half := "GET /wait HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 60_000)
	pieces := func(s ...string) func(*rig, *looptest.Peer) {
		return func(r *rig, p *looptest.Peer) {
			for _, piece := range s {
				p.Send(piece)
				r.l.Run()
			}
		}
	}
	preface := h2preface + string(appendH2(nil, http2.FrameSettings, 0, 0, ""))
	begin := string(appendH2(nil, http2.FrameHeaders, 0, 1, strings.Repeat("\x00\x01a\x01b", 2000)))
	wait := string(appendH2(nil, http2.FrameHeaders, 5, 1, "\x82\x86\x44\x05/wait\x41\x01a"))
	next := string(appendH2(nil, http2.FrameHeaders, 0, 3, strings.Repeat("\x00\x01a\x01b", 2000)))
	rest := string(appendH2(nil, http2.FrameContinuation, 0, 3, strings.Repeat("\x00\x01a\x01b", 3000)))
	more := string(appendH2(nil, http2.FrameContinuation, 0, 1, strings.Repeat("\x00\x01a\x01b", 3000)))
	for name, x := range map[string]struct {
		downstream string
		send       func(*rig, *looptest.Peer)
		says       string // who is sent away is told
		each       int    // bytes that a client costs at least
	}{
		"HTTP/1 half heads":       {"Http1", pieces(half), "503 ", 60_000},
		"HTTP/1 heads, trickled":  {"Http1", pieces("GE", "T /"), "503 ", 8000},
		"HTTP/1 behind a request": {"Http1", pieces("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" + half), "503 ", 60_000},
		"HTTP/1 behind an Upgrade": {"Http1", pieces("GET /wait HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + strings.Repeat("x", 60_000)),
			"503 ", 60_000},
		"HTTP/2 half heads":                  {"Http2", pieces(preface, begin[:9000]), "\x07\x00\x00\x00\x00\x00", 9000},
		"HTTP/2 half blocks":                 {"Http2", pieces(preface, begin, more, more), "\x07\x00\x00\x00\x00\x00", 40_000},
		"HTTP/2 half blocks beside a stream": {"Http2", pieces(preface, wait, next, rest, rest), "\x07\x00\x00\x00\x00\x00", 40_000},
		"HTTP/2 half prefaces":               {"Http2", pieces("PRI * HT", "TP"), "", 8000},
		"any protocol":                       {"Auto", pieces("P", "R"), "", 8000},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, h2doc(x.downstream, "Http1", toCluster, ""))
			r.upstream(func(p *looptest.Peer) {
				p.OnReceive(func(b []byte) {
					if !bytes.Contains(b, []byte("/wait")) {
						p.Send(ok)
					}
				})
			})
			lobby := &r.g.workers[0].lobby
			lobby.SetRoom(room)
			var peers []*looptest.Peer
			for range clients {
				p := r.connect()
				x.send(r, p)
				peers = append(peers, p)
				if held := lobby.Held(); held > room {
					t.Fatalf("%d are held, there is room for %d", held, room)
				}
			}
			if x.downstream == "Http2" {
				s := r.h2().get()
				r.l.Run()
				s.has("200", "ok END")
			} else {
				p := r.connect()
				p.Send(get)
				r.l.Run()
				r.want(p, ok)
			}
			left := 0
			for i, p := range peers {
				// A soft close reads on for a while.
				switch over := p.Closed() || p.EOF(); {
				case !over:
					left++
				case left > 0:
					t.Fatalf("client %d was closed before an older one", i)
				case !strings.Contains(p.Received(), x.says):
					t.Fatalf("client %d was told %q", i, p.Received())
				}
			}
			if left == 0 || left > room/x.each {
				t.Errorf("%d clients are left, each costs at least %d of %d", left, x.each, room)
			}
			if got := int(lobby.Evicted()); got != clients-left || r.failed(protocols.ReasonOverflow) < got {
				t.Errorf("%d were sent away, %d are left; %d counted as %s", got, left, r.failed(protocols.ReasonOverflow), protocols.ReasonOverflow)
			}
			for _, p := range peers {
				p.Reset()
			}
			r.l.Run()
			if held := lobby.Held(); held != 0 {
				t.Errorf("%d bytes are held for nobody", held)
			}
		})
	}
}

// Before a filter chain is chosen it is the same.
func TestUnfinishedHellosAreBounded(t *testing.T) {
	const clients, room = 300, 1 << 20
	s := newSwitchboard(t, "")
	lobby := &s.g.workers[0].lobby
	lobby.SetRoom(room)
	hello := clientHello(t, "x.b.test", "h2")
	long := append(append(bytes.Clone(hello[:3]), 15<<10>>8, 0, 1, 0, 15<<10>>8-1, 0), make([]byte, 14<<10)...)
	left := 0
	var peers []*looptest.Peer
	for range clients {
		p := s.connect()
		p.SendBytes(long)
		s.l.Run()
		peers = append(peers, p)
	}
	for _, p := range peers {
		if !p.Closed() {
			left++
		}
	}
	if held := lobby.Held(); held > room || left == 0 || left > room/len(long) || peers[clients-1].Closed() {
		t.Errorf("%d are held by %d clients, there is room for %d", held, left, room)
	}
	p := s.connect()
	p.SendBytes(hello)
	s.l.Run()
	if got := s.reached(); got != "2: "+string(hello) {
		t.Errorf("the upstreams got %q", got)
	}
	s.l.Advance(6 * time.Second)
	if held := lobby.Held(); held != 0 {
		t.Errorf("%d bytes are held for nobody", held)
	}
}

// The frames of a head have the time of a head, whatever other streams do.
func TestH2HeadTrickleBesideAStream(t *testing.T) {
	r := newRig(t, h2doc("Http2", "Http1", toCluster, ""))
	ups := r.upstream(nil)
	c := r.h2()
	s := c.get()
	r.l.Run()
	c.keeps = true // what it sent by itself would be taken for the head's rest
	(*ups)[0].Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
	r.l.Run()
	b := appendH2(nil, http2.FrameHeaders, 5, 3, c.block(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"))
	for i := 0; i < 20 && !c.p.Closed(); i++ {
		if i >= 5 {
			c.send(b[i-5 : i-4])
		}
		(*ups)[0].Send("x")
		r.l.Run()
		r.l.Advance(10 * time.Second)
		if i < 8 && c.p.Closed() {
			t.Fatalf("closed after %d s: %s, %s", 10*i, c.goAway, s)
		}
	}
	if s.has("200"); !c.p.Closed() {
		t.Error("a head has been arriving for 150 s beside a stream (limit: 30 s)")
	}
	if n := r.failed(protocols.ReasonHeadTimeout); n != 1 {
		t.Errorf("%d counted as %s", n, protocols.ReasonHeadTimeout)
	}
	r.over(c.p)
}
