package http1

import (
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// A message of HTTP/2 may have both a length and trailers: HTTP/1 gives up the length for those that are announced.
func TestAnnouncedTrailersTakeTheLengthsPlace(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		proto         protocols.ProtocolID
		fields        []string
		chunked       bool
	}{
		{"announced", "GET / HTTP/1.1", protocols.ProtocolHTTP2, []string{"content-length", "5", "trailer", "x-sum"}, true},
		{"not announced", "GET / HTTP/1.1", protocols.ProtocolHTTP2, []string{"content-length", "5"}, false},
		{"of HTTP/1", "GET / HTTP/1.1", protocols.ProtocolHTTP1, []string{"content-length", "5", "trailer", "x-sum"}, false},
		{"for HTTP/1.0", "GET / HTTP/1.0", protocols.ProtocolHTTP2, []string{"content-length", "5", "trailer", "x-sum"}, false},
		{"for HEAD", "HEAD / HTTP/1.1", protocols.ProtocolHTTP2, []string{"content-length", "5", "trailer", "x-sum"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var (
				c       = Protocol().Server(protocols.NewEnv(protocols.Limits{}))
				out     protocoltest.Output
				sink    protocoltest.Recorder
				h, last protocols.Header
			)
			if _, err := c.Decode(0, []byte(tt.request+"\r\nHost: a\r\n\r\n"), &sink, &out); err != nil {
				t.Fatal(err)
			}
			h.Reset()
			last.Reset()
			h.Status, h.Proto, last.Proto = 200, tt.proto, tt.proto
			for i := 0; i < len(tt.fields); i += 2 {
				h.AddString(tt.fields[i], tt.fields[i+1])
			}
			last.AddString("x-sum", "1")
			for _, ev := range []protocols.Event{
				{Kind: protocols.KindHead, Header: &h},
				{Kind: protocols.KindData, Data: []byte("hello")},
				{Kind: protocols.KindTrailer, Header: &last, End: true},
			} {
				if _, err := c.Encode(0, &ev, &out); err != nil {
					t.Fatal(err)
				}
			}
			got := string(out.Take())
			if tt.chunked != strings.HasSuffix(got, "\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n") {
				t.Errorf("the answer is %q", got)
			}
			if tt.chunked == strings.Contains(got, "content-length: 5\r\n") {
				t.Errorf("the length is wrong in %q", got)
			}
		})
	}
	t.Run("request", func(t *testing.T) {
		var (
			c       = Protocol().Client(protocols.NewEnv(protocols.Limits{}))
			out     protocoltest.Output
			h, last protocols.Header
		)
		h.Reset()
		last.Reset()
		h.Proto, last.Proto = protocols.ProtocolHTTP2, protocols.ProtocolHTTP2
		h.SetMethod([]byte("POST"))
		h.SetPath([]byte("/"))
		h.AddString("content-length", "5")
		h.AddString("trailer", "x-sum")
		last.AddString("x-sum", "1")
		head := protocols.Event{Kind: protocols.KindHead, Header: &h}
		if _, err := c.Encode(0, &head, &out); err != nil {
			t.Fatal(err)
		}
		for _, ev := range []protocols.Event{
			{Kind: protocols.KindData, Stream: head.Stream, Data: []byte("hello")},
			{Kind: protocols.KindTrailer, Stream: head.Stream, Header: &last, End: true},
		} {
			if _, err := c.Encode(0, &ev, &out); err != nil {
				t.Fatal(err)
			}
		}
		if got := string(out.Take()); !strings.HasSuffix(got, "\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n") || strings.Contains(got, "content-length") {
			t.Errorf("the request is %q", got)
		}
	})
}
