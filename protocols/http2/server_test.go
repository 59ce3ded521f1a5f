package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

const got1 = "1 head GET / authority=a.example scheme=http minor=0 end"

func TestServerSaysHello(t *testing.T) {
	e := newEnd(roleServer, protocols.Limits{})
	e.recv(new(script).raw(preface[:20]))
	e.expect(t, "half of the preface", nil, nil, 0)
	e.recv(new(script).raw(preface[20:]))
	e.expect(t, "the preface", nil, []string{"SETTINGS 3=128 8=1 9=1 4=65536 6=65536", "WINDOW_UPDATE 0 8323073"}, 0)
	e.recv(new(script).settings().get(1).ack())
	e.expect(t, "a request", []string{got1}, []string{"SETTINGS ack"}, 0)
	if e.codec.recvFirst != serverWindow || e.codec.timers.settings != 0 {
		t.Error("the acknowledgement is not noticed")
	}
}

func TestOtherProtocolsAreToldSo(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\n", "POST /x", "OPTIONS * HTTP/1.1", "GET http://a/"} {
		e := newEnd(roleServer, protocols.Limits{})
		e.recv(new(script).raw(text))
		if frames := e.frames(); len(frames) != 1 || !strings.Contains(frames[0], "400 Bad Request") || !strings.Contains(frames[0], "HTTP/2 with prior knowledge") {
			t.Errorf("%q is answered by %q", text, frames)
		}
	}
	for _, w := range []*script{new(script).raw("\x16\x03\x01\x00"), new(script).raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"), new(script).raw("GET\x00"),
		new(script).raw(preface).frame(framePing, 0, 0, "12345678"), new(script).raw(preface).ack()} {
		e := newEnd(roleServer, protocols.Limits{})
		e.recv(w)
		if frames := e.frames(); e.err == nil || frames[len(frames)-1] != "GOAWAY 0 PROTOCOL_ERROR" {
			t.Errorf("%q is answered by %q, %v", w.b[:4], frames, e.err)
		}
	}
}

func TestDetect(t *testing.T) {
	p := Protocol()
	for text, want := range map[string]protocols.Match{"": protocols.MatchMaybe, "PRI": protocols.MatchMaybe, preface: protocols.MatchYes,
		preface + "more": protocols.MatchYes, "PRX": protocols.MatchNo, "GET / HTTP/1.1\r\n": protocols.MatchNo} {
		if got := p.Detect([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// conversation is one of everything that a client may send.
func conversation() *script {
	w := hello().get(1, "cookie", "a", "x", "y", "cookie", "b").ack().
		post(3, "content-length", "5").frame(frameData, flagPadded, 3, "\x02ab\x00\x00").data(3, false, "").data(3, true, "cde").
		frame(framePing, 0, 0, "12345678").frame(framePriority, 0, 9, "\x00\x00\x00\x01\x10").frame(0x99, 0, 0, "unknown").
		post(5).data(5, false, strings.Repeat("x", 5000)).headers(5, true, "x-sum", "1").
		headers(7, true, ":method", "GET").post(9).word(frameReset, 9, 8).word(frameWindowUpdate, 0, 7).settings(4, 100, 1, 0)
	request := block(append(requestLine("GET"), "long", strings.Repeat("v", 300))...)
	w.frame(frameHeaders, flagEndStream|flagPadded|flagPriority, 11, "\x03\x00\x00\x00\x00\x10"+request[:50]+"\x00\x00\x00")
	w.frame(frameContinuation, 0, 11, "").frame(frameContinuation, 0, 11, request[50:51])
	return w.frame(frameContinuation, flagEndHeaders, 11, request[51:]).data(3, false, "late").get(1).data(99, false, "x")
}

// The outcome does not depend on how the bytes were cut on their way.
func TestEverySplit(t *testing.T) {
	w := conversation()
	outcome := func(first, size int) string {
		e := newEnd(roleServer, protocols.Limits{})
		e.recv(&script{b: w.b[:first]})
		e.recvIn(&script{b: w.b[first:]}, size)
		return strings.Join(e.sink.Take(), "\n") + strings.Join(e.frames(), "\n") + fmt.Sprint(e.err, e.codec.owed, e.codec.streams.n)
	}
	want := outcome(0, len(w.b))
	if !strings.Contains(want, "GOAWAY 11 PROTOCOL_ERROR") || !strings.Contains(want, "long: vvv") {
		t.Fatal(want)
	}
	for i := range w.b {
		if got := outcome(i, len(w.b)); got != want {
			t.Fatalf("cut at %d:\n%s\nwant\n%s", i, got, want)
		}
	}
	for _, size := range []int{1, 2, 3, 7, 9, 10, 100} {
		if got := outcome(0, size); got != want {
			t.Fatalf("in pieces of %d:\n%s\nwant\n%s", size, got, want)
		}
	}
}

// A block that is not whole is not read again with every byte that comes.
func TestIncompleteBlockIsNotReadAgain(t *testing.T) {
	e := server(t, protocols.Limits{})
	w := new(script).frame(frameHeaders, flagEndHeaders, 1, strings.Repeat("\x00\x01a\x01b", 3000))
	e.recv(&script{b: w.b[:100]})
	if e.codec.need != int32(len(w.b)) || e.codec.Status().Idle {
		t.Errorf("it needs %d bytes of %d", e.codec.need, len(w.b))
	}
}

func TestHeadOverItsLimits(t *testing.T) {
	many := append(requestLine("GET"), strings.Split(strings.Repeat("a b ", 200)[:799], " ")...)
	large := append(requestLine("GET"), "a", strings.Repeat("v", 900))
	cookies := requestLine("GET")
	for range 20 {
		cookies = append(cookies, "cookie", "a") // 39 each
	}
	for name, fields := range map[string][]string{"many": many, "large": large, "cookies": cookies} {
		e := server(t, protocols.Limits{HeadBytes: 800})
		e.recv(new(script).headers(1, true, fields...).headers(3, false, fields...).data(3, true, "body").get(5))
		if name == "many" && e.err != nil {
			continue // over the hard limit
		}
		e.expect(t, name, []string{strings.Replace(got1, "1", "5", 1)}, []string{"HEADERS 1 :status=431 END", "HEADERS 3 :status=431 END",
			"RST_STREAM 3 NO_ERROR"}, 0)
		if e.env.Counts.Refused != 2 {
			t.Errorf("%s: %d are counted", name, e.env.Counts.Refused)
		}
	}
}

func TestStreamsAtATime(t *testing.T) {
	e := server(t, protocols.Limits{Streams: 2})
	e.recv(new(script).get(1).post(3).get(5))
	e.expect(t, "a third", []string{got1, "3 head POST / authority=a.example scheme=http minor=0"}, []string{"RST_STREAM 5 REFUSED_STREAM"}, 0)
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(204), End: true}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).get(7))
	e.expect(t, "one less", []string{strings.Replace(got1, "1", "7", 1)}, []string{"HEADERS 1 :status=204 END"}, 0)
}

func TestYield(t *testing.T) {
	e := server(t, protocols.Limits{})
	w := new(script)
	for i := range uint32(100) {
		w.get(2*i + 1)
	}
	n, err := e.codec.Decode(0, w.b, &e.sink, &e.out)
	if err != nil || n >= len(w.b) || !e.codec.Status().Yielded || e.codec.streams.n != maxStarts {
		t.Fatalf("%d of %d, %v, %+v", n, len(w.b), err, e.codec.Status())
	}
	n2, err := e.codec.Decode(0, w.b[n:], &e.sink, &e.out)
	if err != nil || n+n2 != len(w.b) || e.codec.Status().Yielded {
		t.Fatalf("%d of %d, %v, %+v", n+n2, len(w.b), err, e.codec.Status())
	}
}

func TestGracefulShutdown(t *testing.T) {
	for _, answered := range []bool{true, false} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).get(1))
		if err := e.encode(protocols.Event{Kind: protocols.KindGoAway}); err != nil {
			t.Fatal(err)
		}
		e.expect(t, "goaway", []string{got1}, []string{"GOAWAY 2147483647 NO_ERROR", "PING"}, 0)
		if st := e.codec.Status(); st.Phase != protocols.PhaseDraining || e.codec.Deadline() != goAwayTimeout {
			t.Errorf("%+v, deadline %v", st, e.codec.Deadline())
		}
		e.recv(new(script).get(3)) // it was on its way
		if answered {
			e.recv(new(script).frame(framePing, flagAck, 0, "\x73\x6c\x75\x69\x63\x65\x00\x02"))
		} else if e.err = e.codec.Advance(goAwayTimeout, &e.sink, &e.out); e.err != nil {
			t.Fatal(e.err)
		}
		e.expect(t, "then", []string{strings.Replace(got1, "1", "3", 1)}, []string{"GOAWAY 3 NO_ERROR"}, 0)
		e.recv(new(script).post(5).data(5, true, "x").word(frameReset, 5, 0))
		e.expect(t, "too late", nil, nil, 0)
		for _, id := range []protocols.StreamID{1, 3} {
			if st := e.codec.Status(); st.Phase != protocols.PhaseDraining {
				t.Errorf("before answer %d: %+v", id, st)
			}
			if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: id, Header: answerHeader(204), End: true}); err != nil {
				t.Fatal(err)
			}
		}
		if st := e.codec.Status(); st.Phase != protocols.PhaseClosing {
			t.Errorf("at the end: %+v", st)
		}
	}
}

func TestShutdownOfIdleConnections(t *testing.T) {
	e := newEnd(roleServer, protocols.Limits{})
	if err := e.encode(protocols.Event{Kind: protocols.KindGoAway}); err != nil {
		t.Fatal(err)
	}
	e.expect(t, "before the preface", nil, []string{"SETTINGS 3=128 8=1 9=1 4=65536 6=65536", "WINDOW_UPDATE 0 8323073", "GOAWAY 0 NO_ERROR"}, 0)
	if st := e.codec.Status(); st.Phase != protocols.PhaseClosing {
		t.Errorf("%+v", st)
	}
	e = client(t, protocols.Limits{}, nil)
	e.recv(new(script).headers(1, true, ":status", "204"))
	if err := e.encode(protocols.Event{Kind: protocols.KindGoAway}); err != nil {
		t.Fatal(err)
	}
	e.expect(t, "a client", []string{`1 head 204 "" minor=0 end`}, []string{"GOAWAY 0 NO_ERROR"}, 0)
	if st := e.codec.Status(); st.Phase != protocols.PhaseClosing {
		t.Errorf("%+v", st)
	}
	e = server(t, protocols.Limits{})
	e.recv(new(script).get(1).frame(frameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x02"))
	e.expect(t, "the client goes", []string{got1, "0 goaway protocol_error"}, nil, 0)
	if st := e.codec.Status(); st.Phase != protocols.PhaseDraining {
		t.Errorf("%+v", st)
	}
}

func TestKeepAlive(t *testing.T) {
	e := server(t, protocols.Limits{PingInterval: time.Minute, PingTimeout: 10 * time.Second})
	at := e.codec.Deadline()
	if at < time.Minute || at > time.Minute+time.Second {
		t.Fatalf("the deadline is %v", at)
	}
	advance := func(at time.Duration) error { return e.codec.Advance(at, &e.sink, &e.out) }
	if err := advance(at - 1); err != nil || e.out.Buffered() > 0 {
		t.Errorf("too early: %v, %d bytes", err, e.out.Buffered())
	}
	if err := advance(at); err != nil {
		t.Error(err)
	}
	e.expect(t, "ping", nil, []string{"PING"}, 0)
	e.now = at + time.Second
	e.recv(new(script).frame(framePing, flagAck, 0, "\x73\x6c\x75\x69\x63\x65\x00\x01"))
	at = e.codec.Deadline()
	if err := advance(at); err != nil {
		t.Error(err)
	}
	if at2 := e.codec.Deadline(); at2 < at+10*time.Second || at2 > at+11*time.Second {
		t.Errorf("the answer is due at %v behind %v", at2, at)
	}
	e.err = advance(e.codec.Deadline())
	e.expect(t, "silence", nil, []string{"PING", "GOAWAY 0 NO_ERROR"}, protocols.ReasonPeerSilent)
	if e.codec.Deadline() != 0 {
		t.Error("a dead connection has a deadline")
	}
}

func TestSettingsTimeout(t *testing.T) {
	e := newEnd(roleServer, protocols.Limits{})
	e.recv(hello())
	e.frames()
	at := e.codec.Deadline()
	if at < settingsTimeout || at > settingsTimeout+time.Second {
		t.Errorf("the deadline is %v", at)
	}
	e.err = e.codec.Advance(at, &e.sink, &e.out)
	e.expect(t, "no acknowledgement", nil, []string{"GOAWAY 0 SETTINGS_TIMEOUT"}, protocols.ReasonPeerSilent)
}

// An answer that is complete before its request ends that without error, and what still comes of it is dropped.
func TestEarlyAnswer(t *testing.T) {
	e := server(t, protocols.Limits{})
	e.recv(new(script).post(1).data(1, false, "some"))
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(413), End: true}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).data(1, false, "more").headers(1, true, "x", "y").word(frameWindowUpdate, 1, 1).word(frameReset, 1, 0))
	e.expect(t, "early", []string{"1 head POST / authority=a.example scheme=http minor=0", `1 data "some"`},
		[]string{"HEADERS 1 :status=413 END", "RST_STREAM 1 NO_ERROR"}, 0)
	if c := e.codec; c.recv+c.unsaid != c.connWindow() {
		t.Errorf("of the connection's window %d are missing", c.connWindow()-c.recv-c.unsaid)
	}
}

func TestUpgradeFromClient(t *testing.T) {
	for status, want := range map[int]string{101: "200", 403: "403 END", 200: "502 END"} {
		e := server(t, protocols.Limits{})
		e.recv(new(script).headers(1, false, append([]string{":protocol", "websocket"}, requestLine("CONNECT")...)...).data(1, false, "early"))
		h := answerHeader(status)
		h.SetUpgrade([]byte("websocket"))
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: h, End: status != 101}); err != nil {
			t.Fatal(err)
		}
		frames := []string{"HEADERS 1 :status=" + want}
		if status != 101 {
			frames = append(frames, "RST_STREAM 1 NO_ERROR")
		}
		e.expect(t, want, []string{"1 head GET / authority=a.example scheme=http upgrade=websocket minor=0", `1 data "early"`}, frames, 0)
	}
	e := server(t, protocols.Limits{})
	e.recv(new(script).get(1))
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(101)}); err == nil {
		t.Error("a 101 that nobody asked for is encoded")
	}
}

// A connection is not idle while a part of something has come: whoever trickles a head has the time of a head.
func TestPartsAreNotIdle(t *testing.T) {
	w := hello().ack().get(1)
	e := newEnd(roleServer, protocols.Limits{})
	at := map[int]bool{0: true, len(preface): true, len(preface) + headerLen: true, len(preface) + 2*headerLen: true}
	for i := range w.b {
		if got := e.codec.Status().Idle; got != at[i] {
			t.Errorf("behind %d bytes idle is %v", i, got)
		}
		e.recv(&script{b: w.b[i : i+1]})
	}
	e = server(t, protocols.Limits{})
	e.recv(new(script).get(1).word(frameReset, 1, 0).raw("\x00\x00\x05\x00\x00\x00\x00\x00\x01ab"))
	if e.codec.Status().Idle {
		t.Error("idle within a frame that is dropped")
	}
}

// The end of input takes what Decode has yielded in front of with it.
func TestEndOfInputBehindManyRequests(t *testing.T) {
	e := server(t, protocols.Limits{Streams: 1000})
	w := new(script)
	for i := range 200 {
		w.get(nth(i))
	}
	if err := e.codec.DecodeEOF(0, w.b, &e.sink, &e.out); err != nil || e.codec.streams.n != 200 {
		t.Errorf("%v, %d requests", err, e.codec.streams.n)
	}
}

// An answer for which the windows do not suffice can't be completed behind the end of input.
func TestStarvedBehindEndOfInput(t *testing.T) {
	for _, before := range []bool{true, false} {
		s := newSending(t, new(script).settings(4, 10), "", "")
		if before {
			s.offer(t, 1, 20)
		}
		if err := s.codec.DecodeEOF(0, nil, &s.sink, &s.out); err != nil {
			t.Fatal(err)
		}
		if !before {
			s.offer(t, 1, 20)
			if at := s.codec.Deadline(); at != 1 {
				t.Errorf("the deadline is %v", at)
			}
			if err := s.codec.Advance(1, &s.sink, &s.out); err != nil || s.codec.Deadline() != 0 {
				t.Error(err, s.codec.Deadline())
			}
		}
		s.expect(t, "starved", []string{"1 reset client_gone"}, []string{"DATA 1 10"}, 0)
		s.offer(t, 3, 10)
		s.expect(t, "enough", nil, []string{"DATA 3 10 END"}, 0)
		if st := s.codec.Status(); st.Phase != protocols.PhaseClosing {
			t.Errorf("%+v", st)
		}
	}
}

// The requests that came whole are answered behind the end of input; the others are void.
func TestEndOfInputAtServer(t *testing.T) {
	e := server(t, protocols.Limits{})
	e.recv(new(script).get(1).post(3).data(3, false, "half"))
	e.sink.Take()
	if err := e.codec.DecodeEOF(0, nil, &e.sink, &e.out); err != nil {
		t.Fatal(err)
	}
	e.expect(t, "eof", []string{"3 reset client_gone"}, nil, 0)
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Stream: 1, Header: answerHeader(204), End: true}); err != nil {
		t.Fatal(err)
	}
	if st := e.codec.Status(); st.Phase != protocols.PhaseClosing {
		t.Errorf("%+v", st)
	}
	e = server(t, protocols.Limits{})
	if err := e.codec.DecodeEOF(0, nil, &e.sink, &e.out); err != nil || e.codec.Status().Phase != protocols.PhaseClosing {
		t.Errorf("between exchanges: %v", err)
	}
	e = server(t, protocols.Limits{})
	if err := e.codec.DecodeEOF(0, []byte("half a frame"), &e.sink, &e.out); err == nil {
		t.Error("a cut frame is no error")
	}
}

// TestNeverIndexed: what the sender keeps out of tables stays out of them on the next hop (RFC 7541 section 6.2.3).
func TestNeverIndexed(t *testing.T) {
	const field = "\x10\x05x-key\x06secret"
	var sink keeper
	e := newEnd(roleServer, protocols.Limits{})
	request := new(script).raw(preface).settings().frame(frameHeaders, flagEndHeaders|flagEndStream, 1,
		block(":method", "GET", ":scheme", "http", ":authority", "a.example", ":path", "/")+field)
	if _, err := e.codec.Decode(0, request.b, &sink, &e.out); err != nil {
		t.Fatal(err)
	}
	up := newEnd(roleClient, protocols.Limits{})
	if err := up.encode(protocols.Event{Kind: protocols.KindHead, Header: &sink.header, End: true}); err != nil {
		t.Fatal(err)
	}
	if sent := up.out.Take(); !bytes.Contains(sent, []byte(field)) {
		t.Errorf("sent %q, without %q", sent, field)
	}
}

// keeper keeps the last head.
type keeper struct{ header protocols.Header }

func (k *keeper) Event(ev *protocols.Event) protocols.Verdict {
	k.header.CopyFrom(ev.Header)
	return protocols.More
}
