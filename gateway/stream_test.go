package gateway

import (
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
	"sluice/protocols"
)

const (
	get       = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
	ok        = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	endOfHead = "\r\n\r\n"
)

// answering makes every connection of the upstream answer each piece it receives with answer.
func answering(answer string) func(p *looptest.Peer) {
	return func(p *looptest.Peer) { p.OnReceive(func([]byte) { p.Send(answer) }) }
}

func TestARequestGoesThroughUnchanged(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	ups := r.upstream(answering(ok))
	client := r.connect()
	for range 3 {
		client.Send(get)
		r.l.Run()
		r.want(client, ok)
	}
	if len(*ups) != 1 {
		t.Fatalf("%d upstream connections for three requests one after another, want 1", len(*ups))
	}
	r.want((*ups)[0], get+get+get)
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	n := 0
	r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func(b []byte) {
			if strings.Count(string(b), endOfHead) != 1 {
				t.Errorf("the upstream got %q at once, want one request", b)
			}
			n++
			p.Send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + string(rune('0'+n)))
		})
	})
	client := r.connect()
	client.Send(get + get + get)
	client.CloseWrite()
	r.l.Run()
	want := ""
	for _, c := range "123" {
		want += "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + string(c)
	}
	r.want(client, want)
	if !client.EOF() {
		t.Error("the connection stays open behind the last answer to a client that has sent a FIN")
	}
}

func TestManyPipelinedLocalAnswersInFrontOfAFIN(t *testing.T) {
	r := newRig(t, plain(`"direct_response":{"status":200,"body":"ok"}`, ""))
	client := r.connect()
	const n = 3*maxStartsPerRead + 5
	client.Send(strings.Repeat(get, n))
	client.CloseWrite()
	r.l.Run()
	if got := strings.Count(client.Take(), "HTTP/1.1 200 OK"); got != n {
		t.Errorf("%d answers to %d requests", got, n)
	}
}

func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	ups := r.upstream(nil)
	client := r.connect()
	client.Send(get)
	client.CloseWrite()
	r.l.Run()
	r.l.Advance(9 * time.Second)
	(*ups)[0].Send(ok)
	r.l.Run()
	r.want(client, ok)

	client = r.connect()
	client.Send(get)
	client.CloseWrite()
	r.l.Run()
	r.l.Advance(11 * time.Second)
	if !client.Closed() || client.Received() != "" {
		t.Errorf("a half-closed client still waits after %s: %q", answerGrace, client.Received())
	}
}

func TestFailuresHaveTheirReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		setUp  func(r *rig)
		wait   time.Duration
		status string
		reason protocols.Reason
	}{
		{"refused", func(r *rig) { r.l.Refuse(r.up) }, 0, "502 Bad Gateway", protocols.ReasonConnectFailed},
		{"hangs", func(r *rig) { r.l.Hang(r.up) }, 11 * time.Second, "504 Gateway Timeout", protocols.ReasonConnectTimeout},
		{"closes", func(r *rig) { r.upstream(func(p *looptest.Peer) { p.OnReceive(func([]byte) { p.Close() }) }) }, 0,
			"502 Bad Gateway", protocols.ReasonUpstreamReset},
		{"resets", func(r *rig) { r.upstream(func(p *looptest.Peer) { p.OnReceive(func([]byte) { p.Reset() }) }) }, 0,
			"502 Bad Gateway", protocols.ReasonUpstreamReset},
		{"garbage", func(r *rig) { r.upstream(answering("SMTP ready\r\n\r\n")) }, 0, "502 Bad Gateway", protocols.ReasonUpstreamProtocol},
		{"silent", func(r *rig) { r.upstream(nil) }, 61 * time.Second, "504 Gateway Timeout", protocols.ReasonRequestTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, plain(toCluster, ""))
			c.setUp(r)
			client := r.connect()
			client.Send(get)
			r.l.Run()
			r.l.Advance(c.wait)
			got := client.Take()
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+"\r\n") || !strings.Contains(got, "\r\n\r\n"+c.reason.String()+": ") {
				t.Errorf("got %q, want %s and the reason %s", got, c.status, c.reason)
			}
			if client.Closed() {
				t.Error("the client's connection was closed for the upstream's fault")
			}
		})
	}
}

func TestStaleIdleConnectionIsRetriedOnce(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	conns, stale := 0, true
	ups := r.upstream(func(p *looptest.Peer) {
		conns++
		first := true
		p.OnReceive(func([]byte) {
			if !first && stale {
				p.Close() // as if it had closed the idle connection while the request was on its way
				return
			}
			first = false
			p.Send(ok)
		})
	})
	client := r.connect()
	client.Send(get)
	r.l.Run()
	r.want(client, ok)
	client.Send(get)
	r.l.Run()
	r.want(client, ok)
	if conns != 2 {
		t.Errorf("%d connections, want a fresh one for the retry", conns)
	}
	// A POST may have been acted upon: it is not repeated.
	client.Send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	r.l.Run()
	if got := client.Take(); !strings.Contains(got, "upstream_reset: ") {
		t.Errorf("a POST on a stale connection got %q", got)
	}
	if conns != 2 {
		t.Errorf("%d connections: the POST was repeated", conns)
	}
	_ = ups
}

func TestBytesBehindAnAnswerNeverReachAnotherRequest(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	ups := r.upstream(answering(ok + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
	client := r.connect()
	client.Send(get)
	r.l.Run()
	r.want(client, ok)
	client.Send(get)
	r.l.Run()
	r.want(client, ok)
	if len(*ups) != 2 {
		t.Errorf("%d upstream connections: one that sent too much was used again", len(*ups))
	}
}

func TestCutAnswerCutsTheClient(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func([]byte) { p.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"); p.Close() })
	})
	client := r.connect()
	client.Send(get)
	r.l.Run()
	if !client.WasReset() {
		t.Errorf("the client has %q and no reset", client.Received())
	}
}

func TestSlowReaderPausesTheUpstreamAndIsClosed(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	const size = 64 << 20
	ups := r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func([]byte) {
			p.Send("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
			p.SendBytes(make([]byte, size))
		})
	})
	client := r.connect()
	client.Window(1000)
	client.Send(get)
	r.l.Run()
	up := (*ups)[0]
	if taken := size - up.Unread(); taken > 512<<10 {
		t.Errorf("%d bytes were read of an answer that nobody takes", taken)
	}
	// Taking a little now and then counts as progress.
	for range 5 {
		client.Window(100)
		r.l.Run()
		r.l.Advance(50 * time.Second)
		if client.Closed() {
			t.Fatal("a client that reads slowly was closed")
		}
	}
	r.l.Advance(130 * time.Second)
	if !client.Closed() {
		t.Error("a client that does not read is still there")
	}
	if !up.Closed() {
		t.Error("the upstream of a client that was closed is still there")
	}
}

func TestSlowUpstreamPausesTheUpload(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	const size = 64 << 20
	r.upstream(func(p *looptest.Peer) { p.Window(1000) })
	client := r.connect()
	client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n")
	client.SendBytes(make([]byte, size))
	r.l.Run()
	if taken := size - client.Unread(); taken > 512<<10 {
		t.Errorf("%d bytes were read of an upload that nobody takes", taken)
	}
	r.l.Advance(400 * time.Second)
	if got := client.Take(); !strings.Contains(got, "stream_idle: ") && !strings.Contains(got, "request_timeout: ") {
		t.Errorf("the upload ended with %q", got)
	}
}

func TestTimeoutsOfAClient(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(answering(ok))

	client := r.connect()
	client.Send("GET / HT")
	r.l.Run()
	r.l.Advance(31 * time.Second)
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "head_timeout: ") {
		t.Errorf("a head that does not arrive got %q", got)
	}

	client = r.connect()
	for _, c := range "GET /a-head-that-trickles" {
		client.Send(string(c))
		r.l.Run()
		r.l.Advance(2 * time.Second)
	}
	if got := client.Take(); !strings.Contains(got, "head_timeout: ") {
		t.Errorf("a head that trickles got %q", got)
	}

	client = r.connect()
	client.Send(get)
	r.l.Run()
	r.want(client, ok)
	r.l.Advance(74 * time.Second)
	if client.Closed() {
		t.Error("an idle connection was closed before its time")
	}
	r.l.Advance(2 * time.Second)
	if !client.Closed() || client.Received() != "" {
		t.Errorf("an idle connection is still there, or was told %q", client.Received())
	}

	r.upstream(nil)
	r.l.Advance(10 * time.Second) // the pooled connection to the old one is closed
	client = r.connect()
	client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
	r.l.Run()
	r.l.Advance(62 * time.Second)
	if !client.Closed() {
		t.Error("an upload that does not go on is still there")
	}
}

func TestUpgradeMakesATunnel(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	ups := r.upstream(func(p *looptest.Peer) {
		first := true
		p.OnReceive(func(b []byte) {
			if first {
				first = false
				p.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi")
			}
		})
	})
	client := r.connect()
	client.Send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
	r.l.Run()
	r.want(client, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi")
	up := (*ups)[0]
	if got := up.Take(); !strings.HasSuffix(got, "\r\n\r\nearly") {
		t.Errorf("the upstream has %q", got)
	}
	r.l.Advance(10 * time.Minute) // requests' limits are not tunnels' limits
	up.Send("ping")
	client.Send("pong")
	r.l.Run()
	r.want(client, "ping")
	r.want(up, "pong")
	client.CloseWrite()
	r.l.Run()
	if !up.EOF() || client.EOF() {
		t.Error("a FIN was not passed on, or both ways")
	}
	up.Send("last words")
	up.CloseWrite()
	r.l.Run()
	r.want(client, "last words")
	if !client.EOF() || !client.Closed() || !up.Closed() {
		t.Error("the tunnel is not closed")
	}
}

func TestClientThatLeavesEndsItsRequest(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	ups := r.upstream(nil)
	client := r.connect()
	client.Send(get)
	r.l.Run()
	client.Reset()
	r.l.Run()
	if up := (*ups)[0]; !up.Closed() {
		t.Error("the upstream still works for a client that has gone")
	}
	if n := r.g.workers[0].active; n != 0 {
		t.Errorf("%d streams in progress", n)
	}
}

func TestMistakesOfClientsNeverReachTheUpstream(t *testing.T) {
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
		"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\n\n",
	} {
		r := newRig(t, plain(toCluster, ""))
		ups := r.upstream(answering(ok))
		client := r.connect()
		client.Send(request + get)
		r.l.Run()
		r.l.Advance(3 * time.Second)
		got := client.Take()
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "protocol_error: ") {
			t.Errorf("%q got %q", request, got)
		}
		if strings.HasPrefix(request, "GET /..") {
			continue // well-formed: the connection goes on
		}
		if len(*ups) != 0 || strings.Count(got, "HTTP/1.1") != 1 || !client.Closed() {
			t.Errorf("%q: %d upstream connections, closed %v, answers %q", request, len(*ups), client.Closed(), got)
		}
	}
}

func TestRetryPolicy(t *testing.T) {
	r := newRig(t, plain(`"route":{"cluster_name":"c","retry_policy":{"retry_on":true,"num_retries":2,"status_codes":[503]}}`, ""))
	n, end := 0, endOfHead+"body"
	r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func([]byte) {
			if !strings.HasSuffix(p.Received(), end) {
				return
			}
			p.Discard()
			if n++; n <= 2 {
				p.Send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
				return
			}
			p.Send(ok)
		})
	})
	client := r.connect()
	client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
	r.l.Run()
	r.l.Advance(time.Second)
	r.want(client, ok)
	if n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
	n, end = -100, endOfHead
	client.Send(get)
	r.l.Run()
	r.l.Advance(time.Second)
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 503 Busy") || n != -97 {
		t.Errorf("%d tries, and then %q", n+100, got)
	}
}

func TestTryTimeoutAndRetry(t *testing.T) {
	r := newRig(t, plain(`"route":{"cluster_name":"c","timeout":"5s","retry_policy":{"retry_on":true,"retry_timeout":"1s","num_retries":1}}`, ""))
	n := 0
	r.upstream(func(*looptest.Peer) { n++ })
	client := r.connect()
	client.Send(get)
	r.l.Run()
	r.l.Advance(3 * time.Second)
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 504 ") || !strings.Contains(got, "try_timeout: ") || n != 2 {
		t.Errorf("%d tries, and then %q", n, got)
	}
}

func TestDrainAnswersWhatIsSentAndTellsClientsToGo(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	ups := r.upstream(nil)
	busy, idle, quiet := r.connect(), r.connect(), r.connect()
	busy.Send(get)
	r.l.Run()
	w := r.g.workers[0]
	r.g.drained.loops.Add(1)
	r.l.Do(w.startDrain)
	r.l.Advance(time.Second)
	idle.Send(get)
	r.l.Run()
	for _, up := range *ups {
		up.Send(ok)
	}
	r.l.Run()
	for _, client := range []*looptest.Peer{busy, idle} {
		if got := client.Take(); !strings.Contains(got, "Connection: close\r\n") || !strings.HasSuffix(got, "ok") {
			t.Errorf("during the drain a client got %q", got)
		}
		if !client.EOF() {
			t.Error("the connection stays open behind its last answer")
		}
	}
	r.l.Advance(4 * time.Second)
	if !quiet.Closed() {
		t.Error("an idle connection outlives the drain")
	}
	if w.draining != drainFinished {
		t.Error("the drain has not finished")
	}
}
