//go:build !race

package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"sluice/loop/looptest"
)

// TestMultiplexedPathAllocatesNothing is TestWholePathAllocatesNothing with HTTP/2 on one side or both. Each request has a
// path and a cookie of its own, as literals, so that no table of HPACK knows a whole head.
func TestMultiplexedPathAllocatesNothing(t *testing.T) {
	for _, c := range []struct {
		name, downstream, upstream string
		client, server             wire
		together                   int // requests in progress at once
	}{
		{"h2 to h1", "Http2", "Http1", &framedWire{client: true}, &lineWire{}, 8},
		{"h2 to h2", "Http2", "Http2", &framedWire{client: true}, &framedWire{}, 8},
		{"h1 to h2", "Http1", "Http2", &lineWire{}, &framedWire{}, 1},
		{"detected h2 to h2", "Http1,Http2", "Http2", &framedWire{client: true}, &framedWire{}, 1},
	} {
		t.Run(c.name, func(t *testing.T) { allocatesNothing(t, c.downstream, c.upstream, c.client, c.server, c.together) })
	}
}

func allocatesNothing(t *testing.T, downstream, upstream string, client, server wire, together int) {
	r := newRig(t, fmt.Sprintf(`{"servers":[{"default_log_path":"stdout","processor":1,
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},
   "route":{"cluster_name":"c","upstream_protocol":%q,"prefix_rewrite":"/api/","request_headers_to_add":[{"header":{"key":"x-a","value":"1"}}],
            "response_headers_to_add":[{"header":{"key":"x-b","value":"2"}}]}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"access_logs":[{"log_path":"/dev/null"}],
  "filter_chains":[{"filters":[{"type":"proxy","config":{"downstream_protocol":%q,"router_config_name":"r"}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_LEAST_REQUEST","hosts":[{"address":"10.0.0.1:80"}]}]}}`,
		upstream, downstream))
	exchangesAllocateNothing(t, r, client, server, together)
}

// serialLen is the length of the text that makes each path and each cookie new.
const serialLen = 12

// stamp writes n into the places of b that are marked by '#'.
func stamp(b []byte, marks []int, n uint64) {
	for _, at := range marks {
		for i, x := serialLen-1, n; i >= 0; i, x = i-1, x/10 {
			b[at+i] = '0' + byte(x%10)
		}
	}
}

// marksIn returns where the runs of '#' in b begin.
func marksIn(b []byte) (marks []int) {
	run := []byte(strings.Repeat("#", serialLen))
	for at := 0; ; at += serialLen {
		i := bytes.Index(b[at:], run)
		if i < 0 {
			return marks
		}
		at += i
		marks = append(marks, at)
	}
}

// lineWire speaks HTTP/1.
type lineWire struct {
	request []byte
	marks   []int
	serial  uint64
}

func (*lineWire) hello(*looptest.Peer) {}

func (w *lineWire) ask(p *looptest.Peer, requests int) {
	if w.request == nil {
		serial := strings.Repeat("#", serialLen)
		w.request = []byte("POST /x/" + serial + "?y=1 HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=" + serial +
			"\r\nContent-Length: 5\r\n\r\nhello")
		w.marks = marksIn(w.request)
	}
	for range requests {
		w.serial++
		stamp(w.request, w.marks, w.serial)
		p.SendBytes(w.request)
	}
}

var (
	lineAnswer  = []byte("HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nworld")
	requestBody = []byte("\r\n\r\nhello")
	answerBody  = []byte("\r\n\r\nworld")
	statusLine  = []byte("HTTP/1.1 200 OK\r\n")
)

func (*lineWire) answer(p *looptest.Peer) int {
	n := bytes.Count(p.Bytes(), requestBody)
	p.Discard()
	for range n {
		p.SendBytes(lineAnswer)
	}
	return n
}

func (*lineWire) answered(p *looptest.Peer) int {
	n := 0
	if b := p.Bytes(); bytes.HasPrefix(b, statusLine) {
		n = bytes.Count(b, answerBody)
	}
	p.Discard()
	return n
}

// framedWire speaks HTTP/2, at either end.
type framedWire struct {
	client            bool
	request, response []byte // HEADERS and DATA
	marks             []int
	serial            uint64
	stream            uint32
}

const (
	wireData     = 0
	wireHeaders  = 1
	wireSettings = 4
	wireUpdate   = 8
	wireEnd      = 0x1
	wireWhole    = 0x4
	wireHead     = 9
	wirePreface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

func appendWire(b []byte, kind, flags byte, stream uint32, payload string) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// literal is a field whose name stands in the static table, and that no table is to keep (RFC 7541 section 6.2.2).
func literal(name byte, value string) string {
	b := []byte{name}
	if name > 14 {
		b = []byte{0x0f, name - 15}
	}
	return string(append(b, byte(len(value)))) + value
}

// The indices of names in the static table, and whole fields in it.
const (
	wireAuthority     = 1
	wirePath          = 4
	wireAccept        = 19
	wireContentLength = 28
	wireContentType   = 31
	wireCookie        = 32
	wireServer        = 54
	wireUserAgent     = 58
	wirePost          = "\x83"
	wireHTTP          = "\x86"
	wireOK            = "\x88"
)

// hello sends the preface of its end, and a window for everything that the test sends.
func (w *framedWire) hello(p *looptest.Peer) {
	var b []byte
	if w.client {
		b = append(b, wirePreface...)
	}
	b = appendWire(b, wireSettings, 0, 0, "")
	p.SendBytes(appendWire(b, wireUpdate, 0, 0, "\x7f\x00\x00\x00"))
}

func (w *framedWire) ask(p *looptest.Peer, requests int) {
	if w.request == nil {
		serial := strings.Repeat("#", serialLen)
		w.request = appendWire(nil, wireHeaders, wireWhole, 0, wirePost+wireHTTP+literal(wireAuthority, "example.com")+
			literal(wirePath, "/x/"+serial+"?y=1")+literal(wireUserAgent, "test")+literal(wireAccept, "*/*")+
			literal(wireCookie, "a="+serial)+literal(wireContentLength, "5"))
		w.request = appendWire(w.request, wireData, wireEnd, 0, "hello")
		w.marks = marksIn(w.request)
		w.stream = 1
	}
	for range requests {
		w.serial++
		stamp(w.request, w.marks, w.serial)
		w.send(p, w.request, w.stream)
		w.stream += 2
	}
}

// send sends the frames in b on a stream.
func (*framedWire) send(p *looptest.Peer, b []byte, stream uint32) {
	for rest := b; len(rest) > 0; rest = rest[wireLen(rest):] {
		binary.BigEndian.PutUint32(rest[5:], stream)
	}
	p.SendBytes(b)
}

// wireLen is the length of the frame that b starts with.
func wireLen(b []byte) int { return wireHead + (int(b[0])<<16 | int(b[1])<<8 | int(b[2])) }

// next cuts the first frame off what p has received, and acknowledges SETTINGS.
func (*framedWire) next(p *looptest.Peer, b []byte) (kind, flags byte, stream uint32, payload, rest []byte) {
	n := wireLen(b)
	if b[3] == wireSettings && b[4]&wireEnd == 0 {
		p.SendBytes(appendWire(nil, wireSettings, wireEnd, 0, ""))
	}
	return b[3], b[4], binary.BigEndian.Uint32(b[5:]), b[wireHead:n], b[n:]
}

func (w *framedWire) answer(p *looptest.Peer) (n int) {
	if w.response == nil {
		w.response = appendWire(nil, wireHeaders, wireWhole, 0, wireOK+literal(wireServer, "test")+
			literal(wireContentType, "text/plain")+literal(wireContentLength, "5"))
		w.response = appendWire(w.response, wireData, wireEnd, 0, "world")
	}
	b := bytes.TrimPrefix(p.Bytes(), []byte(wirePreface))
	p.Discard() // b stays until the loop runs
	for len(b) > 0 {
		kind, flags, stream, payload, rest := w.next(p, b)
		if kind == wireData && flags&wireEnd != 0 && string(payload) == "hello" {
			w.send(p, w.response, stream)
			n++
		}
		b = rest
	}
	return n
}

func (w *framedWire) answered(p *looptest.Peer) (n int) {
	heads := 0
	for b := p.Bytes(); len(b) > 0; {
		kind, flags, _, payload, rest := w.next(p, b)
		switch {
		case kind == wireHeaders && payload[0] == wireOK[0]:
			heads++
		case kind == wireData && flags&wireEnd != 0 && string(payload) == "world":
			n++
		}
		b = rest
	}
	p.Discard()
	return min(n, heads)
}
