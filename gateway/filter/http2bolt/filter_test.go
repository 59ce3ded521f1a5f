package http2bolt

import (
	"strings"
	"testing"

	"sluice/protocols"
)

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		options map[string]any
		want    string
	}{
		{nil, ""},
		{map[string]any{"simple": true, "class": "c", "coding": int64(12), "method": "PUT", "path": "/x"}, ""},
		{map[string]any{"simple": "yes"}, "simple: expected true or false"},
		{map[string]any{"class": int64(1)}, "class: expected a string"},
		{map[string]any{"class": strings.Repeat("x", 1<<15)}, "class: expected at most 32767 bytes"},
		{map[string]any{"coding": int64(256)}, "from 1 to 255"},
		{map[string]any{"coding": 1.5}, "from 1 to 255"},
		{map[string]any{"method": "HEAD"}, "method: expected"},
		{map[string]any{"method": "a b"}, "method: expected"},
		{map[string]any{"method": ""}, "method: expected"},
		{map[string]any{"path": "x"}, "path: expected"},
		{map[string]any{"path": "/x y"}, "path: expected"},
	} {
		f, err := Kind().Compile(tc.options)
		if tc.want == "" && (err != nil || f == nil) || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v: %v, want %q", tc.options, err, tc.want)
		}
	}
}

func TestSegments(t *testing.T) {
	for in, want := range map[string]string{
		"com.example.Shop:1.0": "com.example.Shop:1.0", "..": "%2E%2E", ".": "%2E", "a/../b": "a%2F..%2Fb", "a?b#c": "a%3Fb%23c",
		"50%": "50%25", "ü": "%C3%BC", "a\r\n": "a%0D%0A", "a;b\\c": "a%3Bb%5Cc", "": "",
	} {
		if got := string(appendSegment(nil, []byte(in))); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// Requests that stay in their protocol are left alone, and cost no exchange of their own for long.
func TestSameProtocol(t *testing.T) {
	newFilter, err := Kind().Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFilter().(*converter)
	for _, p := range []protocols.ProtocolID{protocols.ProtocolHTTP1, protocols.ProtocolHTTP2, protocols.ProtocolBolt} {
		h := &protocols.Header{}
		h.Reset()
		h.Proto = p
		h.AddString("x-bolt-class", "c")
		x := f.Begin(h).(*exchange)
		if err := x.Upstream(h, p); err != nil || len(h.Class()) > 0 || h.Lookup("x-bolt-class") == nil {
			t.Errorf("%s: %v, class %q", p, err, h.Class())
		}
		x.Answer(h, true)
		x.End()
	}
	if f.idle != 1 {
		t.Errorf("%d exchanges were made", f.idle)
	}
}
