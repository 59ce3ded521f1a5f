//go:build !race

package gateway

import (
	"bytes"
	"encoding/binary"
	"testing"

	"sluice/loop/looptest"
)

// TestDubboPathAllocatesNothing: heads that are forwarded as they came, heads that are made anew, a listener that detects.
func TestDubboPathAllocatesNothing(t *testing.T) {
	edits := `,"request_headers_to_add":[{"header":{"key":"service","value":"com.example.Other"},"append":false}]`
	for name, doc := range map[string]boltDoc{
		"dubbo":           {speaks: "dubbo"},
		"dubbo, edited":   {speaks: "dubbo", route: edits},
		"dubbo, detected": {speaks: "Http1,dubbo"},
	} {
		t.Run(name, func(t *testing.T) {
			doc.logs = `{"log_path":"/dev/null"}`
			exchangesAllocateNothing(t, newRig(t, doc.String()), &dubboWire{}, &dubboWire{}, 16)
		})
	}
}

// dubboWire speaks Dubbo, at either end.
type dubboWire struct {
	request, response []byte
	serial            uint64
}

func (*dubboWire) hello(*looptest.Peer) {}

func (w *dubboWire) ask(p *looptest.Peer, requests int) {
	if w.request == nil {
		w.request = dubboCall(0, "com.example.Shop", "hello").bytes()
	}
	for range requests {
		w.serial++
		binary.BigEndian.PutUint64(w.request[4:], w.serial)
		p.SendBytes(w.request)
	}
}

func (w *dubboWire) answer(p *looptest.Peer) (n int) {
	if w.response == nil {
		w.response = dubboFrame{flags: dubboAnswer, status: dubboOK, body: "world"}.bytes()
	}
	return eachDubbo(p, boltHello, func(b []byte) {
		copy(w.response[4:12], b[4:12])
		p.SendBytes(w.response)
	})
}

func (w *dubboWire) answered(p *looptest.Peer) (n int) {
	return eachDubbo(p, boltWorld, func([]byte) {})
}

// eachDubbo calls f with each frame that p has received, and counts those that end with content.
func eachDubbo(p *looptest.Peer, content []byte, f func(b []byte)) (n int) {
	b := p.Bytes()
	p.Discard()
	for len(b) > 0 {
		size := 16 + int(binary.BigEndian.Uint32(b[12:]))
		if bytes.HasSuffix(b[:size], content) {
			f(b)
			n++
		}
		b = b[size:]
	}
	return n
}
