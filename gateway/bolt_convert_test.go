package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/loop/looptest"
)

// said is what a frame says, for comparison.
func (f boltFrame) said() string {
	s := fmt.Sprintf("coding %d class %q", f.coding, f.class)
	if f.kind == boltResponse {
		s = fmt.Sprintf("status %d %s", f.value, s)
	} else {
		s = fmt.Sprintf("timeout %d %s", int32(f.value), s)
	}
	for _, k := range slices.Sorted(maps.Keys(f.fields)) {
		s += fmt.Sprintf(" %s=%s", k, f.fields[k])
	}
	return s + " " + fmt.Sprintf("%q", f.content)
}

// newConverting is a gateway whose clients speak one protocol and whose upstream another.
func newConverting(t *testing.T, speaks, upstream, filters, proxy string) *rig {
	return newRig(t, boltDoc{
		speaks: speaks, filters: filters, proxy: proxy, route: `,"upstream_protocol":"` + upstream + `"`,
		rules: `{"match":{"prefix":"/"},"route":{"cluster_name":"c","upstream_protocol":"` + upstream + `"}},`,
	}.String())
}

const simpleFilter = `{"type":"transcoder","config":{"type":"http2bolt_simple"}}`

func TestHTTPToBolt(t *testing.T) {
	for _, tc := range []struct {
		name, filters, request, want, reply string
		answer                              boltFrame
	}{
		{
			name:    "class, serialization, timeout",
			request: "POST /shop/buy?x=1 HTTP/1.1\r\nHost: a.example\r\nService: com.example.Shop\r\nX-Bolt-Class: com.example.Request\r\nX-Bolt-Timeout: 3000\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 4\r\n\r\nbody",
			want:    `timeout 3000 coding 12 class "com.example.Request" content-type=application/json; charset=utf-8 host=a.example service=com.example.Shop x-http-method=POST x-http-path=/shop/buy?x=1 "body"`,
			answer:  boltFrame{value: 0, class: "com.example.Answer", coding: 12, content: `{"a":1}`, fields: map[string]string{"trace": "7"}},
			reply:   "HTTP/1.1 200 OK\r\ntrace: 7\r\nx-bolt-class: com.example.Answer\r\nx-bolt-codec: 12\r\nContent-Type: application/json\r\ncontent-length: 7\r\nx-bolt-status: 0\r\n\r\n" + `{"a":1}`,
		},
		{
			name:    "nothing said, an error",
			request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			want:    `timeout -1 coding 1 class "" host=a x-http-method=GET x-http-path=/ ""`,
			answer:  boltFrame{value: 4},
			reply:   "HTTP/1.1 503 Service Unavailable\r\nx-bolt-codec: 1\r\ncontent-length: 0\r\nx-bolt-status: 4\r\n\r\n",
		},
		{
			name:    "defaults of the filter",
			filters: `{"type":"http2bolt","config":{"class":"com.example.Any","coding":11}}`,
			request: "PUT /p HTTP/1.1\r\nHost: a\r\nX-Bolt-Codec: 77\r\nContent-Length: 1\r\n\r\nb",
			want:    `timeout -1 coding 77 class "com.example.Any" host=a x-http-method=PUT x-http-path=/p "b"`,
			answer:  boltFrame{value: 7, coding: 77},
			reply:   "HTTP/1.1 504 Gateway Timeout\r\nx-bolt-codec: 77\r\ncontent-length: 0\r\nx-bolt-status: 7\r\n\r\n",
		},
		{
			name:    "a chunked body is collected",
			request: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nx: y\r\n\r\n",
			want:    `timeout -1 coding 1 class "" host=a x-http-method=POST x-http-path=/ "abcdefg"`,
			answer:  boltFrame{},
			reply:   "HTTP/1.1 200 OK\r\nx-bolt-codec: 1\r\ncontent-length: 0\r\nx-bolt-status: 0\r\n\r\n",
		},
		{
			name:    "MOSN's simple way",
			filters: simpleFilter,
			request: "POST /x HTTP/1.1\r\nHost: a\r\nService: s\r\nContent-Length: 1\r\n\r\nb",
			want:    `timeout -1 coding 1 class "" service=s "b"`,
			answer:  boltFrame{value: 7, content: "oh", class: "c", fields: map[string]string{"k": "v"}},
			reply:   "HTTP/1.1 500 Internal Server Error\r\nk: v\r\ncontent-length: 2\r\n\r\noh",
		},
		{
			name:    "what HTTP can't say",
			request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
			want:    `timeout -1 coding 1 class "" host=a x-http-method=GET x-http-path=/ ""`,
			answer: boltFrame{class: "c\r\nd", content: "ok", fields: map[string]string{"a b": "1", "c": "x\r\ny: z", "": "2", "d": " e", "transfer-encoding": "chunked",
				"content-length": "100", "connection": "close", "good": "yes"}},
			reply: "HTTP/1.1 200 OK\r\ngood: yes\r\nx-bolt-codec: 1\r\nContent-Type: application/x-hessian2\r\ncontent-length: 2\r\nx-bolt-status: 0\r\n\r\nok",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newConverting(t, "Http1", "bolt", tc.filters, "")
			ups := r.upstream(nil)
			client := r.connect()
			client.Send(tc.request)
			r.l.Run()
			if len(*ups) == 0 {
				t.Fatalf("answered %q", client.Take())
			}
			calls := boltFrames(t, (*ups)[0])
			if len(calls) != 1 || calls[0].said() != tc.want {
				t.Fatalf("the upstream got\n%v\nwant\n%s", calls[0].said(), tc.want)
			}
			a := tc.answer
			a.command, a.id = boltReply, calls[0].id
			sendBolt((*ups)[0], a)
			r.l.Run()
			r.want(client, tc.reply)
			r.idle()
		})
	}
}

// The failures of the gateway and of the upstream are those of HTTP.
func TestHTTPToBoltFails(t *testing.T) {
	r := newConverting(t, "Http1", "bolt", "", `,"bolt":{"collect_bytes":10}`)
	client := r.connect()
	client.Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n")
	r.l.Run()
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 413 ") || !strings.Contains(got, "collect_bytes") {
		t.Errorf("11 bytes where 10 are collected: %q", got)
	}
	client = r.connect()
	client.Send("GET / HTTP/1.1\r\nHost: a\r\nX-Bolt-Codec: 256\r\n\r\n")
	r.l.Run()
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "x-bolt-codec") {
		t.Errorf("a wrong number: %q", got)
	}
	ups := r.upstream(nil)
	client = r.connect()
	client.Send("GET / HTTP/1.1\r\nHost: a\r\nX-Bolt-Timeout: 500\r\n\r\n")
	r.l.Run()
	r.l.Advance(600 * time.Millisecond)
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 504 ") || !strings.Contains(got, "request_timeout") {
		t.Errorf("a late answer: %q", got)
	}
	client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	r.l.Run()
	(*ups)[0].Reset()
	r.l.Run()
	if got := client.Take(); !strings.HasPrefix(got, "HTTP/1.1 502 ") || !strings.Contains(got, "upstream_reset") {
		t.Errorf("a lost connection: %q", got)
	}
	// A client that waits to be asked for its body is asked.
	client = r.connect()
	client.Send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	r.l.Run()
	r.want(client, "HTTP/1.1 100 Continue\r\n\r\n")
	client.Send("ok")
	r.l.Run()
	if calls := boltFrames(t, (*ups)[1]); len(calls) != 1 || calls[0].content != "ok" {
		t.Errorf("the calls %v have arrived", calls)
	}
}

func TestBoltToHTTP(t *testing.T) {
	for _, tc := range []struct {
		name, filters, want, answer, reply string
		call                               boltFrame
	}{
		{
			name: "a call",
			call: boltFrame{value: 3000, class: "com.example.Request", coding: 12, content: "body", fields: map[string]string{
				"service": "com.example.Shop:1.0", "sofa_head_method_name": "buy", "trace.id": "7"}},
			want: "POST /com.example.Shop:1.0/buy HTTP/1.1\r\nHost: 10.0.0.1:80\r\nservice: com.example.Shop:1.0\r\nsofa_head_method_name: buy\r\ntrace.id: 7\r\n" +
				"x-bolt-class: com.example.Request\r\nx-bolt-codec: 12\r\nContent-Type: application/json\r\ncontent-length: 4\r\nx-bolt-timeout: 3000\r\n\r\nbody",
			answer: "HTTP/1.1 200 OK\r\nX-Bolt-Class: com.example.Answer\r\nContent-Type: application/json\r\nX-Trace: 8\r\nContent-Length: 2\r\n\r\n{}",
			reply:  `status 0 coding 12 class "com.example.Answer" content-type=application/json x-http-status=200 x-trace=8 "{}"`,
		},
		{
			name: "method, path and host of its own; an error without a length",
			call: boltFrame{fields: map[string]string{"service": "s", "x-http-method": "PUT", "x-http-path": "/a?b", "host": "example.com",
				"X-Forwarded-Client-Cert": "Hash=0", "X-Forwarded-For": "10.0.0.9", "Forwarded": "for=10.0.0.9"}}, // nobody has vouched for it
			want:   "PUT /a?b HTTP/1.1\r\nHost: example.com\r\nservice: s\r\nx-bolt-codec: 1\r\ncontent-length: 0\r\n\r\n",
			answer: "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n1\r\n!\r\n0\r\n\r\n",
			reply:  `status 6 coding 1 class "" x-http-status=404 "no!"`,
		},
		{
			name:    "of the filter; a status of Bolt",
			filters: `{"type":"http2bolt","config":{"method":"PATCH","path":"/rpc"}}`,
			call:    boltFrame{content: "x", coding: 99, fields: map[string]string{"service": "s"}},
			want:    "PATCH /rpc HTTP/1.1\r\nHost: 10.0.0.1:80\r\nservice: s\r\nx-bolt-codec: 99\r\ncontent-length: 1\r\n\r\nx",
			answer:  "HTTP/1.1 200 OK\r\nX-Bolt-Status: 18\r\nX-Bolt-Codec: 99\r\nContent-Length: 0\r\n\r\n",
			reply:   `status 18 coding 99 class "" ""`,
		},
		{
			name: "what HTTP can't say",
			call: boltFrame{class: "x\r\ny", fields: map[string]string{"service": "../a b/%\r\n", "evil\r\nhost": "x", "te": "gzip", "transfer-encoding": "chunked",
				"v": "a\r\nGET / HTTP/1.1", "x-bolt-class": "old"}},
			want:   "POST /..%2Fa%20b%2F%25%0D%0A HTTP/1.1\r\nHost: 10.0.0.1:80\r\nx-bolt-codec: 1\r\ncontent-length: 0\r\n\r\n",
			answer: "HTTP/1.1 204 No Content\r\n\r\n",
			reply:  `status 0 coding 1 class "" x-http-status=204 ""`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newConverting(t, "bolt", "Http1", tc.filters, "")
			ups := r.upstream(nil)
			client := r.connect()
			f := tc.call
			f.kind, f.command, f.id = boltRequest, boltCall, 5
			sendBolt(client, f)
			r.l.Run()
			if len(*ups) == 0 {
				t.Fatalf("answered %q", client.Take())
			}
			r.want((*ups)[0], tc.want)
			(*ups)[0].Send(tc.answer)
			r.l.Run()
			got := boltFrames(t, client)
			if len(got) != 1 || got[0].id != 5 || got[0].said() != tc.reply {
				t.Fatalf("the client got\n%v\nwant\n%s", got, tc.reply)
			}
			r.idle()
		})
	}
}

func TestBoltToHTTPFails(t *testing.T) {
	r := newConverting(t, "bolt", "Http1", "", `,"bolt":{"collect_bytes":10}`)
	for _, tc := range []struct {
		fields map[string]string
		want   string
	}{
		{map[string]string{"service": "s", "x-http-method": "CONNECT"}, "v1 #1 9 protocol_error"},
		{map[string]string{"service": "s", "x-http-method": "G ET"}, "v1 #1 9 protocol_error"},
		{map[string]string{"service": "s", "x-http-path": "http://a/"}, "v1 #1 9 protocol_error"},
	} {
		client := r.connect()
		f := call(1, "", "")
		f.fields = tc.fields
		sendBolt(client, f)
		r.l.Run()
		wantBolt(t, client, tc.want)
	}
	long := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n"
	half := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"
	for answer, want := range map[string]string{long: "v1 #1 6 upstream_protocol_error", half: "v1 #1 6 upstream_cut"} {
		ups := r.upstream(func(p *looptest.Peer) {
			p.OnReceive(func([]byte) {
				p.Send(answer)
				p.CloseWrite()
			})
		})
		client := r.connect()
		sendBolt(client, call(1, "s", "x"))
		r.l.Run()
		wantBolt(t, client, want)
		_ = ups
	}
	// A one-way call has its answer dropped, and the connection serves the next.
	ups := r.upstream(nil)
	client := r.connect()
	f := call(1, "s", "event")
	f.kind = boltOneWay
	sendBolt(client, f)
	r.l.Run()
	if len(*ups) != 1 || !strings.HasSuffix((*ups)[0].Take(), "\r\n\r\nevent") {
		t.Fatalf("%d connections", len(*ups))
	}
	(*ups)[0].Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	r.l.Run()
	r.idle()
	sendBolt(client, call(2, "s", "next"))
	r.l.Run()
	(*ups)[0].Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	r.l.Run()
	wantBolt(t, client, "v1 #2 0 ok")
	if len(*ups) != 1 {
		t.Errorf("%d connections", len(*ups))
	}
	r.idle()
}
