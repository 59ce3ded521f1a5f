//go:build !race

package gateway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"sluice/loop/looptest"
)

// TestBoltPathAllocatesNothing: heads that are forwarded as they came, heads that are made anew, a listener that detects, and
// conversions. Many calls are in progress at once, on several connections.
func TestBoltPathAllocatesNothing(t *testing.T) {
	edits := `,"request_headers_to_add":[{"header":{"key":"x-a","value":"1"}}],"response_headers_to_add":[{"header":{"key":"x-b","value":"2"}}]`
	for _, c := range []struct {
		name           string
		doc            boltDoc
		client, server wire
		together       int
	}{
		{"bolt", boltDoc{}, &boltWire{version: 1}, &boltWire{}, 16},
		{"bolt version 2", boltDoc{}, &boltWire{version: 2}, &boltWire{}, 16},
		{"bolt, edited", boltDoc{route: edits}, &boltWire{version: 1}, &boltWire{}, 16},
		{"bolt, detected", boltDoc{speaks: "Http1,bolt"}, &boltWire{version: 1}, &boltWire{}, 1},
		{"h1 to bolt", boltDoc{speaks: "Http1", rules: toUpstream("bolt")}, &lineWire{}, &boltWire{}, 1},
		{"h2 to bolt", boltDoc{speaks: "Http2", rules: toUpstream("bolt")}, &framedWire{client: true}, &boltWire{}, 8},
		{"bolt to h1", boltDoc{rules: toUpstream("Http1")}, &boltWire{version: 1}, &lineWire{}, 1},
		{"bolt to h2", boltDoc{rules: toUpstream("Http2")}, &boltWire{version: 1}, &framedWire{}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.doc.logs = `{"log_path":"/dev/null"}`
			exchangesAllocateNothing(t, newRig(t, c.doc.String()), c.client, c.server, c.together)
		})
	}
}

func toUpstream(protocol string) string {
	return `{"match":{"prefix":"/"},"route":{"cluster_name":"c","upstream_protocol":"` + protocol + `"}},`
}

// boltWire speaks Bolt, at either end.
type boltWire struct {
	version  byte // a client's
	request  []byte
	response []byte
	serial   uint32
}

func (*boltWire) hello(*looptest.Peer) {}

func (w *boltWire) ask(p *looptest.Peer, requests int) {
	if w.request == nil {
		f := call(0, "com.example.Shop:1.0", "hello")
		f.fields["sofa_head_method_name"] = "buy"
		f.version, f.summed = w.version, false
		w.request = f.bytes()
	}
	for range requests {
		w.serial++
		binary.BigEndian.PutUint32(w.request[4+w.version:], w.serial)
		p.SendBytes(w.request)
	}
}

var (
	boltHello = []byte("hello")
	boltWorld = []byte("world")
)

func (w *boltWire) answer(p *looptest.Peer) (n int) {
	b := p.Bytes()
	p.Discard()
	for len(b) > 0 {
		version := b[0]
		fixed := 20 + 2*int(version)
		size := fixed + int(binary.BigEndian.Uint16(b[fixed-8:])) + int(binary.BigEndian.Uint16(b[fixed-6:])) + int(binary.BigEndian.Uint32(b[fixed-4:]))
		if w.response == nil {
			w.response = boltFrame{version: version, command: boltReply, class: "com.example.Answer", content: "world"}.bytes()
		}
		if bytes.Equal(b[size-5:size], boltHello) {
			copy(w.response[4+version:], b[4+version:8+version])
			p.SendBytes(w.response)
			n++
		}
		b = b[size:]
	}
	return n
}

func (w *boltWire) answered(p *looptest.Peer) (n int) {
	b := p.Bytes()
	p.Discard()
	for len(b) > 0 {
		fixed := 18 + 2*int(w.version)
		size := fixed + int(binary.BigEndian.Uint16(b[fixed-8:])) + int(binary.BigEndian.Uint16(b[fixed-6:])) + int(binary.BigEndian.Uint32(b[fixed-4:]))
		if status := binary.BigEndian.Uint16(b[fixed-10:]); status != 0 || !bytes.Equal(b[size-5:size], boltWorld) {
			panic(fmt.Sprintf("the answer %q", b[:size]))
		}
		n++
		b = b[size:]
	}
	return n
}
