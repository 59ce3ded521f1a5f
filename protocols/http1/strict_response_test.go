package http1

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// responseVerdict is what a client says to text as the answer to a request with method, and what its sink saw.
func responseVerdict(t *testing.T, method, text string, l protocols.Limits) (r rule, record []string) {
	t.Helper()
	decode := func(step int) (*protocols.Error, []string) {
		var (
			sink protocoltest.Recorder
			out  protocoltest.Output
			bad  *protocols.Error
			h    protocols.Header
		)
		c := Protocol().Client(protocols.NewEnv(l))
		h.Reset()
		h.SetMethod([]byte(method))
		h.SetAuthority([]byte("a:1"))
		ev := protocols.Event{Kind: protocols.KindHead, Header: &h, End: true}
		if _, err := c.Encode(0, &ev, &out); err != nil {
			t.Fatal(err)
		}
		rest := []byte(nil)
		for from := 0; from < len(text); from += step {
			rest = append(rest, text[from:min(from+step, len(text))]...)
			n, err := c.Decode(0, slices.Clone(rest), &sink, &out)
			if rest = rest[n:]; err != nil {
				if !errors.As(err, &bad) {
					t.Fatalf("error %v is no *protocols.Error", err)
				}
				break
			}
		}
		return bad, sink.Take()
	}
	bad, record := decode(len(text) + 1)
	for _, step := range []int{1, 2, 3, 7} {
		again, slow := decode(step + len(text)/4096)
		if again != bad || !slices.Equal(record, slow) {
			t.Errorf("%q: whole: %v %q; in pieces of %d: %v %q", text, bad, record, step, again, slow)
		}
	}
	if bad == nil {
		return ruleOK, record
	}
	return rule(slices.Index(responseErrors[:], bad)), record
}

func TestResponsesAreStrict(t *testing.T) {
	ok := func(fields ...string) string { return lines(append([]string{"HTTP/1.1 200 OK"}, fields...)...) }
	for _, c := range []struct {
		name   string
		method string
		text   string
		want   rule
	}{
		{"plain", "GET", ok("Content-Length: 0"), ruleOK},
		{"no reason phrase", "GET", "HTTP/1.1 200 \r\n\r\n", ruleOK},
		{"no space either", "GET", "HTTP/1.1 200\r\n\r\n", ruleOK},
		{"reason phrase with UTF-8 and tab", "GET", "HTTP/1.1 200 \xc3\xa4\tb\r\n\r\n", ruleOK},
		{"reason phrase with NUL", "GET", "HTTP/1.1 200 \x00\r\n\r\n", ruleReasonPhrase},
		{"reason phrase with ESC", "GET", "HTTP/1.1 200 abcdefghijkl\x1b\r\n\r\n", ruleReasonPhrase},
		{"status 999", "GET", "HTTP/1.1 999 x\r\n\r\n", ruleOK},
		{"status 099", "GET", "HTTP/1.1 099 x\r\n\r\n", ruleStatusCode},
		{"status 20", "GET", "HTTP/1.1 20 x\r\n\r\n", ruleStatusCode},
		{"status 2000", "GET", "HTTP/1.1 2000 x\r\n\r\n", ruleStatusCode},
		{"status 2x0", "GET", "HTTP/1.1 2x0 x\r\n\r\n", ruleStatusCode},
		{"status -20", "GET", "HTTP/1.1 -20 x\r\n\r\n", ruleStatusCode},
		{"no status", "GET", "HTTP/1.1 OK\r\n\r\n", ruleStatusCode},
		{"two spaces", "GET", "HTTP/1.1  200 OK\r\n\r\n", ruleStatusCode},
		{"tab", "GET", "HTTP/1.1\t200 OK\r\n\r\n", ruleStatusLine},
		{"version 2.0", "GET", "HTTP/2.0 200 OK\r\n\r\n", ruleStatusLine},
		{"version 1.x", "GET", "HTTP/1.x 200 OK\r\n\r\n", ruleStatusLine},
		{"ICY", "GET", "ICY 200 OK\r\n\r\n", ruleStatusLine},
		{"HTTP/0.9", "GET", "<html>", ruleStatusLine},
		{"empty line before", "GET", "\r\nHTTP/1.1 200 OK\r\n\r\n", ruleStatusLine},
		{"space before", "GET", " HTTP/1.1 200 OK\r\n\r\n", ruleStatusLine},
		{"bare LF behind the status", "GET", "HTTP/1.1 200\n\r\n", ruleBareLF},
		{"bare LF behind the phrase", "GET", "HTTP/1.1 200 OK\n\r\n", ruleBareLF},
		{"bare CR behind the phrase", "GET", "HTTP/1.1 200 OK\rX: y\r\n\r\n", ruleBareCR},
		{"CL and TE", "GET", ok("Content-Length: 5", "Transfer-Encoding: chunked"), ruleLengthAndCoding},
		{"CL and TE to HEAD", "HEAD", ok("Content-Length: 5", "Transfer-Encoding: chunked"), ruleLengthAndCoding},
		{"CL twice", "GET", ok("Content-Length: 5", "Content-Length: 5"), ruleLengthRepeated},
		{"CL list", "GET", ok("Content-Length: 5, 5"), ruleLengthDigits},
		{"CL +5", "GET", ok("Content-Length: +5"), ruleLengthDigits},
		{"CL too large", "GET", ok("Content-Length: 99999999999999999999"), ruleLengthRange},
		{"TE gzip", "GET", ok("Transfer-Encoding: gzip"), ruleCodingUnknown},
		{"TE twice", "GET", ok("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), ruleCodingNotOnce},
		{"TE in 1.0", "GET", lines("HTTP/1.0 200 OK", "Transfer-Encoding: chunked"), ruleCodingIn10},
		{"TE with 204", "GET", lines("HTTP/1.1 204 x", "Transfer-Encoding: chunked"), ruleCodingForbidden},
		{"TE with 103", "GET", lines("HTTP/1.1 103 x", "Transfer-Encoding: chunked"), ruleCodingForbidden},
		{"TE with 304", "GET", lines("HTTP/1.1 304 x", "Transfer-Encoding: chunked"), ruleOK},
		{"TE to HEAD", "HEAD", ok("Transfer-Encoding: chunked"), ruleOK},
		{"body to HEAD", "HEAD", ok("Content-Length: 5") + "hello", ruleUnasked},
		{"body of 304", "GET", lines("HTTP/1.1 304 x", "Content-Length: 5") + "hello", ruleUnasked},
		{"body of 204", "GET", lines("HTTP/1.1 204 x", "Content-Length: 5") + "hello", ruleUnasked},
		{"more than CL", "GET", ok("Content-Length: 5") + "hello!", ruleUnasked},
		{"more than CL, and then close", "GET", ok("Content-Length: 5", "Connection: close") + "hello!", ruleOK},
		{"more behind the last chunk", "GET", ok("Transfer-Encoding: chunked") + "0\r\n\r\n\r\n", ruleUnasked},
		{"a second answer", "GET", ok("Content-Length: 0") + ok("Content-Length: 0"), ruleUnasked},
		{"chunk without size", "GET", ok("Transfer-Encoding: chunked") + "x\r\n", ruleChunkSize},
		{"chunk with a space", "GET", ok("Transfer-Encoding: chunked") + "5 \r\n", ruleChunkSize},
		{"trailer with CL", "GET", ok("Transfer-Encoding: chunked") + "0\r\nContent-Length: 5\r\n\r\n", ruleTrailerName},
		{"trailer with Set-Cookie", "GET", ok("Transfer-Encoding: chunked") + "0\r\nSet-Cookie: 5\r\n\r\n", ruleTrailerName},
		{"folded", "GET", ok("X: y", " z"), ruleFold},
		{"space colon", "GET", ok("X : y"), ruleNameSpace},
		{"NUL", "GET", ok("X: \x00"), ruleValueByte},
		{"bare LF", "GET", ok("X: a\nY: b"), ruleBareLF},
		{"Connection: Content-Length", "GET", ok("Connection: Content-Length", "Content-Length: 5"), ruleConnectionFraming},
		{"101 unasked", "GET", lines("HTTP/1.1 101 x", "Upgrade: websocket", "Connection: upgrade"), ruleUpgradeUnasked},
		{"101 to CONNECT", "CONNECT", lines("HTTP/1.1 101 x", "Upgrade: websocket", "Connection: upgrade"), ruleUpgradeUnasked},
		{"33 interim answers", "GET", strings.Repeat("HTTP/1.1 102 x\r\n\r\n", 33), ruleInterimMany},
	} {
		if got, record := responseVerdict(t, c.method, c.text, protocols.Limits{}); got != c.want {
			t.Errorf("%s: %.200q:\n got %q\nwant %q\nevents %q", c.name, c.text, ruleTable[got].detail,
				ruleTable[c.want].detail, record)
		}
	}
}

func TestRefusalsNameTheSideThatBrokeTheRule(t *testing.T) {
	for r := ruleOK + 1; r < numRules; r++ {
		if ruleTable[r].detail == "" || ruleTable[r].reason == protocols.ReasonNone {
			t.Errorf("rule %d has no text or reason", r)
			continue
		}
		switch reason := responseErrors[r].Reason; reason {
		case protocols.ReasonUpstreamProtocol, protocols.ReasonUpstreamHeadTooLarge, protocols.ReasonUpstreamCut,
			protocols.ReasonUpstreamReset:
		default:
			t.Errorf("%q of an upstream has the reason %v", ruleTable[r].detail, reason)
		}
		if s := requestErrors[r].Reason.Status(); s < 400 || s > 501 {
			t.Errorf("%q of a client is answered %d", ruleTable[r].detail, s)
		}
	}
}
