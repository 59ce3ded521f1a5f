package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
	"sluice/upstream"
)

// Many clients share one upstream connection; the answers come in any order, each goes to its caller with the caller's id,
// in the caller's version.
func TestBoltSharedConnection(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	clients := make([]*looptest.Peer, 8)
	for i := range clients {
		clients[i] = r.connect()
		for n := range uint32(16) {
			f := call(n*7, "com.example.Shop", fmt.Sprintf("%d/%d", i, n))
			f.version = byte(1 + n%2)
			f.summed = n%4 == 3
			sendBolt(clients[i], f)
		}
	}
	r.l.Run()
	if len(*ups) != 1 {
		t.Fatalf("%d upstream connections", len(*ups))
	}
	up := (*ups)[0]
	calls := boltFrames(t, up)
	if len(calls) != 128 {
		t.Fatalf("%d calls have arrived", len(calls))
	}
	ids := map[uint32]bool{}
	for i := len(calls) - 1; i >= 0; i-- {
		f := calls[i]
		if ids[f.id] || f.class != "com.example.Request" || f.fields["service"] != "com.example.Shop" || f.value != 1<<32-1 {
			t.Errorf("the call %+v", f)
		}
		ids[f.id] = true
		sendBolt(up, f.answer(0, "to "+f.content))
	}
	r.l.Run()
	for i, c := range clients {
		got := map[uint32]boltFrame{}
		for _, f := range boltFrames(t, c) {
			got[f.id] = f
		}
		for n := range uint32(16) {
			f := got[n*7]
			if f.content != fmt.Sprintf("to %d/%d", i, n) || f.version != byte(1+n%2) || f.summed != (n%4 == 3) || f.value != 0 ||
				f.class != "com.example.Answer" {
				t.Errorf("client %d, call %d: %+v", i, n, f)
			}
		}
	}
	r.idle()
}

// Answers that nobody waits for harm nobody, and are counted: late, twice, with unknown ids, to one-way calls.
func TestBoltUnwantedAnswers(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	client := r.connect()
	slow := call(1, "s", "slow")
	slow.value = 1000
	sendBolt(client, slow, call(2, "s", "fast"))
	r.l.Run()
	calls := boltFrames(t, (*ups)[0])
	if len(calls) != 2 || calls[0].value != 1000 {
		t.Fatalf("the calls %v have arrived", calls)
	}
	r.l.Advance(1100 * time.Millisecond)
	wantBolt(t, client, "v1 #1 7 request_timeout")
	unknown := calls[0]
	unknown.id += 1 << 20
	sendBolt((*ups)[0], calls[0].answer(0, "late"), unknown.answer(0, "who?"), calls[1].answer(0, "a"), calls[1].answer(0, "again"))
	r.l.Run()
	wantBolt(t, client, "v1 #2 0 a")
	if got := r.counts(); got != "late 1 unknown 2 refused 0" {
		t.Error(got)
	}
	sendBolt(client, call(3, "s", "next"))
	r.l.Run()
	sendBolt((*ups)[0], boltFrames(t, (*ups)[0])[0].answer(16, "b"))
	r.l.Run()
	wantBolt(t, client, "v1 #3 16 b")
	r.idle()
}

// A one-way call has neither timer nor answer; the connection is as good as new behind it.
func TestBoltOneWay(t *testing.T) {
	r := newRig(t, boltDoc{route: `,"timeout":"1s"`}.String())
	ups := r.upstream(nil)
	client := r.connect()
	f := call(1, "s", "event")
	f.kind = boltOneWay
	f.value = 10
	empty := f
	empty.id, empty.content = 2, ""
	sendBolt(client, f, empty)
	r.l.Run()
	calls := boltFrames(t, (*ups)[0])
	if len(calls) != 2 || calls[0].kind != boltOneWay || calls[0].content != "event" || calls[1].content != "" {
		t.Fatalf("the calls %v have arrived", calls)
	}
	r.idle()
	sendBolt((*ups)[0], calls[0].answer(0, "nobody asked"))
	r.l.Advance(30 * time.Second)
	wantBolt(t, client)
	if got := r.counts(); got != "late 0 unknown 1 refused 0" {
		t.Error(got)
	}
	// Nor does one that fails have an answer.
	f.fields = nil
	sendBolt(client, f, call(3, "s", "x"))
	r.l.Run()
	sendBolt((*ups)[0], boltFrames(t, (*ups)[0])[0].answer(0, "y"))
	r.l.Run()
	wantBolt(t, client, "v1 #3 0 y")
	r.idle()
}

// What the upstream does wrong, and what becomes of the calls on that connection.
func TestBoltUpstreamFails(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(up *looptest.Peer, calls []boltFrame)
		want  []string
	}{
		"FIN":   {func(up *looptest.Peer, _ []boltFrame) { up.CloseWrite() }, []string{"v1 #1 6 upstream_reset", "v1 #2 6 upstream_reset"}},
		"reset": {func(up *looptest.Peer, _ []boltFrame) { up.Reset() }, []string{"v1 #1 6 upstream_reset", "v1 #2 6 upstream_reset"}},
		"garbage": {func(up *looptest.Peer, _ []boltFrame) { up.Send("HTTP/1.1 200 OK\r\n\r\n") },
			[]string{"v1 #1 6 upstream_protocol_error", "v1 #2 6 upstream_protocol_error"}},
		"half a frame": {func(up *looptest.Peer, calls []boltFrame) {
			up.SendBytes(calls[1].answer(0, "whole").bytes()[:30])
			up.CloseWrite()
		}, []string{"v1 #1 6 upstream_reset", "v1 #2 6 upstream_reset"}},
		"one answer": {func(up *looptest.Peer, calls []boltFrame) {
			sendBolt(up, calls[1].answer(0, "ok"))
			up.CloseWrite()
		}, []string{"v1 #2 0 ok", "v1 #1 6 upstream_reset"}},
		"a request": {func(up *looptest.Peer, _ []boltFrame) { sendBolt(up, call(1, "s", "")) },
			[]string{"v1 #1 6 upstream_protocol_error", "v1 #2 6 upstream_protocol_error"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, boltDoc{}.String())
			ups := r.upstream(nil)
			client := r.connect()
			sendBolt(client, call(1, "s", "x"), call(2, "s", "y"))
			r.l.Run()
			tc.fault((*ups)[0], boltFrames(t, (*ups)[0]))
			r.l.Run()
			wantBolt(t, client, tc.want...)
			if client.Closed() {
				t.Error("the client's connection is closed")
			}
			sendBolt(client, call(3, "s", "z"))
			r.l.Run()
			if len(*ups) != 2 {
				t.Fatalf("%d upstream connections", len(*ups))
			}
			sendBolt((*ups)[1], boltFrames(t, (*ups)[1])[0].answer(0, "well"))
			r.l.Run()
			wantBolt(t, client, "v1 #3 0 well")
			r.idle()
		})
	}
}

// Each failure of the gateway's own has MOSN's status, and its name in the answer's header map.
func TestBoltStatuses(t *testing.T) {
	direct := func(status int) boltDoc {
		return boltDoc{rules: fmt.Sprintf(`{"match":{"headers":[{"name":"service","value":"s"}]},"direct_response":{"status":%d}},`, status)}
	}
	for _, tc := range []struct {
		name, want string
		doc        boltDoc
		service    string
		play       func(r *rig)
	}{
		{name: "no route", want: "6 no_route", service: "-"},
		{name: "refused", want: "6 connect_failed", play: func(r *rig) { r.l.Refuse(r.up) }},
		{name: "connect timeout", want: "7 connect_timeout", doc: boltDoc{cluster: `,"connect_timeout":"1s"`}, play: func(r *rig) { r.l.Hang(r.up) }},
		{name: "timeout", want: "7 request_timeout", doc: boltDoc{route: `,"timeout":"2s"`}, play: func(r *rig) { r.upstream(nil) }},
		{name: "try timeout", want: "7 try_timeout", doc: boltDoc{route: `,"retry_policy":{"retry_timeout":"1s","num_retries":0}`}, play: func(r *rig) { r.upstream(nil) }},
		{name: "reset", want: "6 upstream_reset", play: func(r *rig) { r.upstream(func(p *looptest.Peer) { p.OnReceive(func([]byte) { p.Reset() }) }) }},
		{name: "protocol", want: "6 upstream_protocol_error", play: func(r *rig) { r.upstream(func(p *looptest.Peer) { p.Send("garbage") }) }},
		{name: "no endpoint", want: "6 no_healthy_endpoint", play: func(r *rig) {
			cfg := r.g.cfg.Clusters[0]
			cfg.Hosts = nil
			r.g.clusters.Update([]upstream.ClusterConfig{cfg})
		}},
		{name: "overflow", want: "4 overflow", doc: boltDoc{cluster: `,"circuit_breakers":[{"max_requests":1}]`}, play: func(r *rig) {
			r.upstream(nil)
			hog := r.connect()
			sendBolt(hog, call(1, "s", ""))
		}},
		{name: "403", want: "2", doc: direct(403)},
		{name: "404", want: "6", doc: direct(404)},
		{name: "429", want: "4", doc: direct(429)},
		{name: "500", want: "3", doc: direct(500)},
		{name: "503", want: "4", doc: direct(503)},
		{name: "504", want: "7", doc: direct(504)},
		{name: "200", want: "0", doc: direct(200)},
		{name: "too large", want: "9 body_too_large", doc: boltDoc{proxy: `,"limits":{"body":3}`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.doc.String())
			if tc.play != nil {
				tc.play(r)
			}
			r.l.Run()
			client := r.connect()
			f := call(9, "s", "body")
			if tc.service != "" {
				f.fields = nil
			}
			sendBolt(client, f)
			r.l.Run()
			r.l.Advance(3 * time.Second)
			wantBolt(t, client, "v1 #9 "+tc.want)
			f.version = 2
			want := strings.Replace(tc.want, "2", "3", 1) // 403 alone is told differently
			if tc.name != "403" {
				want = tc.want
			}
			sendBolt(client, f)
			r.l.Run()
			r.l.Advance(3 * time.Second)
			wantBolt(t, client, "v2 #9 "+want)
		})
	}
}

// What is over a limit, or no Bolt, is answered with CODEC_EXCEPTION, and the connection ends; what is one call too many is
// busy, and it goes on.
func TestBoltLimits(t *testing.T) {
	doc := boltDoc{proxy: `,"bolt":{"class_bytes":30,"content_bytes":100,"max_concurrent_calls":2},"limits":{"head_bytes":200,"head_fields":3}`}.String()
	long := strings.Repeat("x", 101)
	for name, edit := range map[string]func(f *boltFrame){
		"class":   func(f *boltFrame) { f.class = long[:31] },
		"content": func(f *boltFrame) { f.content = long },
		"head":    func(f *boltFrame) { f.fields["a"], f.fields["b"] = long, long },
		"fields":  func(f *boltFrame) { f.fields["a"], f.fields["b"], f.fields["c"] = "", "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, doc)
			ups := r.upstream(nil)
			client := r.connect()
			good, bad := call(1, "s", "ok"), call(2, "s", "")
			edit(&bad)
			sendBolt(client, good)
			r.l.Run()
			sendBolt(client, bad, call(3, "s", ""))
			r.l.Run()
			if calls := boltFrames(t, (*ups)[0]); len(calls) != 1 {
				t.Errorf("the calls %v have arrived", calls)
			}
			got := boltFrames(t, client)
			if len(got) == 0 || got[0].id != 2 || got[0].value != 9 || !strings.HasSuffix(got[0].fields["sluice-reason"], "_too_large") {
				t.Errorf("the answers are %v", got)
			}
			r.l.Advance(10 * time.Second)
			if !client.Closed() {
				t.Error("the connection goes on")
			}
			r.idle()
		})
	}
	t.Run("calls", func(t *testing.T) {
		r := newRig(t, doc)
		ups := r.upstream(nil)
		client := r.connect()
		sendBolt(client, call(1, "s", "a"), call(2, "s", "b"), call(3, "s", "c"))
		r.l.Run()
		wantBolt(t, client, "v1 #3 4 overflow")
		for _, f := range boltFrames(t, (*ups)[0]) {
			sendBolt((*ups)[0], f.answer(0, f.content))
		}
		r.l.Run()
		wantBolt(t, client, "v1 #1 0 a", "v1 #2 0 b")
		if got := r.counts(); got != "late 0 unknown 0 refused 1" {
			t.Error(got)
		}
	})
}
