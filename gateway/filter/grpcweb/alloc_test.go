//go:build !race

package grpcweb

import (
	"testing"

	"sluice/gateway/filter"
	"sluice/protocols"
)

// exchanger runs whole calls, with everything that a stream would keep from one to the next.
type exchanger struct {
	chain            *filter.Chain
	stages           []filter.Stage
	req, resp, trail protocols.Header
	request, answer  []byte
	contentType      string
}

func newExchanger(t testing.TB, contentType, request, answer string) *exchanger {
	return &exchanger{chain: newChain(t), contentType: contentType, request: []byte(request), answer: []byte(answer)}
}

func (e *exchanger) call() bool {
	e.req.Reset()
	e.req.AddString("content-type", e.contentType)
	e.stages = e.chain.Begin(e.stages, &e.req)
	if _, err := e.chain.RequestData(e.stages, e.request, true); err != nil {
		return false
	}
	e.resp.Reset()
	e.resp.AddString("content-type", "application/grpc+proto")
	e.chain.Answer(e.stages, &e.resp, false)
	e.chain.AnswerData(e.stages, e.answer, false)
	e.trail.Reset()
	e.trail.AddString("grpc-status", "0")
	_, replaced := e.chain.AnswerTrailer(e.stages, &e.trail)
	e.stages = e.chain.End(e.stages)
	return replaced
}

func TestNoAllocations(t *testing.T) {
	for _, e := range []*exchanger{
		newExchanger(t, "application/grpc-web+proto", message("hello"), message("hello")),
		newExchanger(t, "application/grpc-web-text+proto", "AAAAAAVoZWxsbw==", message("hello")),
	} {
		ok := true
		n := testing.AllocsPerRun(10, func() {
			for range 1000 {
				ok = e.call() && ok
			}
		})
		if n != 0 || !ok {
			t.Errorf("%s: %v allocations in 1000 calls; they succeed: %v", e.contentType, n, ok)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for _, e := range []*exchanger{
		newExchanger(b, "application/grpc-web+proto", message("hello"), message("hello")),
		newExchanger(b, "application/grpc-web-text+proto", "AAAAAAVoZWxsbw==", message("hello")),
	} {
		b.Run(e.contentType, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.call()
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	text := make([]byte, 64<<10)
	for i := range text {
		text[i] = 'A' + byte(i%26)
	}
	dst := make([]byte, 0, len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var d decoder
		if _, ok := d.decode(dst, text); !ok {
			b.Fatal("not base64")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	data := make([]byte, 48<<10)
	dst := make([]byte, 0, 64<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		e := encoder{left: 1 << 20}
		e.encode(dst, data, false)
	}
}
