package http2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// script builds what a peer sends, frame by frame. Fields are literals, so that every block stands alone.
type script struct{ b []byte }

func (w *script) raw(s string) *script { w.b = append(w.b, s...); return w }

func (w *script) frame(kind frameType, flags uint8, stream uint32, payload string) *script {
	w.b = append(appendFrame(w.b, len(payload), kind, flags, stream), payload...)
	return w
}

// hello is what a client starts with.
func hello() *script { return new(script).raw(preface).settings() }

// settings adds a SETTINGS frame of pairs.
func (w *script) settings(pairs ...uint32) *script {
	var p []byte
	for i := 0; i < len(pairs); i += 2 {
		p = appendSetting(p, setting(pairs[i]), pairs[i+1])
	}
	return w.frame(frameSettings, 0, 0, string(p))
}

func (w *script) ack() *script { return w.frame(frameSettings, flagAck, 0, "") }

func (w *script) word(kind frameType, stream, n uint32) *script {
	return w.frame(kind, 0, stream, string(binary.BigEndian.AppendUint32(nil, n)))
}

// block encodes pairs of names and values as literals that are not indexed.
func block(fields ...string) string {
	var b bytes.Buffer
	e := xhpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0)
	for i := 0; i < len(fields); i += 2 {
		if err := e.WriteField(xhpack.HeaderField{Name: fields[i], Value: fields[i+1], Sensitive: true}); err != nil {
			panic(err)
		}
	}
	return b.String()[1:] // without the size update
}

func (w *script) headers(stream uint32, end bool, fields ...string) *script {
	flags := uint8(flagEndHeaders)
	if end {
		flags |= flagEndStream
	}
	return w.frame(frameHeaders, flags, stream, block(fields...))
}

// get is a request that nothing is wrong with, with more fields behind it.
func (w *script) get(stream uint32, fields ...string) *script {
	return w.headers(stream, true, append(requestLine("GET"), fields...)...)
}

// post is one whose body follows.
func (w *script) post(stream uint32, fields ...string) *script {
	return w.headers(stream, false, append(requestLine("POST"), fields...)...)
}

func requestLine(method string) []string {
	return []string{":method", method, ":scheme", "http", ":authority", "a.example", ":path", "/"}
}

func (w *script) data(stream uint32, end bool, s string) *script {
	var flags uint8
	if end {
		flags = flagEndStream
	}
	return w.frame(frameData, flags, stream, s)
}

// end is one codec with its owner, driven by scripts.
type end struct {
	codec *conn
	env   *protocols.Env
	sink  protocoltest.Recorder
	out   protocoltest.Output
	left  []byte
	now   time.Duration
	err   error
	seen  *xhttp2.Framer // reads what the codec writes
	wire  bytes.Buffer
}

func newEnd(r role, l protocols.Limits) *end {
	e := &end{env: protocols.NewEnv(l)}
	if e.codec = newServer(e.env); r == roleClient {
		e.codec = newClient(e.env)
	}
	e.seen = xhttp2.NewFramer(io.Discard, &e.wire)
	e.seen.ReadMetaHeaders = xhpack.NewDecoder(4096, nil)
	e.seen.MaxHeaderListSize = 1 << 20
	return e
}

// server returns a server that has met its client: what it said about it is forgotten.
func server(t testing.TB, l protocols.Limits) *end {
	e := newEnd(roleServer, l)
	e.recv(hello().ack())
	if e.err != nil {
		t.Fatal(e.err)
	}
	e.frames()
	return e
}

// client returns a client with one request on its way, stream 1, whose server has said hello.
func client(t testing.TB, l protocols.Limits, h *protocols.Header) *end {
	e := newEnd(roleClient, l)
	if h == nil {
		h = requestHeader("GET", "/")
	}
	if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: h, End: len(h.Upgrade()) == 0 && h.Method != protocols.MethodConnect}); err != nil {
		t.Fatal(err)
	}
	e.recv(new(script).settings().ack())
	if e.err != nil {
		t.Fatal(e.err)
	}
	e.frames()
	return e
}

func (e *end) encode(ev protocols.Event) error {
	_, err := e.codec.Encode(e.now, &ev, &e.out)
	return err
}

// recv lets bytes arrive, all at once.
func (e *end) recv(w *script) *end { return e.recvIn(w, len(w.b)+1) }

// recvIn lets them arrive in pieces.
func (e *end) recvIn(w *script, size int) *end {
	for b := w.b; len(b) > 0 && e.err == nil; {
		k := min(size, len(b))
		e.left = append(e.left, b[:k]...)
		b = b[k:]
		e.decode()
	}
	return e
}

func (e *end) decode() {
	for len(e.left) > 0 && e.err == nil {
		n, err := e.codec.Decode(e.now, bytes.Clone(e.left), &e.sink, &e.out)
		e.left, e.err = e.left[n:], err
		if n == 0 && !e.codec.Status().Yielded {
			return
		}
	}
}

// frames tells what the codec has written, as golang.org/x/net reads it.
func (e *end) frames() (lines []string) {
	e.wire.Write(e.out.Take())
	if b := e.wire.Bytes(); bytes.HasPrefix(b, []byte(preface)) {
		e.wire.Next(len(preface))
	} else if bytes.HasPrefix(b, []byte("HTTP/1.1")) {
		e.wire.Reset()
		return []string{string(b)}
	}
	for {
		f, err := e.seen.ReadFrame()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			return append(lines, "UNREADABLE "+err.Error())
		}
		lines = append(lines, describe(f))
	}
}

func describe(f xhttp2.Frame) string {
	h := f.Header()
	switch f := f.(type) {
	case *xhttp2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ack"
		}
		s := "SETTINGS"
		_ = f.ForeachSetting(func(x xhttp2.Setting) error {
			s += fmt.Sprintf(" %d=%d", x.ID, x.Val)
			return nil
		})
		return s
	case *xhttp2.MetaHeadersFrame:
		s := fmt.Sprintf("HEADERS %d", h.StreamID)
		for _, x := range f.Fields {
			s += fmt.Sprintf(" %s=%s", x.Name, x.Value)
		}
		if f.StreamEnded() {
			s += " END"
		}
		return s
	case *xhttp2.DataFrame:
		s := fmt.Sprintf("DATA %d %d", h.StreamID, len(f.Data()))
		if f.StreamEnded() {
			s += " END"
		}
		return s
	case *xhttp2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %v", h.StreamID, f.ErrCode)
	case *xhttp2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %v", f.LastStreamID, f.ErrCode)
	case *xhttp2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", h.StreamID, f.Increment)
	case *xhttp2.PingFrame:
		if f.IsAck() {
			return "PING ack"
		}
		return "PING"
	}
	return fmt.Sprintf("%v %d", h.Type, h.StreamID)
}

// expect compares what came of a step: the events, the frames, the error.
func (e *end) expect(t *testing.T, name string, events, frames []string, reason protocols.Reason) {
	t.Helper()
	if got := e.sink.Take(); !slices.Equal(got, events) {
		t.Errorf("%s: the events are\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(events, "\n"))
	}
	if got := e.frames(); !slices.Equal(got, frames) {
		t.Errorf("%s: the frames are\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(frames, "\n"))
	}
	var err *protocols.Error
	got := protocols.ReasonNone
	if errors.As(e.err, &err) {
		got = err.Reason
	}
	if got != reason {
		t.Errorf("%s: the error is %v, want %v", name, e.err, reason)
	}
}
