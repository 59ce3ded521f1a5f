package http1

import (
	"strings"
	"testing"
	"time"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// A sink that pauses gets one event per call of Decode, and loses nothing.
func TestPauseStopsDecode(t *testing.T) {
	input := []byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"5\r\nhello\r\n6\r\n world\r\n0\r\nx: y\r\n\r\n")
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	events := 0
	var out protocoltest.Output
	sink := protocoltest.Recorder{Then: func(*protocols.Event) protocols.Verdict { events++; return protocols.Pause }}
	for want := 1; want <= 4; want++ {
		n, err := c.Decode(0, input, &sink, &out)
		if err != nil || events != want {
			t.Fatalf("call %d: %d events, error %v", want, events, err)
		}
		input = input[n:]
	}
	if len(input) != 0 {
		t.Errorf("%d bytes are left: %q", len(input), input)
	}
	const want = "1 head POST / authority=a|  Host: a|1 data \"hello world\"|1 trailer end|  x: y"
	if got := strings.Join(sink.Take(), "|"); got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
}

// A local reply is encoded from inside the sink; the next request on the connection follows in the same Decode.
func TestAnswerFromInsideTheSink(t *testing.T) {
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	var (
		out    protocoltest.Output
		sink   protocoltest.Recorder
		answer protocols.Header
	)
	sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead {
			answer.SetAnswer(404, "", 0)
			reply := protocols.Event{Kind: protocols.KindHead, Stream: ev.Stream, Header: &answer, End: true}
			if _, err := c.Encode(0, &reply, &out); err != nil {
				t.Error(err)
			}
		} else {
			t.Errorf("event %v of a stream that was ended", ev.Kind)
		}
		return protocols.More
	}
	input := "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
	if n, err := c.Decode(0, []byte(input), &sink, &out); n != len(input) || err != nil {
		t.Fatalf("n = %d of %d, error %v", n, len(input), err)
	}
	const one = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
	if got := string(out.Take()); got != one+one {
		t.Errorf("output %q", got)
	}
}

// A reset from inside the sink ends the connection at once.
func TestResetFromInsideTheSink(t *testing.T) {
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	var (
		out  protocoltest.Output
		sink protocoltest.Recorder
	)
	sink.Then = func(ev *protocols.Event) protocols.Verdict {
		reset := protocols.Event{Kind: protocols.KindReset, Stream: ev.Stream}
		if _, err := c.Encode(0, &reset, &out); err != nil {
			t.Error(err)
		}
		return protocols.More
	}
	input := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	if _, err := c.Decode(0, []byte(input), &sink, &out); err != nil {
		t.Fatal(err)
	}
	if got := len(sink.Take()); got != 3 { // the head and its two fields
		t.Errorf("%d lines of events, want those of the head alone", got)
	}
	if c.Status().Phase != protocols.PhaseAbort {
		t.Errorf("status %+v", c.Status())
	}
}

// The next request may be encoded from inside the End event of the answer before it.
func TestNextRequestFromInsideTheSink(t *testing.T) {
	c := Protocol().Client(protocols.NewEnv(protocols.Limits{}))
	var (
		out  protocoltest.Output
		sink protocoltest.Recorder
		h    protocols.Header
	)
	request := func() error {
		h.Reset()
		h.SetMethod([]byte("GET"))
		h.SetAuthority([]byte("a"))
		_, err := c.Encode(0, &protocols.Event{Kind: protocols.KindHead, Header: &h, End: true}, &out)
		return err
	}
	ends := 0
	sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.End {
			if ends++; ends == 1 {
				if s := c.Status(); s.Room != 1 || !s.Idle {
					t.Errorf("status within the End event: %+v", s)
				}
				if err := request(); err != nil {
					t.Error(err)
				}
			}
		}
		return protocols.More
	}
	if err := request(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Decode(0, []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), &sink, &out); err != nil {
			t.Fatal(err)
		}
	}
	if ends != 2 || strings.Count(string(out.Take()), "GET / HTTP/1.1\r\n") != 2 {
		t.Errorf("%d answers", ends)
	}
}

// Extra bytes make the connection unusable before the sink learns of the answer's end.
func TestStatusKnowsOfExtraBytesInTime(t *testing.T) {
	c := Protocol().Client(protocols.NewEnv(protocols.Limits{}))
	var (
		out  protocoltest.Output
		sink protocoltest.Recorder
		h    protocols.Header
	)
	h.Reset()
	h.SetMethod([]byte("GET"))
	h.SetAuthority([]byte("a"))
	if _, err := c.Encode(0, &protocols.Event{Kind: protocols.KindHead, Header: &h, End: true}, &out); err != nil {
		t.Fatal(err)
	}
	sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if s := c.Status(); ev.End && (s.Phase != protocols.PhaseClosing || s.Room != 0) {
			t.Errorf("status within the End event: %+v", s)
		}
		return protocols.More
	}
	if _, err := c.Decode(0, []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX"), &sink, &out); err == nil {
		t.Error("extra bytes are no error")
	}
}

func TestKeepAliveTimeout(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"timeout=7": 7 * time.Second, "max=3, TIMEOUT=5": 5 * time.Second, "max=3": 0, "timeout=": 0, "timeout=x": 0,
		"timeout=99999999": 65535 * time.Second, "timeout=-1": 0, "": 0,
	} {
		c := Protocol().Client(protocols.NewEnv(protocols.Limits{}))
		var (
			out protocoltest.Null
			h   protocols.Header
		)
		h.Reset()
		h.SetMethod([]byte("GET"))
		if _, err := c.Encode(0, &protocols.Event{Kind: protocols.KindHead, Header: &h, End: true}, &out); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Decode(0, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: "+value+"\r\n\r\n"), &out, &out); err != nil {
			t.Fatal(err)
		}
		if got := c.(interface{ KeepAliveTimeout() time.Duration }).KeepAliveTimeout(); got != want {
			t.Errorf("Keep-Alive: %s gives %v, want %v", value, got, want)
		}
	}
}

func TestDetect(t *testing.T) {
	p := Protocol()
	for _, c := range []struct {
		prefix string
		want   protocols.Match
	}{
		{"", protocols.MatchMaybe}, {"G", protocols.MatchMaybe}, {"GET", protocols.MatchMaybe}, {"GET ", protocols.MatchYes},
		{"GET / HTTP/1.1\r\n", protocols.MatchYes}, {"VERSION-CONTROL /", protocols.MatchYes}, {"M-SEARCH *", protocols.MatchYes},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", protocols.MatchNo}, {"PRI", protocols.MatchMaybe}, {"PRI ", protocols.MatchNo},
		{"PRIX ", protocols.MatchYes}, {"\x16\x03\x01", protocols.MatchNo}, {"\x01\x01", protocols.MatchNo}, {"\x02", protocols.MatchNo},
		{"get /", protocols.MatchNo}, {"GE ", protocols.MatchNo}, {" GET", protocols.MatchNo}, {"-GET", protocols.MatchNo},
		{strings.Repeat("A", 23), protocols.MatchMaybe}, {strings.Repeat("A", 24), protocols.MatchNo},
		{strings.Repeat("A", 40), protocols.MatchNo},
	} {
		if got := p.Detect([]byte(c.prefix)); got != c.want {
			t.Errorf("Detect(%q) = %v, want %v", c.prefix, got, c.want)
		}
	}
}

// Large data is handed to Output.Write as it is, never copied behind a reserve.
func TestLargeDataIsWrittenThrough(t *testing.T) {
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	var (
		out  protocoltest.Output
		sink protocoltest.Recorder
		h    protocols.Header
	)
	if _, err := c.Decode(0, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &sink, &out); err != nil {
		t.Fatal(err)
	}
	h.Reset()
	h.Status = 200
	for _, ev := range []protocols.Event{
		{Kind: protocols.KindHead, Header: &h},
		{Kind: protocols.KindData, Data: make([]byte, writeThrough-1)},
		{Kind: protocols.KindData, Data: make([]byte, writeThrough)},
		{Kind: protocols.KindData, Data: make([]byte, writeThrough), End: true},
	} {
		if n, err := c.Encode(0, &ev, &out); err != nil || n != len(ev.Data) {
			t.Fatalf("n = %d, error %v", n, err)
		}
	}
	if out.Writes != 2 {
		t.Errorf("%d slices were written through, want 2", out.Writes)
	}
}

// A head that arrives byte by byte costs time in proportion to its size: the steps are counted by the bytes that the
// scans look at, which the progress records.
func TestSlowHeadsAreNotReadAgainFromTheStart(t *testing.T) {
	l := (protocols.Limits{}).WithDefaults()
	var (
		p progress
		h protocols.Header
	)
	head := []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 1000))
	for n := 1; n <= len(head); n++ {
		var q request
		if r := q.scan(head[:n], &p, &l, &h); r != ruleOK || q.fields.end > 0 {
			t.Fatalf("at %d: rule %d, end %d", n, r, q.fields.end)
		}
	}
	if int(p.line) != strings.Index(string(head), "X:") || int(p.seen) != len(head) || p.fields != 1 {
		t.Errorf("progress %+v of %d bytes", p, len(head))
	}
}

// An owner that has nowhere to put a body leaves it with the loop; a FIN behind it cuts nothing.
func TestEOFBehindBytesThatWereNotOffered(t *testing.T) {
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	var out protocoltest.Output
	sink := protocoltest.Recorder{Then: func(*protocols.Event) protocols.Verdict { return protocols.Pause }}
	input := []byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")
	n, err := c.Decode(0, input, &sink, &out)
	if err != nil {
		t.Fatal(err)
	}
	if err = c.DecodeEOF(0, input[n:], &sink, &out); err != nil {
		t.Fatalf("a body that is there is called cut: %v", err)
	}
	for range 2 {
		k, err := c.Decode(0, input[n:], &sink, &out)
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	const want = `1 head POST / authority=a|  Host: a|1 data "abcd" end`
	if got := strings.Join(sink.Take(), "|"); got != want || n != len(input) {
		t.Errorf("events\n%s\nwant\n%s; %d bytes are left", got, want, len(input)-n)
	}
}

// A client's end of input delivers what a paused sink had left.
func TestClientEOFBehindAPause(t *testing.T) {
	for answer, want := range map[string]string{
		"Content-Length: 4\r\n\r\nabcd":                                     `1 data "abcd" end`,
		"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n": `1 data "abcd" end`,
		"X: y\r\n\r\nabcd": `1 data "abcd" end`,
		"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r": `1 data "abcd"`,
	} {
		c := Protocol().Client(protocols.NewEnv(protocols.Limits{}))
		var (
			out protocoltest.Output
			h   protocols.Header
		)
		sink := protocoltest.Recorder{Then: func(*protocols.Event) protocols.Verdict { return protocols.Pause }}
		h.Reset()
		h.SetMethod([]byte("GET"))
		if _, err := c.Encode(0, &protocols.Event{Kind: protocols.KindHead, Header: &h, End: true}, &out); err != nil {
			t.Fatal(err)
		}
		input := []byte("HTTP/1.1 200 OK\r\n" + answer)
		n, err := c.Decode(0, input, &sink, &out)
		if err != nil {
			t.Fatal(err)
		}
		sink.Take()
		err = c.DecodeEOF(0, input[n:], &sink, &out)
		if got := strings.Join(sink.Take(), "|"); got != want || (err == nil) != strings.HasSuffix(want, "end") {
			t.Errorf("%q: events %s, want %s; error %v", answer, got, want, err)
		}
	}
}
