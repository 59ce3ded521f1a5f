package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

func TestPipelinedAnswersNobodyReads(t *testing.T) {
	r := newRig(t, plain(`"direct_response":{"status":200,"body":"`+strings.Repeat("x", 4000)+`"}`, ""))
	client := r.connect()
	client.Window(0)
	for range 20 {
		client.Send(strings.Repeat("GET / HTTP/1.1\r\nHost:a\r\n\r\n", 2000))
		r.l.Run()
	}
	n := 0
	r.l.Do(func() { n = r.g.workers[0].sessions.first.conn.Buffered() })
	if n > 1<<20 {
		t.Errorf("%d bytes of output wait for a client that reads nothing", n)
	}
}

func TestPipelinedUpstreamAnswersNobodyReads(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(answering("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 50000)))
	client := r.connect()
	client.Window(0)
	client.Send(strings.Repeat("GET / HTTP/1.1\r\nHost:a\r\n\r\n", 2000))
	r.l.Run()
	n := 0
	r.l.Do(func() { n = r.g.workers[0].sessions.first.conn.Buffered() })
	if n > 1<<20 {
		t.Errorf("%d bytes of output wait for a client that reads nothing", n)
	}
}

func TestPipelinedEmptyAnswersNobodyReads(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /" + strings.Repeat("x", 4000) + "\r\n\r\n"))
	client := r.connect()
	client.Window(0)
	for range 5 {
		client.Send(strings.Repeat("GET / HTTP/1.1\r\nHost:a\r\n\r\n", 2000))
		r.l.Run()
	}
	n := 0
	r.l.Do(func() { n = r.g.workers[0].sessions.first.conn.Buffered() })
	if n > 1<<20 {
		t.Errorf("%d bytes of output wait for a client that reads nothing", n)
	}
}

func TestHeadTrickle(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(answering(ok))
	client := r.connect()
	client.Send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	r.l.Run()
	for range 100 {
		r.l.Advance(25 * time.Second)
		client.Send("x")
		r.l.Run()
	}
	if !client.Closed() {
		t.Error("a head has been arriving for 2500 s and the connection is still there (limit: 30 s)")
	}
}

func TestDiscardTrickle(t *testing.T) {
	r := newRig(t, plain(`"direct_response":{"status":200,"body":"ok"}`, ""))
	client := r.connect()
	client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
	r.l.Run()
	for range 100 {
		client.Send("x")
		r.l.Run()
		r.l.Advance(70 * time.Second)
	}
	if !client.Closed() {
		t.Error("a body that nobody wants has been trickling for 7000 s")
	}
}

func TestSlowReaderIsNotKeptByItsNextRequest(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func([]byte) {
			p.Send("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
			p.SendBytes(make([]byte, 1<<20))
		})
	})
	client := r.connect()
	client.Window(0)
	client.Send(get)
	r.l.Run()
	for range 100 {
		r.l.Advance(50 * time.Second)
		client.Send("G")
		r.l.Run()
	}
	if !client.Closed() {
		t.Error("a client that has read nothing for 5000 s is kept by a byte of the next request now and then")
	}
}

func TestTwoXFFLines(t *testing.T) {
	doc := plain(toCluster, "")
	doc = strings.Replace(doc, `"x_forwarded_for":false,`, `"trusted_networks":["192.0.2.0/24"],`, 1)
	r := newRig(t, doc)
	ups := r.upstream(answering(ok))
	client := r.connect()
	client.Send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
	r.l.Run()
	got := (*ups)[0].Take()
	if !strings.Contains(got, "203.0.113.9") {
		t.Errorf("the address that the trusted proxy added is lost, what the client invented is kept:\n%s", got)
	}
}

func TestConnectToDirectResponse(t *testing.T) {
	r := newRig(t, plain(`"direct_response":{"status":200,"body":"ok"}`, ""))
	client := r.connect()
	client.Send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
	r.l.Run()
	got := client.Take()
	client.Send("bytes of the tunnel")
	r.l.Run()
	if !client.Closed() && strings.HasPrefix(got, "HTTP/1.1 200") {
		var ph phase
		r.l.Do(func() { ph = r.g.workers[0].sessions.first.kind.(*serial).phase })
		t.Errorf("a tunnel to nowhere: %q, session phase %d", got, ph)
	}
}

func TestInterimAnswersNobodyReads(t *testing.T) {
	r := newRig(t, plain(toCluster, ""))
	r.upstream(answering(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("y", 60000)+"\r\n\r\n", 32)))
	c := r.connect()
	c.Window(0)
	c.Send(get)
	r.l.Run()
	n := 0
	r.l.Do(func() { n = r.g.workers[0].sessions.first.conn.Buffered() })
	if n > 256<<10 {
		t.Errorf("%d bytes of interim answers wait for a client that reads nothing", n)
	}
}

func TestFreeStreamsKeepLittle(t *testing.T) {
	r := newRig(t, plain(`"route":{"cluster_name":"c","retry_policy":{"retry_on":true,"num_retries":1}}`, ""))
	r.upstream(func(p *looptest.Peer) {
		p.OnReceive(func([]byte) {
			if strings.HasSuffix(p.Received(), "END") {
				p.Send(ok)
			}
		})
	})
	var cs []*looptest.Peer
	for range 100 {
		c := r.connect()
		c.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("x", 59997))
		r.l.Run()
		cs = append(cs, c)
	}
	for _, c := range cs {
		c.Send("END")
		r.l.Run()
		c.Close()
	}
	r.l.Run()
	total, n := 0, 0
	r.l.Do(func() {
		for st := r.g.workers[0].streams; st != nil; st = st.next {
			n++
			total += cap(st.replay) + st.req.Size()
		}
		for _, h := range r.g.workers[0].heads {
			total += h.Size()
		}
	})
	if n == 0 || total > n*(maxKeptHead*2) {
		t.Errorf("%d free streams keep %d bytes", n, total)
	}
}

// Requests that wait for a connection are bounded: by the cluster's max_pending_requests, else by 1024 for each host and loop.
func TestRequestsThatWait(t *testing.T) {
	for breaker, limit := range map[string]int{"": 1024, `"circuit_breakers":[{"max_pending_requests":2}],`: 2, `"circuit_breakers":[{"max_pending_requests":1100}],`: 1100} {
		r := newRig(t, strings.Replace(plain(toCluster, ""), `"lb_type"`, breaker+`"lb_type"`, 1))
		r.l.Hang(r.up)
		for i := range limit + 1 {
			c := r.connect()
			c.Send(get)
			r.l.Run()
			if got := c.Take(); (i == limit) != strings.HasPrefix(got, "HTTP/1.1 503 ") || i == limit && !strings.Contains(got, "overflow") {
				t.Fatalf("limit %d: request %d is answered %q", limit, i, got)
			}
		}
	}
}

// Clients that ask for much and read nothing cost less each the more there are, and get it all when they read again.
func TestManyThatDoNotRead(t *testing.T) {
	const clients, size = 3000, 150_000 // more than a connection holds while there is room: loop.HighWater and loop.MaxRead
	r := newRig(t, plain(toCluster, ""))
	r.upstream(answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size) + strings.Repeat("x", size)))
	ask := func(window int) *looptest.Peer {
		c := r.connect()
		c.OnReceive(func([]byte) { c.Discard() })
		c.Window(window)
		c.Send(get)
		return c
	}
	var peers []*looptest.Peer
	for range clients {
		peers = append(peers, ask(0))
	}
	r.l.Run()
	w, buffered := r.g.workers[0], 0
	r.l.Do(func() {
		for s := w.sessions.first; s != nil; s = s.next {
			buffered += s.conn.Buffered()
		}
	})
	if most := stalledPart*mostHeld + clients*(loop.LowWater+mostReads); buffered > most || buffered != w.holds.stalled {
		t.Errorf("%d bytes wait for clients that do not read, want %d at most; %d are accounted for", buffered, most, w.holds.stalled)
	}
	reader := ask(-1)
	if r.l.Run(); reader.Total() < size {
		t.Errorf("a client that reads has got %d bytes", reader.Total())
	}
	for i, c := range peers {
		if i%3 == 0 {
			c.Reset()
		} else {
			c.Window(-1)
		}
	}
	r.l.Run()
	for i, c := range peers {
		if i%3 != 0 && c.Total() < size {
			t.Fatalf("client %d has got %d bytes in the end", i, c.Total())
		}
	}
	if w.holds.stalled != 0 || w.holds.reads() != loop.MaxRead {
		t.Errorf("%d bytes are accounted for in the end, reads take %d", w.holds.stalled, w.holds.reads())
	}
}
