package http1

import (
	"strings"
	"testing"

	"sluice/protocols"
)

func TestRequestLimits(t *testing.T) {
	fields := func(n int) string { return strings.Repeat("a: b\r\n", n) }
	for _, c := range []struct {
		name   string
		limits protocols.Limits
		text   string
		want   rule
	}{
		{"line at its limit", protocols.Limits{RequestLine: 30}, "GET /" + strings.Repeat("x", 16) + " HTTP/1.1\r\nHost: a\r\n\r\n", ruleOK},
		{"line over its limit", protocols.Limits{RequestLine: 30}, "GET /" + strings.Repeat("x", 17) + " HTTP/1.1\r\nHost: a\r\n\r\n", ruleTargetLong},
		{"endless target", protocols.Limits{RequestLine: 30}, "GET /" + strings.Repeat("x", 1000), ruleTargetLong},
		{"default line", protocols.Limits{}, "GET /" + strings.Repeat("x", 16<<10), ruleTargetLong},
		{"fields at their limit", protocols.Limits{HeadFields: 5}, get()[:len(get())-2] + fields(4) + "\r\n", ruleOK},
		{"fields over their limit", protocols.Limits{HeadFields: 5}, get()[:len(get())-2] + fields(5) + "\r\n", ruleHeadFields},
		{"default fields", protocols.Limits{}, get()[:len(get())-2] + fields(127) + "\r\n", ruleOK},
		{"one more than default fields", protocols.Limits{}, get()[:len(get())-2] + fields(128) + "\r\n", ruleHeadFields},
		{"no limit of fields", protocols.Limits{HeadFields: -1}, get()[:len(get())-2] + fields(1000) + "\r\n", ruleOK},
		{"fields that are deleted count", protocols.Limits{HeadFields: 5}, get()[:len(get())-2] + strings.Repeat("Keep-Alive: b\r\n", 5) + "\r\n", ruleHeadFields},
		{"bytes at their limit", protocols.Limits{HeadBytes: 40}, get("X: 45678901"), ruleOK},
		{"bytes over their limit", protocols.Limits{HeadBytes: 40}, get("X: 456789012"), ruleHeadBytes},
		{"endless value", protocols.Limits{HeadBytes: 100}, get()[:len(get())-2] + "X: " + strings.Repeat("y", 200), ruleHeadBytes},
		{"endless space", protocols.Limits{HeadBytes: 100}, get()[:len(get())-2] + "X:" + strings.Repeat(" ", 200), ruleHeadBytes},
		{"endless name", protocols.Limits{}, get()[:len(get())-2] + strings.Repeat("y", 2000), ruleNameLong},
		{"default bytes", protocols.Limits{}, get()[:len(get())-2] + "X: " + strings.Repeat("y", 64<<10), ruleHeadBytes},
		{"no limit of bytes", protocols.Limits{HeadBytes: -1}, get("X: " + strings.Repeat("y", 70<<10)), ruleOK},
		{"trailer bytes", protocols.Limits{TrailerBytes: 20}, chunked("0\r\nX: " + strings.Repeat("y", 13) + "\r\n\r\n"), ruleOK},
		{"trailer bytes over", protocols.Limits{TrailerBytes: 20}, chunked("0\r\nX: " + strings.Repeat("y", 14) + "\r\n\r\n"), ruleTrailerBytes},
		{"endless trailer", protocols.Limits{}, chunked("0\r\nX: " + strings.Repeat("y", 9000)), ruleTrailerBytes},
		{"trailer fields", protocols.Limits{}, chunked("0\r\n" + fields(32) + "\r\n"), ruleOK},
		{"trailer fields over", protocols.Limits{}, chunked("0\r\n" + fields(33) + "\r\n"), ruleTrailerFields},
		{"1-byte chunks", protocols.Limits{}, chunked(strings.Repeat("1\r\na\r\n", 5000) + "0\r\n\r\n"), ruleOK},
		{"1-byte chunks with small extensions", protocols.Limits{}, chunked(strings.Repeat("1;abcdefghij\r\na\r\n", 5000) + "0\r\n\r\n"), ruleOK},
		{"1-byte chunks with large extensions", protocols.Limits{}, chunked(strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 300)), ruleChunkOverhead},
		{"large chunks with large extensions", protocols.Limits{}, chunked(strings.Repeat("40;"+strings.Repeat("x", 100)+"\r\n"+strings.Repeat("a", 64)+"\r\n", 300) + "0\r\n\r\n"), ruleOK},
	} {
		if got, record := requestVerdict(t, c.text, c.limits); got != c.want {
			t.Errorf("%s: got %q, want %q (%d events)", c.name, ruleTable[got].detail, ruleTable[c.want].detail, len(record))
		}
	}
}

func TestResponseLimits(t *testing.T) {
	fields := func(n int) string { return strings.Repeat("a: b\r\n", n) }
	for _, c := range []struct {
		name   string
		limits protocols.Limits
		text   string
		want   rule
	}{
		{"256 fields", protocols.Limits{}, "HTTP/1.1 200 OK\r\n" + fields(256) + "\r\n", ruleOK},
		{"257 fields", protocols.Limits{}, "HTTP/1.1 200 OK\r\n" + fields(257) + "\r\n", ruleHeadFields},
		{"no limit of fields", protocols.Limits{HeadFields: -1}, "HTTP/1.1 200 OK\r\n" + fields(1000) + "\r\n", ruleOK},
		{"64 KiB", protocols.Limits{}, "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 64<<10), ruleHeadBytes},
		{"endless phrase", protocols.Limits{HeadBytes: 100}, "HTTP/1.1 200 " + strings.Repeat("y", 200), ruleHeadBytes},
	} {
		got, _ := responseVerdict(t, "GET", c.text, c.limits)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, ruleTable[got].detail, ruleTable[c.want].detail)
		}
		if got != ruleOK && responseErrors[got].Reason != protocols.ReasonUpstreamHeadTooLarge {
			t.Errorf("%s: reason %v", c.name, responseErrors[got].Reason)
		}
	}
}
