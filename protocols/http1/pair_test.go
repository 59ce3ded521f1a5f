package http1

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// message is what one end says: a head, a body in pieces, and perhaps trailers.
type message struct {
	head     []string // pairs
	method   string
	status   int
	announce bool // Content-Length
	pieces   []string
	trailer  bool
}

func (m *message) body() string { return strings.Join(m.pieces, "") }

// send encodes m and returns its stream.
func (m *message) send(e *protocoltest.End, id protocols.StreamID) (protocols.StreamID, error) {
	var h protocols.Header
	h.Reset()
	h.Status = m.status
	if m.method != "" {
		h.SetMethod([]byte(m.method))
		h.SetPath([]byte("/p?q"))
		h.SetAuthority([]byte("a.example"))
	}
	for i := 0; i < len(m.head); i += 2 {
		h.AddString(m.head[i], m.head[i+1])
	}
	if m.announce {
		h.ContentLength = int64(len(m.body()))
	}
	ev := protocols.Event{Kind: protocols.KindHead, Stream: id, Header: &h, End: len(m.pieces) == 0 && !m.trailer}
	if err := e.Encode(&ev); err != nil {
		return 0, err
	}
	id = ev.Stream
	for i, piece := range m.pieces {
		ev = protocols.Event{Kind: protocols.KindData, Stream: id, Data: []byte(piece), End: i == len(m.pieces)-1 && !m.trailer}
		if err := e.Encode(&ev); err != nil {
			return id, err
		}
	}
	if m.trailer {
		h.Reset()
		h.AddString("x-sum", "1")
		ev = protocols.Event{Kind: protocols.KindTrailer, Stream: id, Header: &h, End: true}
		return id, e.Encode(&ev)
	}
	return id, nil
}

// got collects what a sink sees of one message, without how it was framed.
type got struct {
	body    bytes.Buffer
	status  int
	fields  []string
	trailer []string
	ends    int
	heads   int
}

func (g *got) event(ev *protocols.Event) protocols.Verdict {
	into := &g.fields
	switch ev.Kind {
	case protocols.KindHead:
		g.heads++
		g.status = ev.Header.Status
	case protocols.KindTrailer:
		into = &g.trailer
	case protocols.KindData:
		g.body.Write(ev.Data)
	default:
	}
	if ev.Header != nil {
		for i := range ev.Header.Len() {
			id, name, value, ok := ev.Header.Field(i)
			if ok && id != protocols.NameContentLength && id != protocols.NameHost {
				*into = append(*into, string(name), string(value))
			}
		}
	}
	if ev.End {
		g.ends++
	}
	return protocols.More
}

func drawMessage(t *rapid.T, label string) message {
	name := rapid.StringMatching(`x-[a-z]{1,12}`)
	value := rapid.StringMatching(`([!-~\x80-\xff]([ -~]{0,30}[!-~])?)?`)
	m := message{announce: rapid.Bool().Draw(t, label+" announce")}
	for range rapid.IntRange(0, 5).Draw(t, label+" fields") {
		m.head = append(m.head, name.Draw(t, label), value.Draw(t, label))
	}
	for range rapid.IntRange(0, 4).Draw(t, label+" pieces") {
		size := rapid.SampledFrom([]int{0, 1, 2, 15, 16, 17, 100, 20000}).Draw(t, label+" size")
		m.pieces = append(m.pieces, strings.Repeat("\r\n0\r\n\r\n"+label, size/8+1)[:size])
	}
	return m
}

// Whatever two ends say to each other arrives as it was said, however it is cut, and leaves the connection reusable.
func TestTwoEndsUnderstandEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pair := protocoltest.NewPair(Protocol(), protocols.Limits{HeadFields: 64})
		for range rapid.IntRange(1, 4).Draw(t, "exchanges") {
			request, answer := drawMessage(t, "request"), drawMessage(t, "answer")
			request.method = rapid.SampledFrom([]string{"GET", "POST", "HEAD", "PROPFIND"}).Draw(t, "method")
			answer.status = rapid.SampledFrom([]int{200, 404, 204, 304, 599}).Draw(t, "status")
			request.trailer = !request.announce && rapid.Bool().Draw(t, "request trailer")
			answer.trailer = !answer.announce && rapid.Bool().Draw(t, "answer trailer")
			size := rapid.SampledFrom([]int{1 << 20, 1000, 7, 1}).Draw(t, "size of pieces")
			checkExchange(t, pair, &request, &answer, size)
		}
	})
}

func checkExchange(t *rapid.T, pair *protocoltest.Pair, request, answer *message, size int) {
	var up, down got
	pair.Server.Sink.Then, pair.Client.Sink.Then = up.event, down.event
	if request.announce && len(request.pieces) == 0 || answer.announce && len(answer.pieces) == 0 {
		request.announce, answer.announce = false, false
	}
	if _, err := request.send(&pair.Client, 0); err != nil {
		t.Fatalf("request: %v", err)
	}
	if err := pair.Pump(size); err != nil {
		t.Fatal(err)
	}
	if _, err := answer.send(&pair.Server, 0); err != nil {
		t.Fatalf("answer: %v", err)
	}
	if err := pair.Pump(size); err != nil {
		t.Fatal(err)
	}
	body := answer.body()
	if request.method == "HEAD" || answer.status == 204 || answer.status == 304 {
		body = ""
	}
	if up.body.String() != request.body() || down.body.String() != body {
		t.Fatalf("bodies: up %d bytes of %d, down %d of %d", up.body.Len(), len(request.body()), down.body.Len(), len(body))
	}
	if up.heads != 1 || up.ends != 1 || down.heads != 1 || down.ends != 1 || down.status != answer.status {
		t.Fatalf("up: %d heads, %d ends; down: %d, %d, status %d", up.heads, up.ends, down.heads, down.ends, down.status)
	}
	if !slices.Equal(up.fields, request.head) || !slices.Equal(down.fields, answer.head) {
		t.Fatalf("fields: up %q of %q, down %q of %q", up.fields, request.head, down.fields, answer.head)
	}
	if request.trailer != (len(up.trailer) > 0) {
		t.Fatalf("trailer: %v, got %q", request.trailer, up.trailer)
	}
	for name, c := range map[string]protocols.Codec{"server": pair.Server.Codec, "client": pair.Client.Codec} {
		if s := c.Status(); s.Phase != protocols.PhaseOpen || !s.Idle {
			t.Fatalf("%s behind the exchange: %+v", name, s)
		}
	}
}

// An idle connection owns a codec and nothing else, so codecs stay small.
func TestCodecsAreSmall(t *testing.T) {
	const most = 96
	for _, c := range []any{server{}, client{}} {
		if size := reflect.TypeOf(c).Size(); size > most {
			t.Errorf("%T has %d bytes, want at most %d", c, size, most)
		}
	}
	t.Logf("server %d, client %d bytes", unsafe.Sizeof(server{}), unsafe.Sizeof(client{}))
}
