package http2

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

func TestClientSaysHello(t *testing.T) {
	e := newEnd(roleClient, protocols.Limits{})
	if st := e.codec.Status(); st.Room != firstStreams || !st.Idle {
		t.Errorf("before the first request: %+v", st)
	}
	ev := protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}
	if _, err := e.codec.Encode(0, &ev, &e.out); err != nil || ev.Stream != 1 {
		t.Fatalf("stream %d, %v", ev.Stream, err)
	}
	e.expect(t, "hello", nil, []string{"SETTINGS 2=0 4=16384 6=65536", "WINDOW_UPDATE 0 8323073",
		"HEADERS 1 :method=GET :scheme=http :authority=a.example :path=/ END"}, 0)
	e.recv(new(script).settings(3, 2))
	e.expect(t, "settings", nil, []string{"SETTINGS ack"}, 0)
	if st := e.codec.Status(); st.Room != 1 || st.Idle {
		t.Errorf("with one of two streams open: %+v", st)
	}
}

// TestClientWithAHastyServer: the server's SETTINGS may be there before the first request is.
func TestClientWithAHastyServer(t *testing.T) {
	e := newEnd(roleClient, protocols.Limits{})
	e.recv(new(script).settings(3, 2))
	e.expect(t, "settings", nil, []string{"SETTINGS 2=0 4=16384 6=65536", "WINDOW_UPDATE 0 8323073", "SETTINGS ack"}, 0)
	ev := protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}
	if _, err := e.codec.Encode(0, &ev, &e.out); err != nil || ev.Stream != 1 {
		t.Fatalf("stream %d, %v", ev.Stream, err)
	}
	e.expect(t, "request", nil, []string{"HEADERS 1 :method=GET :scheme=http :authority=a.example :path=/ END"}, 0)
}

func TestAnswers(t *testing.T) {
	head := requestHeader("HEAD", "/")
	for name, c := range map[string]struct {
		request *protocols.Header
		w       *script
		events  []string
	}{
		"with a body": {nil, new(script).headers(1, false, ":status", "200", "content-length", "3", "x", "y").data(1, false, "a").data(1, true, "bc"),
			[]string{`1 head 200 "" length=3 minor=0`, "  Content-Length: 3", "  x: y", `1 data "abc" end`}},
		"without": {nil, new(script).headers(1, true, ":status", "404"), []string{`1 head 404 "" minor=0 end`}},
		"with trailers": {nil, new(script).headers(1, false, ":status", "200").data(1, false, "a").headers(1, true, "grpc-status", "0"),
			[]string{`1 head 200 "" minor=0`, `1 data "a"`, "1 trailer end", "  Grpc-Status: 0"}},
		"interim": {nil, new(script).headers(1, false, ":status", "103", "link", "x", "content-length", "5").headers(1, true, ":status", "200"),
			[]string{`1 interim 103 "" minor=0`, "  link: x", `1 head 200 "" minor=0 end`}},
		"HEAD": {head, new(script).headers(1, true, ":status", "200", "content-length", "5"),
			[]string{`1 head 200 "" length=5 minor=0 end`, "  Content-Length: 5"}},
		"304": {nil, new(script).headers(1, true, ":status", "304", "content-length", "5"),
			[]string{`1 head 304 "" length=5 minor=0 end`, "  Content-Length: 5"}},
		"204": {nil, new(script).headers(1, true, ":status", "204", "content-length", "5"), []string{`1 head 204 "" minor=0 end`}},
		"padding": {nil, new(script).frame(frameHeaders, flagEndHeaders|flagPadded, 1, "\x02"+block(":status", "200")+"\x00\x00").
			frame(frameData, flagPadded|flagEndStream, 1, "\x03abc\x00\x00\x00"), []string{`1 head 200 "" minor=0`, `1 data "abc" end`}},
		"unknown frame": {nil, new(script).frame(0x42, 0xff, 7, "x").headers(1, true, ":status", "200", "te", "x"), []string{`1 head 200 "" minor=0 end`}},
	} {
		e := client(t, protocols.Limits{}, c.request)
		e.recv(c.w)
		e.expect(t, name, c.events, nil, 0)
		if st := e.codec.Status(); !st.Idle {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestMalformedAnswers(t *testing.T) {
	many := strings.Split(strings.Repeat("a b ", 257)[:257*4-1], " ")
	for name, c := range map[string]struct {
		w      *script
		events []string
		code   string
	}{
		"no status":            {new(script).headers(1, true, "a", "b"), nil, "PROTOCOL_ERROR"},
		"status of two digits": {new(script).headers(1, true, ":status", "99"), nil, "PROTOCOL_ERROR"},
		"status 0xx":           {new(script).headers(1, true, ":status", "099"), nil, "PROTOCOL_ERROR"},
		"status with letters":  {new(script).headers(1, true, ":status", "2x0"), nil, "PROTOCOL_ERROR"},
		"two status":           {new(script).headers(1, true, ":status", "200", ":status", "200"), nil, "PROTOCOL_ERROR"},
		"a request's field":    {new(script).headers(1, true, ":status", "200", ":path", "/"), nil, "PROTOCOL_ERROR"},
		"101":                  {new(script).headers(1, false, ":status", "101"), nil, "PROTOCOL_ERROR"},
		"interim that ends":    {new(script).headers(1, true, ":status", "100"), nil, "PROTOCOL_ERROR"},
		"data first":           {new(script).data(1, true, "a"), nil, "PROTOCOL_ERROR"},
		"connection":           {new(script).headers(1, true, ":status", "200", "connection", "close"), nil, "PROTOCOL_ERROR"},
		"ends too early":       {new(script).headers(1, true, ":status", "200", "content-length", "1"), nil, "PROTOCOL_ERROR"},
		"204 with data": {new(script).headers(1, false, ":status", "204").data(1, true, "a"),
			[]string{`1 head 204 "" minor=0`}, "PROTOCOL_ERROR"},
		"257 fields": {new(script).headers(1, true, append([]string{":status", "200"}, many...)...), nil, "ENHANCE_YOUR_CALM"},
	} {
		e := client(t, protocols.Limits{}, nil)
		e.recv(c.w)
		reason := "upstream_protocol_error"
		if c.code != "PROTOCOL_ERROR" {
			reason = "upstream_head_too_large"
		}
		e.expect(t, name, append(c.events, "1 reset "+reason), []string{"RST_STREAM 1 " + c.code}, 0)
	}
}

func TestClientConnectionErrors(t *testing.T) {
	for name, c := range map[string]struct {
		w    *script
		code string
	}{
		"push":                    {new(script).frame(framePushPromise, flagEndHeaders, 1, "\x00\x00\x00\x02"), "PROTOCOL_ERROR"},
		"answer to nothing":       {new(script).headers(3, true, ":status", "200"), "PROTOCOL_ERROR"},
		"answer on a pushed one":  {new(script).headers(2, true, ":status", "200"), "PROTOCOL_ERROR"},
		"a second answer":         {new(script).headers(1, true, ":status", "200").headers(1, true, ":status", "200"), "STREAM_CLOSED"},
		"ENABLE_PUSH":             {new(script).settings(2, 1), "PROTOCOL_ERROR"},
		"MAX_FRAME_SIZE 0":        {new(script).settings(5, 0), "PROTOCOL_ERROR"},
		"PRIORITY_UPDATE":         {new(script).frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x01u=1"), "PROTOCOL_ERROR"},
		"block of more than 60 K": {bigBlock(1), "ENHANCE_YOUR_CALM"},
	} {
		e := client(t, protocols.Limits{}, nil)
		e.recv(c.w)
		var err *protocols.Error
		if !errors.As(e.err, &err) || err.Reason != protocols.ReasonUpstreamProtocol && err.Reason != protocols.ReasonUpstreamHeadTooLarge {
			t.Errorf("%s: the error is %v", name, e.err)
		}
		if frames := e.frames(); len(frames) != 1 || frames[0] != "GOAWAY 0 "+c.code {
			t.Errorf("%s: the frames are %q", name, frames)
		}
	}
	e := newEnd(roleClient, protocols.Limits{})
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).headers(1, true, ":status", "200"))
	if e.err == nil {
		t.Error("a server that does not begin with SETTINGS is accepted")
	}
}

// A refused request, and one above the last stream of a GOAWAY, can be sent again elsewhere.
func TestUnprocessed(t *testing.T) {
	e := client(t, protocols.Limits{}, nil)
	var unprocessed []protocols.StreamID
	e.sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Unprocessed {
			unprocessed = append(unprocessed, ev.Stream)
		}
		return protocols.More
	}
	for range 5 { // streams 3 to 11
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}); err != nil {
			t.Fatal(err)
		}
	}
	e.frames()
	e.recv(new(script).word(frameReset, 3, uint32(codeRefusedStream)).word(frameReset, 5, uint32(codeCancel)).
		headers(7, false, ":status", "200").word(frameReset, 7, uint32(codeInternal)).
		frame(frameGoAway, 0, 0, "\x00\x00\x00\x09\x00\x00\x00\x00bye"))
	e.expect(t, "goaway", []string{"3 reset upstream_reset", "5 reset upstream_reset", `7 head 200 "" minor=0`,
		"7 reset upstream_cut", "11 reset upstream_reset", "0 goaway drained"}, nil, 0)
	if len(unprocessed) != 2 || unprocessed[0] != 3 || unprocessed[1] != 11 {
		t.Errorf("unprocessed are %v", unprocessed)
	}
	if st := e.codec.Status(); st.Phase != protocols.PhaseDraining || st.Room != 0 {
		t.Errorf("behind GOAWAY: %+v", st)
	}
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}); err == nil {
		t.Error("a request behind GOAWAY is encoded")
	}
	e.recv(new(script).headers(9, true, ":status", "200").headers(1, true, ":status", "200"))
	if st := e.codec.Status(); st.Phase != protocols.PhaseClosing {
		t.Errorf("behind the last stream: %+v", st)
	}
}

func TestStreamNumbersRunOut(t *testing.T) {
	e := client(t, protocols.Limits{}, nil)
	e.codec.nextOpen = maxStream
	if st := e.codec.Status(); st.Room == 0 {
		t.Fatalf("%+v", st)
	}
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}); err != nil {
		t.Fatal(err)
	}
	if st := e.codec.Status(); st.Room != 0 || st.Phase != protocols.PhaseDraining {
		t.Errorf("%+v", st)
	}
	e.recv(new(script).headers(1, true, ":status", "200").headers(maxStream, true, ":status", "200"))
	if st := e.codec.Status(); st.Phase != protocols.PhaseClosing || e.err != nil {
		t.Errorf("%+v, %v", st, e.err)
	}
}

// An answer that is complete before its request leaves the request to the owner, who resets it.
func TestEarlyAnswerAtClient(t *testing.T) {
	e := newEnd(roleClient, protocols.Limits{})
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("POST", "/")}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).settings().headers(1, true, ":status", "403"))
	e.frames()
	e.expect(t, "early answer", []string{`1 head 403 "" minor=0 end`}, nil, 0)
	if err := e.encode(protocols.Event{Kind: protocols.KindReset, Stream: 1}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).word(frameReset, 1, 0).word(frameWindowUpdate, 1, 5))
	e.expect(t, "reset", nil, []string{"RST_STREAM 1 CANCEL"}, 0)
	if !e.codec.Status().Idle {
		t.Error("the stream is still open")
	}
}

func TestUpgradeToUpstream(t *testing.T) {
	h := requestHeader("GET", "/chat", "sec-websocket-version", "13")
	h.SetUpgrade([]byte("websocket"))
	for _, takes := range []uint32{0, 1} {
		e := newEnd(roleClient, protocols.Limits{})
		for range 2 {
			if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: h, Owner: "me"}); !errors.Is(err, protocols.ErrWait) {
				t.Errorf("before the peer's SETTINGS: %v", err)
			}
		}
		e.recv(new(script).settings(8, takes))
		e.expect(t, "its turn", []string{"0 credit 1"}, []string{"SETTINGS 2=0 4=16384 6=65536", "WINDOW_UPDATE 0 8323073", "SETTINGS ack"}, 0)
		var err *protocols.Error
		got := e.encode(protocols.Event{Kind: protocols.KindHead, Header: h, Owner: "me"})
		if taken := got == nil; taken != (takes == 1) || !taken && (!errors.As(got, &err) || err.Reason != protocols.ReasonNotImplemented) {
			t.Errorf("takes %d: %v", takes, got)
		}
		e.codec.Closed()
		if len(e.codec.loop.early) != 0 {
			t.Error("somebody is remembered")
		}
	}
	e := client(t, protocols.Limits{}, nil)
	e.recv(new(script).settings(8, 1))
	e.frames()
	const sent = " :method=CONNECT :protocol=websocket :scheme=http :authority=a.example :path=/chat sec-websocket-version=13"
	for range 2 {
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: h}); err != nil {
			t.Fatal(err)
		}
	}
	e.expect(t, "asked", nil, []string{"HEADERS 3" + sent, "HEADERS 5" + sent}, 0)
	e.recv(new(script).headers(3, false, ":status", "200", "content-length", "9").data(3, false, "frame"))
	e.expect(t, "granted", []string{`3 head 101 "" upgrade=websocket minor=0`, `3 data "frame"`}, nil, 0)
	e.recv(new(script).headers(5, false, ":status", "403").data(5, true, "no"))
	e.expect(t, "refused", []string{`5 head 403 "" minor=0`, `5 data "no" end`}, []string{"DATA 5 0 END"}, 0)
}

// A tunnel may be over before it is granted: its request is one for a tunnel all the same.
func TestUpgradeThatEndsAtOnce(t *testing.T) {
	h := requestHeader("GET", "/")
	h.SetUpgrade([]byte("websocket"))
	e := client(t, protocols.Limits{}, nil)
	e.recv(new(script).settings(8, 1))
	e.frames()
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: h, End: true}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).headers(3, false, ":status", "200").data(3, true, "bye"))
	e.expect(t, "over", []string{`3 head 101 "" upgrade=websocket minor=0`, `3 data "bye" end`},
		[]string{"HEADERS 3 :method=CONNECT :protocol=websocket :scheme=http :authority=a.example :path=/", "DATA 3 0 END"}, 0)
	if e.codec.streams.n != 1 {
		t.Errorf("%d streams are open", e.codec.streams.n)
	}
}

func TestConnectToUpstream(t *testing.T) {
	h := requestHeader("CONNECT", "")
	h.SetAuthority([]byte("db:5432"))
	e := client(t, protocols.Limits{}, h)
	e.recv(new(script).headers(1, false, ":status", "200", "content-length", "5").data(1, true, "hello"))
	e.expect(t, "connect", []string{`1 head 200 "" minor=0`, `1 data "hello" end`}, nil, 0)
	if err := e.encode(protocols.Event{Kind: protocols.KindData, Stream: 1, Data: []byte("x"), End: true}); err != nil {
		t.Fatal(err)
	}
	e.expect(t, "our end", nil, []string{"DATA 1 1 END"}, 0)
}

func TestEndOfInputAtClient(t *testing.T) {
	e := client(t, protocols.Limits{}, nil)
	if err := e.codec.DecodeEOF(time.Second, nil, &e.sink, &e.out); err == nil {
		t.Error("the end of input within an exchange is no error")
	}
	e = client(t, protocols.Limits{}, nil)
	e.recv(new(script).headers(1, true, ":status", "200"))
	if err := e.codec.DecodeEOF(time.Second, nil, &e.sink, &e.out); err != nil || e.codec.Status().Phase != protocols.PhaseClosing {
		t.Errorf("the end of an idle connection: %v, %+v", err, e.codec.Status())
	}
}

// bigBlock is a field block of more bytes than the loop would keep.
func bigBlock(stream uint32) *script {
	w := new(script).frame(frameHeaders, 0, stream, block("a", strings.Repeat("\xff", 100)))
	for range 4 {
		w.frame(frameContinuation, 0, stream, strings.Repeat("\x00\x01a\x01b", frameSize/5))
	}
	return w
}
