package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
	"sluice/protocols/rpc"
)

// The two ends, and what these tests know of package rpc.
type (
	server = rpc.Server
	client = rpc.Client
)

const (
	slotBits  = 12 // of a stream's id, its place in the table
	maxSlots  = 1 << slotBits
	pingMark  = 1 << 31 // in the ids of pings
	whole     = 32 << 10
	window    = 64 << 10
	maxStarts = 64
	quiet     = 500 * time.Millisecond
)

// wire is a frame as a test writes it. The zero values are those of version 1, a request and Hessian 2.
type wire struct {
	v2      bool
	kind    int // kindRequest unless it is set; response: kindResponse with resp
	resp    bool
	command int
	id      uint32
	coding  byte
	timeout int32
	status  uint16
	class   string
	fields  []string // pairs; "\x00null" is a null string
	block   string   // instead of fields
	content string
	sum     bool // version 2 with ver1 == 2 and the switch
}

const nullString = "\x00null"

func (w wire) bytes() []byte {
	f := frame{version: version1, ver1: 1, ver2: 1, kind: kindRequest, command: commandRequest, id: w.id,
		coding: codingHessian2, timeout: uint32(w.timeout), status: w.status, class: uint16(len(w.class)),
		content: len(w.content)}
	if w.v2 || w.sum {
		f.version = version2
	}
	if w.sum {
		f.ver1, f.toggles = 2, switchSum
	}
	if w.kind != 0 {
		f.kind = uint8(w.kind)
	}
	if w.resp {
		f.kind, f.command = kindResponse, commandResponse
	}
	if w.command != 0 {
		f.command = uint16(w.command)
		if w.command < 0 {
			f.command = commandHeartbeat
		}
	}
	if w.coding != 0 {
		f.coding = w.coding
	}
	block := []byte(w.block)
	for _, s := range w.fields {
		if s == nullString {
			block = binary.BigEndian.AppendUint32(block, null)
			continue
		}
		block = appendString(block, s)
	}
	f.block = uint16(len(block))
	b := append(append(append(f.append(nil), w.class...), block...), w.content...)
	if w.sum {
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	return b
}

// request and answer are the small exchange of most tests.
func request(id uint32) wire {
	return wire{id: id, timeout: 3000, class: "com.alipay.sofa.rpc.core.request.SofaRequest",
		fields:  []string{"service", "com.example.Echo:1.0", "sofa_head_method_name", "echo", "rpc_trace_context.sofaRpcId", "0"},
		content: strings.Repeat("h", 128)}
}

func answer(id uint32) wire {
	return wire{resp: true, id: id, class: "com.alipay.sofa.rpc.core.response.SofaResponse", content: strings.Repeat("r", 128)}
}

// sink records what it gets, one line for each event, and keeps the last head.
type sink struct {
	lines []string
	head  protocols.Header
	then  func(ev *protocols.Event) protocols.Verdict
	data  []byte
	id    protocols.StreamID
	owner any
}

func (s *sink) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind != protocols.KindData || ev.Stream != s.id {
		s.flush()
	}
	switch ev.Kind {
	case protocols.KindHead:
		h := ev.Header
		line := fmt.Sprintf("%d head v%d %s", ev.Stream, h.Minor, h.Class())
		if h.Status != 0 {
			line += fmt.Sprintf(" status=%d code=%d", h.Status, h.Code)
		} else {
			line += fmt.Sprintf(" timeout=%d", h.Timeout)
		}
		line += fmt.Sprintf(" coding=%d length=%d", h.Coding, h.ContentLength)
		if h.OneWay {
			line += " oneway"
		}
		for i := range h.Len() {
			if _, name, value, ok := h.Field(i); ok {
				line += fmt.Sprintf(" %s=%q", name, value)
			}
		}
		s.add(line, ev.End)
		s.head.CopyFrom(h)
	case protocols.KindData:
		s.id, s.owner = ev.Stream, ev.Owner
		s.data = append(s.data, ev.Data...)
		if ev.End {
			s.flushEnd(true)
		}
	case protocols.KindReset, protocols.KindGoAway:
		s.add(fmt.Sprintf("%d %s %s", ev.Stream, ev.Kind, ev.Reason), false)
	case protocols.KindCredit:
		s.add(fmt.Sprintf("%d credit", ev.Stream), false)
	case protocols.KindTrailer:
		s.add("trailer", ev.End)
	}
	if s.then != nil {
		return s.then(ev)
	}
	return protocols.More
}

func (s *sink) add(line string, end bool) {
	if end {
		line += " end"
	}
	s.lines = append(s.lines, line)
}

func (s *sink) flush() {
	if s.id != 0 {
		s.flushEnd(false)
	}
}

func (s *sink) flushEnd(end bool) {
	text := fmt.Sprintf("%q", s.data)
	if len(s.data) > 64 {
		text = fmt.Sprintf("%d bytes, crc %08x", len(s.data), crc32.ChecksumIEEE(s.data))
	}
	s.add(fmt.Sprintf("%d data %s", s.id, text), end)
	s.data, s.id = s.data[:0], 0
}

func (s *sink) take() []string {
	s.flush()
	lines := s.lines
	s.lines = nil
	return lines
}

// end is one codec with its owner.
type end struct {
	t     testing.TB
	codec protocols.Multiplexer
	env   *protocols.Env
	sink  sink
	out   protocoltest.Output
	left  []byte
	err   error
}

func newEnd(t testing.TB, server bool, l protocols.Limits) *end {
	env := protocols.NewEnv(l)
	e := &end{t: t, env: env}
	if server {
		e.codec = newServer(env)
	} else {
		e.codec = newClient(env)
	}
	return e
}

// receive gives the codec b behind what it has left.
func (e *end) receive(b []byte) {
	e.t.Helper()
	e.left = append(e.left, b...)
	for e.err == nil {
		n, err := e.codec.Decode(1, append([]byte(nil), e.left...), &e.sink, &e.out)
		if n < 0 || n > len(e.left) {
			e.t.Fatalf("Decode used %d of %d bytes", n, len(e.left))
		}
		e.left = e.left[n:]
		e.err = err
		if n == 0 || err != nil || len(e.left) == 0 && !e.codec.Status().Yielded {
			return
		}
	}
}

// encode encodes ev, all of it.
func (e *end) encode(ev protocols.Event) protocols.StreamID {
	e.t.Helper()
	n, err := e.codec.Encode(1, &ev, &e.out)
	if err != nil || n != len(ev.Data) {
		e.t.Fatalf("%s: took %d of %d, %v", ev.Kind, n, len(ev.Data), err)
	}
	return ev.Stream
}

// want compares the events since the last time.
func (e *end) want(lines ...string) {
	e.t.Helper()
	if got := strings.Join(e.sink.take(), "\n"); got != strings.Join(lines, "\n") {
		e.t.Errorf("events:\n%s\nwant:\n%s", got, strings.Join(lines, "\n"))
	}
}

// wantOut compares what was written since the last time.
func (e *end) wantOut(frames ...wire) {
	e.t.Helper()
	var want []byte
	for _, w := range frames {
		want = append(want, w.bytes()...)
	}
	if got := e.out.Take(); string(got) != string(want) {
		e.t.Errorf("output:\n%q\nwant:\n%q", got, want)
	}
}

// headOf makes a head that was not decoded.
func headOf(status int, length int64, fields ...string) *protocols.Header {
	h := new(protocols.Header)
	h.Reset()
	h.Status = status
	h.ContentLength = length
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	return h
}

// decoded makes the head that a codec decodes from w, and its content.
func decoded(t testing.TB, w wire) (*protocols.Header, []byte) {
	t.Helper()
	e := newEnd(t, !w.resp, protocols.Limits{})
	h := new(protocols.Header)
	e.sink.then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Header != nil {
			h.CopyFrom(ev.Header)
		}
		return protocols.More
	}
	if w.resp {
		w.id = uint32(e.encode(protocols.Event{Kind: protocols.KindHead, Header: headOf(0, -1), End: true}))
	}
	e.receive(w.bytes())
	if e.err != nil {
		t.Fatal(e.err)
	}
	return h, []byte(w.content)
}

// parseFrame reads the fixed part at the start of b; n is its length, or 0 when b is too short.
func parseFrame(b []byte) (f frame, n int, r *rpc.Rule) {
	n, r = f.parse(b)
	return f, n, r
}
