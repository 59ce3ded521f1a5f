package filter_test

import (
	"strings"
	"testing"

	"sluice/gateway/filter"
	"sluice/protocols"
)

// wrap is a filter that puts a mark around every piece of a body, keeps the marks of the trailers that it sees, and may
// make data of them.
type wrap struct {
	mark    string
	skip    bool // it has nothing to do with any exchange
	replace bool
	held    string // sent in front of the trailers
	fail    bool
	ended   int
}

func (f *wrap) Begin(req *protocols.Header) filter.Stage {
	req.AppendString("x-request", f.mark)
	if f.skip {
		return nil
	}
	return &wrapStage{f: f}
}

type wrapStage struct{ f *wrap }

func (s *wrapStage) bytes(dst, data []byte, end bool) []byte {
	if len(data) == 0 && !end {
		return dst
	}
	dst = append(append(append(dst, s.f.mark...), data...), s.f.mark...)
	if end {
		dst = append(dst, '.')
	}
	return dst
}

func (s *wrapStage) RequestData(dst, data []byte, end bool) ([]byte, *protocols.Error) {
	if s.f.fail {
		return nil, &protocols.Error{Reason: protocols.ReasonForbidden}
	}
	return s.bytes(dst, data, end), nil
}

func (s *wrapStage) Answer(h *protocols.Header, _ bool) { h.AppendString("x-answer", s.f.mark) }

func (s *wrapStage) AnswerData(dst, data []byte, end bool) []byte { return s.bytes(dst, data, end) }

func (s *wrapStage) AnswerTrailer(dst []byte, h *protocols.Header) ([]byte, bool) {
	h.AppendString("x-trailer", s.f.mark)
	dst = append(dst, s.f.held...)
	if s.f.replace {
		return h.AppendLines(dst), true
	}
	return dst, false
}

func (s *wrapStage) End() { s.f.ended++ }

// pass is a filter that changes nothing.
type pass struct{}

func (pass) Begin(*protocols.Header) filter.Stage { return filter.Pass{} }

func header() *protocols.Header {
	h := &protocols.Header{}
	h.Reset()
	return h
}

func TestChainOrder(t *testing.T) {
	a, b, c := &wrap{mark: "a"}, &wrap{mark: "b"}, &wrap{mark: "c", skip: true}
	chain := filter.NewChain(a, pass{}, b, c)
	h := header()
	stages := chain.Begin(nil, h)
	if got := string(h.Lookup("x-request")); len(stages) != 3 || got != "a,b,c" {
		t.Fatalf("%d stages have seen the request: %s", len(stages), got)
	}
	if got, err := chain.RequestData(stages, []byte("1"), true); string(got) != "ba1a.b." || err != nil {
		t.Errorf("the request's data is %s, %v", got, err)
	}
	h.Reset()
	chain.Answer(stages, h, false)
	if got := string(h.Lookup("x-answer")); got != "b,a" {
		t.Errorf("the answer has met %s", got)
	}
	if got := chain.AnswerData(stages, []byte("2"), false); string(got) != "ab2ba" {
		t.Errorf("the answer's data is %s", got)
	}
	h.Reset()
	if data, replaced := chain.AnswerTrailer(stages, h); len(data) > 0 || replaced || string(h.Lookup("x-trailer")) != "b,a" {
		t.Errorf("the trailers are %q, with %q before them", h.AppendLines(nil), data)
	}
	stages = chain.End(stages)
	if len(stages) != 0 || cap(stages) == 0 || a.ended != 1 || b.ended != 1 {
		t.Errorf("after the end: %d stages, ended %d and %d times", len(stages), a.ended, b.ended)
	}
}

// What an inner filter makes of the trailers is data for the outer ones.
func TestChainTrailers(t *testing.T) {
	for _, tc := range []struct {
		outer, inner wrap
		want         string
		replaced     bool
	}{
		{wrap{mark: "o"}, wrap{mark: "i", held: "H"}, "oHo", false},
		{wrap{mark: "o", held: "h"}, wrap{mark: "i", held: "H"}, "oHoh", false},
		{wrap{mark: "o", held: "h"}, wrap{mark: "i"}, "h", false},
		{wrap{mark: "o"}, wrap{mark: "i", replace: true}, "ox-trailer: i\r\no.", true},
		{wrap{mark: "o", replace: true}, wrap{mark: "i", held: "H"}, "oHox-trailer: i,o\r\n", true},
	} {
		chain := filter.NewChain(&tc.outer, &tc.inner)
		stages := chain.Begin(nil, header())
		data, replaced := chain.AnswerTrailer(stages, header())
		if string(data) != tc.want || replaced != tc.replaced {
			t.Errorf("%+v around %+v: %q, %v; want %q, %v", tc.outer, tc.inner, data, replaced, tc.want, tc.replaced)
		}
	}
}

func TestChainWithoutStages(t *testing.T) {
	chain := filter.NewChain()
	stages := chain.Begin(nil, header())
	data := []byte("x")
	got, err := chain.RequestData(stages, data, true)
	if err != nil || &got[0] != &data[0] {
		t.Error("the request's bytes are copied")
	}
	if got := chain.AnswerData(stages, data, true); &got[0] != &data[0] {
		t.Error("the answer's bytes are copied")
	}
	if data, replaced := chain.AnswerTrailer(stages, header()); data != nil || replaced {
		t.Errorf("the trailers became %q", data)
	}
}

// A stage that passes bytes on must not make the chain take a read buffer, from which they came, for its own.
func TestChainKeepsNoForeignBuffer(t *testing.T) {
	chain := filter.NewChain(pass{}, &wrap{mark: "a"}, pass{})
	stages := chain.Begin(nil, header())
	read := []byte(strings.Repeat("r", 1000))
	for range 4 {
		got, err := chain.RequestData(stages, read, false)
		if want := "a" + strings.Repeat("r", 1000) + "a"; string(got) != want || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if string(read) != strings.Repeat("r", 1000) {
		t.Errorf("the read buffer has become %q", read)
	}
}

func TestChainRefuses(t *testing.T) {
	chain := filter.NewChain(&wrap{mark: "a"}, &wrap{mark: "b", fail: true})
	stages := chain.Begin(nil, header())
	if got, err := chain.RequestData(stages, []byte("1"), false); err == nil || err.Reason != protocols.ReasonForbidden || got != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
