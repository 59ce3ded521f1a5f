package tcp

import (
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
)

// listener records what a codec tells, as one line an event.
type listener struct {
	lines   []string
	verdict protocols.Verdict
}

func (l *listener) Event(ev *protocols.Event) protocols.Verdict {
	line := ev.Kind.String() + " " + string(ev.Data)
	if ev.End {
		line += " end"
	}
	l.lines = append(l.lines, line)
	return l.verdict
}

func (l *listener) want(t *testing.T, lines ...string) {
	t.Helper()
	if len(l.lines) != len(lines) {
		t.Fatalf("events %q, want %q", l.lines, lines)
	}
	for i := range lines {
		if l.lines[i] != lines[i] {
			t.Fatalf("events %q, want %q", l.lines, lines)
		}
	}
	l.lines = nil
}

func TestServerOpensItsStreamWithoutAByte(t *testing.T) {
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	var l listener
	var out protocoltest.Output
	l.verdict = protocols.Pause // the upstream is not connected yet
	if n, err := c.Decode(0, nil, &l, &out); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	l.want(t, "head ")
	l.verdict = protocols.More
	if n, err := c.Decode(0, []byte("abc"), &l, &out); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	l.want(t, "data abc")
	if err := c.DecodeEOF(0, []byte("d"), &l, &out); err != nil {
		t.Fatal(err)
	}
	l.want(t, "data d end")
	if s := c.Status(); s.Phase != protocols.PhaseTunnel {
		t.Errorf("with one direction open the phase is %d", s.Phase)
	}
	if err := c.DecodeEOF(0, nil, &l, &out); err != nil {
		t.Fatal(err)
	}
	l.want(t) // an end is told once
	encode(t, c, &out, protocols.Event{Kind: protocols.KindData, Data: []byte("xyz"), End: true})
	if s := c.Status(); s.Phase != protocols.PhaseClosing {
		t.Errorf("with both directions ended the phase is %d", s.Phase)
	}
}

func TestAHeadThatIsPausedLeavesTheBytes(t *testing.T) {
	c := Protocol().Server(protocols.NewEnv(protocols.Limits{}))
	l := listener{verdict: protocols.Pause}
	var out protocoltest.Output
	if n, err := c.Decode(0, []byte("abc"), &l, &out); n != 0 || err != nil {
		t.Fatalf("%d bytes were used while nobody could take them (%v)", n, err)
	}
	l.want(t, "head ")
}

func TestClientServesOneStream(t *testing.T) {
	c := Protocol().Client(protocols.NewEnv(protocols.Limits{}))
	var l listener
	var out protocoltest.Output
	if s := c.Status(); s.Phase != protocols.PhaseOpen || s.Room != 1 {
		t.Errorf("a fresh connection: %+v", s)
	}
	if _, err := c.Encode(0, &protocols.Event{Kind: protocols.KindData, Data: []byte("x")}, &out); err == nil {
		t.Error("data before the stream was opened")
	}
	head := protocols.Event{Kind: protocols.KindHead}
	if _, err := c.Encode(0, &head, &out); err != nil || head.Stream != 1 {
		t.Fatalf("stream %d, %v", head.Stream, err)
	}
	if s := c.Status(); s.Phase != protocols.PhaseTunnel || s.Room != 0 {
		t.Errorf("a connection in use: %+v", s)
	}
	encode(t, c, &out, protocols.Event{Kind: protocols.KindData, Data: []byte("question"), End: true})
	if _, err := c.Encode(0, &protocols.Event{Kind: protocols.KindData, Data: []byte("x")}, &out); err == nil {
		t.Error("data after the end")
	}
	if n, err := c.Decode(0, []byte("answer"), &l, &out); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	l.want(t, "data answer")
}

func TestResetAborts(t *testing.T) {
	for _, c := range []protocols.Codec{Protocol().Server(protocols.NewEnv(protocols.Limits{})), Protocol().Client(protocols.NewEnv(protocols.Limits{}))} {
		var out protocoltest.Output
		encode(t, c, &out, protocols.Event{Kind: protocols.KindReset})
		if s := c.Status(); s.Phase != protocols.PhaseAbort {
			t.Errorf("phase %d", s.Phase)
		}
	}
}

func encode(t *testing.T, c protocols.Codec, out *protocoltest.Output, ev protocols.Event) {
	t.Helper()
	if n, err := c.Encode(0, &ev, out); n != len(ev.Data) || err != nil {
		t.Fatalf("%s: %d of %d bytes, %v", ev.Kind, n, len(ev.Data), err)
	}
}
