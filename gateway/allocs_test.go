//go:build !race

package gateway

import (
	"testing"

	"sluice/loop/looptest"
)

// TestWholePathAllocatesNothing sends 1 000 requests through everything: the loop, both codecs, the router, a subset, the pool,
// the forwarded fields, the header edits, the counters and the access log.
func TestWholePathAllocatesNothing(t *testing.T) {
	r := newRig(t, `{"servers":[{"default_log_path":"stdout","processor":1,
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},
   "route":{"cluster_name":"c","metadata_match":{"filter_metadata":{"mosn.lb":{"s":"a"}}},"prefix_rewrite":"/api/","request_headers_to_add":[{"header":{"key":"x-a","value":"1"}}],
            "response_headers_to_add":[{"header":{"key":"x-b","value":"2"}}]}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"access_logs":[{"log_path":"/dev/null"}],
  "filter_chains":[{"filters":[{"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"r"}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_LEAST_REQUEST",
  "lb_subset_config":{"subset_selectors":[["s"]]},
  "hosts":[{"address":"10.0.0.1:80","metadata":{"filter_metadata":{"mosn.lb":{"s":"a"}}}}]}]}}`)
	ups := r.upstream(nil)
	client := r.connect()
	request := []byte("POST /x?y=1 HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=b\r\nContent-Length: 5\r\n\r\nhello")
	answer := []byte("HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nworld")
	exchange := func() {
		client.SendBytes(request)
		r.l.Run()
		if len(*ups) != 1 || len((*ups)[0].Bytes()) == 0 {
			t.Fatal("the upstream has not received the request")
		}
		(*ups)[0].Discard()
		(*ups)[0].SendBytes(answer)
		r.l.Run()
		if len(client.Bytes()) == 0 {
			t.Fatal("the client has not received the answer")
		}
		client.Discard()
	}
	for range 5000 {
		exchange()
	}
	if least := leastAllocations(0, func() {
		for range 1000 {
			exchange()
		}
	}); least != 0 {
		t.Errorf("%v allocations per 1 000 requests, want 0", least)
	}
}

// leastAllocations is how many allocations run makes. The count is the process's: what another test left running may add to one
// run, but not to all of them. No more than enough is looked for.
func leastAllocations(enough float64, run func()) float64 {
	least := testing.AllocsPerRun(1, run)
	for i := 0; i < 10 && least > enough; i++ {
		least = min(least, testing.AllocsPerRun(1, run))
	}
	return least
}

// A wire is one side of the exchanges of an allocation test, in raw bytes that are made once: it allocates nothing itself.
type wire interface {
	// hello is what the side says first.
	hello(p *looptest.Peer)
	// ask sends requests; each has a path and a cookie that nobody has seen before.
	ask(p *looptest.Peer, requests int)
	// answer answers the requests that have come, and returns how many they were.
	answer(p *looptest.Peer) int
	// answered returns how many whole answers have come.
	answered(p *looptest.Peer) int
}

// exchangesAllocateNothing asserts 0 allocations in 1 000 exchanges between client and server, so many at once.
func exchangesAllocateNothing(t *testing.T, r *rig, client, server wire, together int) {
	ups := r.upstream(server.hello)
	from := r.connect()
	client.hello(from)
	r.l.Run()
	from.Discard()
	exchange := func() {
		client.ask(from, together)
		r.l.Run()
		asked := 0
		for _, up := range *ups {
			asked += server.answer(up)
		}
		r.l.Run()
		if n := client.answered(from); n != together || asked != together {
			t.Fatalf("the upstream has received %d requests of %d, the client %d answers", asked, together, n)
		}
	}
	for range 4096 / together {
		exchange()
	}
	if least := leastAllocations(0, func() {
		for range 1000/together + 1 {
			exchange()
		}
	}); least != 0 {
		t.Errorf("%v allocations per 1 000 requests, want 0", least)
	}
	connections := 1
	if _, oneByOne := server.(*lineWire); oneByOne {
		connections = together
	}
	if len(*ups) != connections {
		t.Errorf("%d upstream connections, want %d", len(*ups), connections)
	}
}
