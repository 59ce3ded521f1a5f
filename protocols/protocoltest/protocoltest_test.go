package protocoltest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

// lineCodec is a toy server: each line is a request, each answer's status is sent as a line. It is broken when torn is
// set: then a line must arrive whole, which is what Splits must notice.
type lineCodec struct {
	env  *protocols.Env
	torn bool
	id   protocols.StreamID
}

var errTorn = &protocols.Error{Reason: protocols.ReasonProtocolError, Detail: "half a line"}

func (c *lineCodec) Decode(_ time.Duration, b []byte, sink protocols.Sink, _ protocols.Output) (n int, err error) {
	for n < len(b) {
		i := strings.IndexByte(string(b[n:]), '\n')
		if i < 0 {
			if c.torn {
				return n, errTorn
			}
			return n, nil
		}
		c.id++
		h := &c.env.Scratch
		h.Lend(b[n : n+i])
		h.SpanMethod(0, i)
		c.env.Ev = protocols.Event{Kind: protocols.KindHead, Stream: c.id, Header: h, End: true}
		sink.Event(&c.env.Ev)
		n += i + 1
	}
	return n, nil
}

func (c *lineCodec) DecodeEOF(time.Duration, []byte, protocols.Sink, protocols.Output) error {
	return nil
}

func (c *lineCodec) Encode(_ time.Duration, ev *protocols.Event, out protocols.Output) (int, error) {
	out.Commit(append(out.Reserve(len(ev.Data)+2), ev.Data...))
	out.Write([]byte("\r\n"))
	return len(ev.Data), nil
}

func (c *lineCodec) Status() protocols.Status {
	return protocols.Status{Conditions: protocols.Conditions{Idle: true}}
}

func lineProtocol(torn bool) *protocols.Protocol {
	return &protocols.Protocol{Name: "line",
		Server: func(env *protocols.Env) protocols.Codec { return &lineCodec{env: env, torn: torn} },
		Client: func(env *protocols.Env) protocols.Codec { return &lineCodec{env: env} }}
}

const lineTranscript = `server head_bytes=5
# a comment
>> hello\nwor
>> ld\n
= 1 head hello "" length=-1 end
@ open idle
encode data "answer" end
< answer
@ open idle
`

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "line.txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTranscriptIsParsedAndPlayed(t *testing.T) {
	tr := parse(t, write(t, lineTranscript))
	if !tr.server || tr.limits.HeadBytes != 5 || len(tr.steps) != 2 {
		t.Fatalf("parsed as %+v", tr)
	}
	if got := string(tr.steps[0].bytes); got != "hello\nworld\n" {
		t.Errorf("bytes are %q", got)
	}
	got := playAll(lineProtocol(false), tr, -1, nil)
	want := []string{"= 1 head hello \"\" minor=0 end", "= 2 head world \"\" minor=0 end", "@ open idle"}
	if strings.Join(got[0], "\n") != strings.Join(want, "\n") {
		t.Errorf("outcome %q, want %q", got[0], want)
	}
	if strings.Join(got[1], "\n") != "< answer\n@ open idle" {
		t.Errorf("outcome %q", got[1])
	}
}

func TestSplitsSeeWhatDependsOnThem(t *testing.T) {
	tr := parse(t, write(t, lineTranscript))
	for _, torn := range []bool{false, true} {
		p := lineProtocol(torn)
		differ := false
		whole := strings.Join(playAll(p, tr, -1, nil)[0], "\n")
		for k := range len(tr.steps[0].bytes) {
			differ = differ || strings.Join(playAll(p, tr, 0, []int{k})[0], "\n") != whole
		}
		if differ != torn {
			t.Errorf("torn = %v, but the outcomes differ = %v", torn, differ)
		}
	}
}

func TestMistakesInTranscriptsAreFound(t *testing.T) {
	for _, text := range []string{"nonsense", "server nonsense=1", "> \\q", ">* x y", "encode nonsense", "encode head",
		"encode head 200 nonsense", "encode data nonsense", "+ a: b", "encode head 200 length=x"} {
		tr := &transcript{steps: []stepText{{}}}
		if err := tr.parseLine(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestOutputIsStrict(t *testing.T) {
	for name, misuse := range map[string]func(o *Output){
		"Commit without Reserve":  func(o *Output) { o.Commit(nil) },
		"Reserve twice":           func(o *Output) { o.Reserve(1); o.Reserve(1) },
		"Write within":            func(o *Output) { o.Reserve(1); o.Write([]byte("x")) },
		"Commit of another slice": func(o *Output) { o.Reserve(1); o.Commit([]byte("x")) },
		"more than was reserved":  func(o *Output) { o.Commit(append(o.Reserve(3), "much more than three"...)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nobody complains", name)
				}
			}()
			misuse(&Output{B: []byte("before")})
		}()
	}
}

func TestRecorderJoinsData(t *testing.T) {
	var r Recorder
	for _, ev := range []protocols.Event{
		{Kind: protocols.KindData, Stream: 1, Data: []byte("a")},
		{Kind: protocols.KindData, Stream: 1, Data: []byte("b")},
		{Kind: protocols.KindData, Stream: 3, Data: []byte("c"), End: true},
		{Kind: protocols.KindData, Stream: 1, End: true},
		{Kind: protocols.KindReset, Stream: 1, Reason: protocols.ReasonClientGone},
		{Kind: protocols.KindCredit, Stream: 1, N: 5},
	} {
		if r.Event(&ev) != protocols.More {
			t.Error("the recorder pauses")
		}
	}
	const want = `1 data "ab"|3 data "c" end|1 data "" end|1 reset client_gone|1 credit 5`
	if got := strings.Join(r.Take(), "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
