package grpcweb

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"sluice/gateway/filter"
	"sluice/protocols"
)

// message is one gRPC message on the wire.
func message(text string) string {
	n := len(text)
	return string([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + text
}

// head makes a header of names and values.
func head(fields ...string) *protocols.Header {
	h := &protocols.Header{}
	h.Reset()
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	return h
}

// newChain is a chain of this filter alone.
func newChain(t testing.TB) *filter.Chain {
	t.Helper()
	newFilter, err := Kind().Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	return filter.NewChain(newFilter())
}

func TestRequestHead(t *testing.T) {
	for _, tc := range []struct{ contentType, want string }{
		{"application/grpc-web", "application/grpc"},
		{"application/grpc-web+proto", "application/grpc+proto"},
		{"Application/gRPC-Web+json; charset=utf-8", "application/grpc+json; charset=utf-8"},
		{"application/grpc-web-text", "application/grpc"},
		{"application/grpc-web-text+proto", "application/grpc+proto"},
		{"application/grpc-web;x", "application/grpc;x"},
		{"application/grpc", ""},
		{"application/grpc+proto", ""},
		{"application/grpc-webx", ""},
		{"application/grpc-web-texts", ""},
		{"application/json", ""},
		{"", ""},
	} {
		h := head("content-type", tc.contentType, "content-length", "7", "x-grpc-web", "1")
		h.ContentLength = 7
		stages := newChain(t).Begin(nil, h)
		if tc.want == "" {
			if len(stages) > 0 || string(h.AppendLines(nil)) != "content-type: "+tc.contentType+"\r\ncontent-length: 7\r\nx-grpc-web: 1\r\n" {
				t.Errorf("%q is taken for gRPC-Web", tc.contentType)
			}
			continue
		}
		if len(stages) != 1 {
			t.Errorf("%q is not taken for gRPC-Web", tc.contentType)
			continue
		}
		if got := string(h.Get(protocols.NameContentType)); got != tc.want {
			t.Errorf("%q becomes %q", tc.contentType, got)
		}
		if got := string(h.Get(protocols.NameTE)); got != "trailers" {
			t.Errorf("te is %q", got)
		}
		// The length of a body in base64 is not that of what it stands for.
		text := strings.Contains(tc.contentType, "-text")
		if h.Has(protocols.NameContentLength) == text || h.ContentLength >= 0 == text {
			t.Errorf("%q: content-length %q, %d", tc.contentType, h.Get(protocols.NameContentLength), h.ContentLength)
		}
	}
}

func TestAnswerHead(t *testing.T) {
	for _, tc := range []struct{ request, accept, answer, want string }{
		{"application/grpc-web", "", "application/grpc", "application/grpc-web"},
		{"application/grpc-web", "*/*", "application/grpc+proto", "application/grpc-web+proto"},
		{"application/grpc-web-text", "", "application/grpc+proto", "application/grpc-web-text+proto"},
		{"application/grpc-web-text", "application/grpc-web-text", "application/grpc", "application/grpc-web-text"},
		{"application/grpc-web", "text/plain, application/grpc-web-text", "application/grpc", "application/grpc-web-text"},
		{"application/grpc-web-text", "application/grpc-web+proto,application/grpc-web-text", "application/grpc", "application/grpc-web"},
		{"application/grpc-web", "", "text/html", "text/html"},
		{"application/grpc-web", "", "application/grpc-status", "application/grpc-status"},
		{"application/grpc-web", "", "", ""},
	} {
		chain := newChain(t)
		req := head("content-type", tc.request)
		if tc.accept != "" {
			req.AddString("accept", tc.accept)
		}
		stages := chain.Begin(nil, req)
		h := head("content-type", tc.answer, "content-length", "9", "trailer", "grpc-status", "x-own", "1")
		chain.Answer(stages, h, false)
		if got := string(h.Get(protocols.NameContentType)); got != tc.want {
			t.Errorf("%+v: the answer's type is %q", tc, got)
		}
		changed := tc.answer != tc.want
		if h.Has(protocols.NameContentLength) == changed || h.Has(protocols.NameTrailer) == changed || string(h.Lookup("x-own")) != "1" {
			t.Errorf("%+v: the answer's head is\n%s", tc, h.AppendLines(nil))
		}
	}
}

// An answer without a body keeps its grpc-status at its head, as clients expect it.
func TestTrailersOnly(t *testing.T) {
	chain := newChain(t)
	stages := chain.Begin(nil, head("content-type", "application/grpc-web-text"))
	h := head("content-type", "application/grpc", "grpc-status", "14", "grpc-message", "overflow", "content-length", "0")
	h.ContentLength = 0
	chain.Answer(stages, h, true)
	const want = "Content-Type: application/grpc-web-text\r\ngrpc-status: 14\r\ngrpc-message: overflow\r\ncontent-length: 0\r\n"
	if got := string(h.AppendLines(nil)); !strings.EqualFold(got, want) || h.ContentLength != 0 {
		t.Errorf("the head is %d\n%s", h.ContentLength, got)
	}
}

const trailerText = "grpc-status: 5\r\ngrpc-message: not%20there\r\n"

func trailers() *protocols.Header {
	h := head("Grpc-Status", "5", "gone", "x", "grpc-message", "not%20there")
	h.DelName("gone")
	return h
}

// answerOf runs one call with an answer of the given pieces and returns the body that the client gets.
func answerOf(t testing.TB, chain *filter.Chain, contentType string, pieces ...string) string {
	t.Helper()
	stages := chain.Begin(nil, head("content-type", contentType))
	chain.Answer(stages, head("content-type", "application/grpc"), false)
	var body []byte
	for _, piece := range pieces {
		body = append(body, chain.AnswerData(stages, []byte(piece), false)...)
	}
	data, replaced := chain.AnswerTrailer(stages, trailers())
	if !replaced {
		t.Error("the trailers stay trailers")
	}
	chain.End(stages)
	return string(append(body, data...))
}

func TestBinaryAnswer(t *testing.T) {
	got := answerOf(t, newChain(t), "application/grpc-web", message("hello"), message(""))
	want := message("hello") + message("") + "\x80" + message(trailerText)[1:]
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Bytes of a binary call are not copied.
func TestBinaryPasses(t *testing.T) {
	chain := newChain(t)
	stages := chain.Begin(nil, head("content-type", "application/grpc-web"))
	data := []byte(message("hello"))
	if got, err := chain.RequestData(stages, data, true); err != nil || &got[0] != &data[0] {
		t.Error("a request is copied")
	}
	chain.Answer(stages, head("content-type", "application/grpc"), false)
	if got := chain.AnswerData(stages, data, false); &got[0] != &data[0] {
		t.Error("an answer is copied")
	}
}

// What is no gRPC answer passes as it is, its trailers too.
func TestForeignAnswer(t *testing.T) {
	chain := newChain(t)
	stages := chain.Begin(nil, head("content-type", "application/grpc-web-text"))
	chain.Answer(stages, head("content-type", "text/html"), false)
	if got := chain.AnswerData(stages, []byte("<p>"), false); string(got) != "<p>" {
		t.Errorf("the page becomes %q", got)
	}
	if data, replaced := chain.AnswerTrailer(stages, trailers()); len(data) > 0 || replaced {
		t.Errorf("its trailers become %q", data)
	}
}

// decodeText reads base64 with padding in it, group by group.
func decodeText(t testing.TB, text string) string {
	t.Helper()
	var out []byte
	if len(text)%4 != 0 {
		t.Fatalf("%d digits", len(text))
	}
	for ; len(text) > 0; text = text[4:] {
		b, err := base64.StdEncoding.DecodeString(text[:4])
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		out = append(out, b...)
	}
	return string(out)
}

func TestTextAnswerAtEverySplit(t *testing.T) {
	body := message("hello") + message("") + message("four") + message("a")
	want := body + "\x80" + message(trailerText)[1:]
	chain := newChain(t)
	for i := range len(body) + 1 {
		for j := i; j <= len(body); j++ {
			got := answerOf(t, chain, "application/grpc-web-text", body[:i], body[i:j], body[j:])
			if decodeText(t, got) != want {
				t.Fatalf("cut at %d and %d: %q", i, j, got)
			}
		}
	}
}

// A client can read a message as soon as the server has sent it.
func TestTextAnswerIsNotHeldBack(t *testing.T) {
	for n := range 7 {
		chain := newChain(t)
		stages := chain.Begin(nil, head("content-type", "application/grpc-web-text"))
		chain.Answer(stages, head("content-type", "application/grpc"), false)
		for range 3 {
			m := message(strings.Repeat("x", n))
			got := string(chain.AnswerData(stages, []byte(m[:3]), false))
			got += string(chain.AnswerData(stages, []byte(m[3:]), false))
			if decodeText(t, got) != m {
				t.Errorf("of %q the client has %q", m, got)
			}
			if pad := strings.Count(got, "="); pad != (3-len(m)%3)%3 {
				t.Errorf("%q has %d signs of padding", got, pad)
			}
		}
	}
}

// An answer that ends without trailers is sent whole.
func TestTextAnswerWithoutTrailers(t *testing.T) {
	chain := newChain(t)
	stages := chain.Begin(nil, head("content-type", "application/grpc-web-text"))
	chain.Answer(stages, head("content-type", "application/grpc"), false)
	got := string(chain.AnswerData(stages, []byte("\x00\x00\x00\x00\x09cut"), false))
	got += string(chain.AnswerData(stages, nil, true))
	if decodeText(t, got) != "\x00\x00\x00\x00\x09cut" {
		t.Errorf("got %q", got)
	}
}

// requestOf runs a request of the given pieces and returns the body that the service gets.
func requestOf(chain *filter.Chain, pieces ...string) (string, *protocols.Error) {
	stages := chain.Begin(nil, head("content-type", "application/grpc-web-text"))
	defer chain.End(stages)
	var body []byte
	for i, piece := range pieces {
		got, err := chain.RequestData(stages, []byte(piece), i == len(pieces)-1)
		if err != nil {
			return "", err
		}
		body = append(body, got...)
	}
	return string(body), nil
}

func TestTextRequestAtEverySplit(t *testing.T) {
	want := message("hello") + message("a") + message("")
	text := base64.StdEncoding.EncodeToString([]byte(message("hello"))) +
		base64.StdEncoding.EncodeToString([]byte(message("a"))) + base64.StdEncoding.EncodeToString([]byte(message("")))
	chain := newChain(t)
	for i := range len(text) + 1 {
		for j := i; j <= len(text); j++ {
			if got, err := requestOf(chain, text[:i], text[i:j], text[j:], ""); got != want || err != nil {
				t.Fatalf("cut at %d and %d: %q, %v", i, j, got, err)
			}
		}
	}
}

func TestTextRequestMistakes(t *testing.T) {
	for _, tc := range []struct {
		text string
		want *protocols.Error
	}{
		{"AAAA====", errBase64},
		{"A===", errBase64},
		{"AA=A", errBase64},
		{"=AAA", errBase64},
		{"AA A", errBase64},
		{"AAA\n", errBase64},
		{"AA-_", errBase64},
		{"AAA\xff", errBase64},
		{"AAAAA", errBase64Cut},
		{"AAAAAA", errBase64Cut},
		{"AAAAAAA", errBase64Cut},
		{"AA=", errBase64Cut},
	} {
		for i := range len(tc.text) + 1 {
			got, err := requestOf(newChain(t), tc.text[:i], tc.text[i:])
			if err != tc.want || got != "" {
				t.Errorf("%q, cut at %d: %q, %v", tc.text, i, got, err)
			}
		}
	}
	if errBase64.Reason.Status() != 400 {
		t.Errorf("a mistake is answered with %d", errBase64.Reason.Status())
	}
}

// Calls are used again, and nothing of one is left for the next.
func TestCallsAreReused(t *testing.T) {
	chain := newChain(t)
	first := chain.Begin(nil, head("content-type", "application/grpc-web-text"))[0].(*call)
	chain.Answer([]filter.Stage{first}, head("content-type", "application/grpc"), false)
	chain.AnswerData([]filter.Stage{first}, []byte{0}, false)
	if _, err := chain.RequestData([]filter.Stage{first}, []byte("A"), false); err != nil {
		t.Fatal(err)
	}
	chain.End([]filter.Stage{first})
	again := chain.Begin(nil, head("content-type", "application/grpc-web"))[0].(*call)
	if again != first || *again != (call{f: first.f, request: modeBinary, wants: modeBinary}) {
		t.Errorf("the second call is %+v", again)
	}
	for range 2 * maxIdle {
		defer chain.End(chain.Begin(nil, head("content-type", "application/grpc-web")))
	}
	t.Cleanup(func() {
		if f := first.f; f.idle != maxIdle {
			t.Errorf("%d calls are kept", f.idle)
		}
	})
}

// FuzzText sends any bytes, cut anywhere, through both directions of a text call.
func FuzzText(f *testing.F) {
	f.Add([]byte("AAAAAAVoZWxsbw==AAAAAAA="), 5, 20)
	f.Add([]byte(message("hello")+message("")), 1, 6)
	f.Add([]byte("=AAA"), 2, 2)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff"), 3, 4)
	f.Fuzz(func(t *testing.T, body []byte, i, j int) {
		n := len(body) + 1
		i, j = int(uint(i)%uint(n)), int(uint(j)%uint(n))
		i, j = min(i, j), max(i, j)
		chain := newChain(t)
		pieces := []string{string(body[:i]), string(body[i:j]), string(body[j:])}
		text := answerOf(t, chain, "application/grpc-web-text", pieces...)
		if got := decodeText(t, text); !strings.HasPrefix(got, string(body)) || !strings.HasSuffix(got, trailerText) {
			t.Errorf("%q became %q", body, got)
		}
		// What the filter has encoded it can decode, however that is cut.
		cut := len(text) * (i + 1) / (n + 1)
		if back, err := requestOf(chain, text[:cut], text[cut:]); err != nil || !strings.HasPrefix(back, string(body)) {
			t.Errorf("%q came back as %q, %v", body, back, err)
		}
		whole, err := requestOf(chain, string(body))
		if split, err2 := requestOf(chain, pieces...); split != whole || err != err2 {
			t.Errorf("%q: whole %q, %v; in pieces %q, %v", body, whole, err, split, err2)
		}
		if want, stdErr := base64.StdEncoding.DecodeString(string(body)); stdErr == nil && !bytes.ContainsAny(body, "\r\n") &&
			(err != nil || whole != string(want)) {
			t.Errorf("%q is %q; the filter reads %q, %v", body, want, whole, err)
		}
	})
}
