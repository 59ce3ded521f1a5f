package main

import (
	"strings"
	"testing"
)

// TestHeadlines are beside the best of the other gateways, which the forwarder is none of.
func TestHeadlines(t *testing.T) {
	got := map[string]headline{}
	for _, h := range measured().headlines() {
		got[h.Work] = h
	}
	for work, want := range map[string]headline{
		tiny:       {Peer: rival, Width: 75, Class: "good", Text: "25 % less than nginx"},
		h2h2One:    {Peer: "nghttpx", Width: 105, Class: "bad", Text: "5 % more than nghttpx"},
		httpsBulk:  {Peer: "nghttpx", Width: 125, Class: "bad", Text: "25 % more than nghttpx"},
		grpcStream: {Peer: "nghttpx", Width: 80, Class: "good", Text: "20 % less than nghttpx"},
	} {
		h := got[work]
		if work == httpsBulk && h.Peer == rival { // both cost the same
			want.Peer, want.Text = rival, strings.ReplaceAll(want.Text, "nghttpx", rival)
		}
		if h.Peer != want.Peer || h.Width != want.Width || h.Class != want.Class || h.Text != want.Text {
			t.Errorf("%s: %+v, want %+v", work, h, want)
		}
	}
	for _, work := range []string{boltOne, "open", scaleTogether} { // nobody else, not a closed loop, a comparison with itself
		if h, ok := got[work]; ok {
			t.Errorf("%s: %+v", work, h)
		}
	}
	if text := (&report{}).lead() + (&report{}).promises(); text != "" {
		t.Errorf("a report of nothing says %q", text)
	}
}
