package gateway

import (
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
)

func heartbeat(id uint32) boltFrame {
	return boltFrame{kind: boltRequest, command: boltHeartbeat, id: id, value: 1<<32 - 1}
}

// A client's heartbeat is answered here, in its version, and goes nowhere.
func TestBoltHeartbeats(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	client := r.connect()
	second := heartbeat(8)
	second.version, second.summed = 2, true
	sendBolt(client, heartbeat(7), second)
	r.l.Run()
	got := boltFrames(t, client)
	if len(got) != 2 || len(*ups) != 0 {
		t.Fatalf("%v, %d upstream connections", got, len(*ups))
	}
	for i, f := range got {
		if f.command != boltHeartbeat || f.kind != boltResponse || f.id != uint32(7+i) || f.value != 0 || f.version != byte(1+i) || f.summed != (i == 1) {
			t.Errorf("%+v", f)
		}
	}
}

// An upstream that says nothing is asked; the third heartbeat in a row that it does not answer is the last.
func TestBoltKeepalive(t *testing.T) {
	r := newRig(t, boltDoc{cluster: `,"keepalive":{"interval":"10s","timeout":"1s"},"idle_timeout":"off"`}.String())
	ups := r.upstream(nil)
	client := r.connect()
	sendBolt(client, call(1, "s", "x"))
	r.l.Run()
	up := (*ups)[0]
	sendBolt(up, boltFrames(t, up)[0].answer(0, ""))
	r.l.Run()
	wantBolt(t, client, "v1 #1 0")
	for range 5 {
		r.l.Advance(10100 * time.Millisecond)
		got := boltFrames(t, up)
		if len(got) != 1 || got[0].command != boltHeartbeat || got[0].kind != boltRequest {
			t.Fatalf("after 10 s of silence: %v", got)
		}
		sendBolt(up, boltFrame{kind: boltResponse, command: boltHeartbeat, id: got[0].id})
		r.l.Run()
	}
	sendBolt(client, call(2, "s", "y"))
	r.l.Run()
	up.Take()
	r.l.Advance(14 * time.Second)
	if got := boltFrames(t, up); len(got) != 3 || !up.Closed() {
		t.Errorf("%d heartbeats; the connection is closed: %v", len(got), up.Closed())
	}
	wantBolt(t, client, "v1 #2 7 upstream_silent")
	if n := r.g.listeners[0].locals[0].env.Counts.Pings; n != 8 {
		t.Errorf("%d heartbeats are counted", n)
	}
}

// An upstream that says goaway gets no more calls, and loses none.
func TestBoltGoAwayFromUpstream(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	client := r.connect()
	sendBolt(client, call(1, "s", "x"))
	r.l.Run()
	sendBolt((*ups)[0], boltFrame{kind: boltRequest, command: boltGoAway, value: 1<<32 - 1})
	r.l.Run()
	sendBolt(client, call(2, "s", "y"))
	r.l.Run()
	if len(*ups) != 2 {
		t.Fatalf("%d connections", len(*ups))
	}
	for i, up := range *ups {
		calls := boltFrames(t, up)
		if len(calls) != 1 || up.Closed() {
			t.Fatalf("connection %d: %v, closed: %v", i, calls, up.Closed())
		}
		sendBolt(up, calls[0].answer(0, calls[0].content))
	}
	r.l.Run()
	wantBolt(t, client, "v1 #1 0 x", "v1 #2 0 y")
	if !(*ups)[0].Closed() || (*ups)[1].Closed() {
		t.Error("the wrong connection is closed")
	}
}

// A drain tells clients that know the word for it, serves what comes all the same, and closes behind the last answer.
func TestBoltDrain(t *testing.T) {
	for _, announce := range []bool{false, true} {
		doc := boltDoc{}
		if announce {
			doc.proxy = `,"extend_config":{"bolt":{"enable_bolt_goaway":true}}`
		}
		r := newRig(t, doc.String())
		ups := r.upstream(nil)
		client, idle := r.connect(), r.connect()
		sendBolt(client, call(1, "s", "x"))
		r.l.Run()
		r.l.Do(r.g.workers[0].startDrain)
		r.l.Run()
		told := 0
		for _, p := range []*looptest.Peer{client, idle} {
			for _, f := range boltFrames(t, p) {
				if f.command == boltGoAway && f.kind == boltRequest {
					told++
				}
			}
		}
		if want := map[bool]int{true: 2}[announce]; told != want {
			t.Errorf("%d clients are told to go, want %d", told, want)
		}
		sendBolt(client, call(2, "s", "y")) // it was on its way
		r.l.Run()
		for _, f := range boltFrames(t, (*ups)[0]) {
			sendBolt((*ups)[0], f.answer(0, f.content))
		}
		r.l.Run()
		wantBolt(t, client, "v1 #1 0 x", "v1 #2 0 y")
		r.l.Advance(5 * time.Second)
		if !client.Closed() || !idle.Closed() || client.WasReset() {
			t.Errorf("closed: %v and %v, reset: %v", client.Closed(), idle.Closed(), client.WasReset())
		}
	}
}

// A client that says goaway has its answers, and then the connection ends.
func TestBoltGoAwayFromClient(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	client := r.connect()
	sendBolt(client, call(1, "s", "x"), boltFrame{kind: boltRequest, command: boltGoAway, value: 1<<32 - 1})
	r.l.Run()
	sendBolt((*ups)[0], boltFrames(t, (*ups)[0])[0].answer(0, "y"))
	r.l.Run()
	wantBolt(t, client, "v1 #1 0 y")
	r.l.Advance(3 * time.Second)
	if !client.EOF() || client.WasReset() {
		t.Errorf("FIN: %v, reset: %v", client.EOF(), client.WasReset())
	}
}

// Calls are routed by their header map, changed on their way, and told of in the log.
func TestBoltRouting(t *testing.T) {
	doc := boltDoc{
		rules: `{"match":{"headers":[{"name":"service","value":"com.example.A"},{"name":"zone","value":"x.*","regex":true}]},
  "route":{"cluster_name":"d","request_headers_to_add":[{"header":{"key":"class","value":"%request_class%"}},{"header":{"key":"zone","value":"z2"},"append":false}],
   "request_headers_to_remove":["secret"],"response_headers_to_add":[{"header":{"key":"via","value":"sluice %x-mosn-rpc-service%"}}]}},`,
		logs: `{"log_path":"stdout","log_format":"%protocol% %request_class% %x-mosn-rpc-service% %response_code% %bolt_status% %reason% %upstream_cluster%"}`,
	}.String()
	doc = strings.Replace(doc, `"clusters":[`, `"clusters":[{"name":"d","hosts":[{"address":"10.0.0.2:80"}]},`, 1)
	r := newRig(t, doc)
	ups := r.upstream(nil)
	var other *looptest.Peer
	r.l.Listen(looptest.Addr("10.0.0.2", 80), func(p *looptest.Peer) { other = p })
	client := r.connect()
	a, b := call(1, "com.example.A", "1"), call(2, "com.example.B", "2")
	a.fields["zone"], a.fields["secret"] = "x1", "s"
	a.version, a.summed, a.coding = 2, true, 12
	sendBolt(client, a, b)
	r.l.Run()
	got := boltFrames(t, other)
	if len(got) != 1 || got[0].fields["zone"] != "z2" || got[0].fields["class"] != "com.example.Request" || got[0].fields["secret"] != "" ||
		got[0].version != 2 || !got[0].summed || got[0].coding != 12 || got[0].class != "com.example.Request" || got[0].content != "1" {
		t.Fatalf("the first call has arrived as %+v", got)
	}
	sendBolt(other, got[0].answer(2, "no"))
	sendBolt((*ups)[0], boltFrames(t, (*ups)[0])[0].answer(0, "yes"))
	r.l.Run()
	answers := boltFrames(t, client)
	if len(answers) != 2 {
		t.Fatalf("the answers %v", answers)
	}
	for _, f := range answers {
		switch {
		case f.id == 1 && f.value == 2 && f.content == "no" && f.fields["via"] == "sluice com.example.A" && f.version == 2 && f.coding == 12:
		case f.id == 2 && f.value == 0 && f.content == "yes" && len(f.fields) == 0:
		default:
			t.Errorf("the answer %+v", f)
		}
	}
}

// A weighted choice among clusters.
func TestBoltWeights(t *testing.T) {
	doc := boltDoc{rules: `{"match":{"headers":[{"name":"service","value":".*"}]},"route":{"weighted_clusters":[{"cluster":{"name":"c","weight":75}},{"cluster":{"name":"d","weight":25}}]}},`}.String()
	doc = strings.Replace(doc, `"clusters":[`, `"clusters":[{"name":"d","hosts":[{"address":"10.0.0.2:80"}]},`, 1)
	r := newRig(t, doc)
	ups := r.upstream(nil)
	var other *looptest.Peer
	r.l.Listen(looptest.Addr("10.0.0.2", 80), func(p *looptest.Peer) { other = p })
	client := r.connect()
	const calls = 800
	for i := range uint32(calls) {
		sendBolt(client, call(i, "s", ""))
	}
	r.l.Run()
	c, d := len(boltFrames(t, (*ups)[0])), len(boltFrames(t, other))
	if c+d != calls || d < calls/8 || d > calls*3/8 {
		t.Errorf("%d and %d calls", c, d)
	}
}

// A frame that is longer than the gateway takes at once goes through in pieces, both ways, while other calls go on; so do
// several that are answered together.
func TestBoltLongFrames(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	client := r.connect()
	long := strings.Repeat("0123456789abcdef", 20<<10)
	sendBolt(client, call(1, "s", long), call(2, "s", "short"), call(3, "s", long), call(4, "s", "short"))
	r.l.Run()
	got := map[uint32]string{}
	for _, up := range *ups {
		for _, f := range boltFrames(t, up) {
			sendBolt(up, f.answer(0, f.content))
		}
	}
	r.l.Run()
	for _, f := range boltFrames(t, client) {
		got[f.id] = f.content
	}
	if len(got) != 4 || got[1] != long || got[2] != "short" || got[3] != long || got[4] != "short" {
		t.Errorf("%d answers", len(got))
	}
	if len(*ups) > 2 {
		t.Errorf("%d connections", len(*ups))
	}
	r.idle()
}

// A client that does not read stops its own answers and no others'; its upstream connection goes on when it is gone.
func TestBoltClientThatDoesNotRead(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	lazy, busy := r.connect(), r.connect()
	lazy.Window(0)
	long := strings.Repeat("x", 1<<20)
	for i := range uint32(8) {
		sendBolt(lazy, call(i, "s", ""))
	}
	r.l.Run()
	up := (*ups)[0]
	for _, f := range boltFrames(t, up) {
		sendBolt(up, f.answer(0, long))
	}
	r.l.Run()
	if held := r.g.workers[0].holds.held; held > 1<<20 {
		t.Errorf("%d bytes are held for a client that does not read", held)
	}
	lazy.Window(-1)
	r.l.Run()
	if got := boltFrames(t, lazy); len(got) != 8 || got[7].content != long {
		t.Errorf("%d answers", len(got))
	}
	sendBolt(busy, call(1, "s", "next"))
	r.l.Run()
	sendBolt(up, boltFrames(t, up)[0].answer(0, "ok"))
	r.l.Run()
	wantBolt(t, busy, "v1 #1 0 ok")
	r.idle()
}

// Nor does it stop, for long, those whose calls were on the same connection before it stopped reading: its answer is given
// up, the endpoint is not to blame, and the connection goes on.
func TestBoltSlowReaderAmongOthers(t *testing.T) {
	r := newRig(t, boltDoc{}.String())
	ups := r.upstream(nil)
	lazy, busy := r.connect(), r.connect()
	lazy.Window(0)
	sendBolt(lazy, call(1, "s", ""))
	r.l.Run()
	sendBolt(busy, call(1, "s", ""))
	r.l.Run()
	up := (*ups)[0]
	calls := boltFrames(t, up)
	if len(calls) != 2 {
		t.Fatalf("%d calls on the first connection", len(calls))
	}
	sendBolt(up, calls[0].answer(0, strings.Repeat("x", 2<<20)), calls[1].answer(0, "ok"))
	r.l.Run()
	wantBolt(t, busy)
	sendBolt(busy, call(2, "s", "next"))
	r.l.Run()
	if len(*ups) != 2 {
		t.Fatalf("%d upstream connections beside one that is not read", len(*ups))
	}
	sendBolt((*ups)[1], boltFrames(t, (*ups)[1])[0].answer(0, "elsewhere"))
	r.l.Run()
	wantBolt(t, busy, "v1 #2 0 elsewhere")
	r.l.Advance(4 * time.Second)
	wantBolt(t, busy, "v1 #1 0 ok")
	lazy.Window(-1)
	r.l.Run()
	if !lazy.Closed() || up.Closed() || busy.Closed() {
		t.Errorf("who does not read is closed %v, the upstream %v, the other client %v", lazy.Closed(), up.Closed(), busy.Closed())
	}
	r.idle()
}
