package dubbo

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
	"sluice/protocols/protocoltest"
	"sluice/protocols/rpc"
)

// goldens are what the Java library said and was told: testdata/java/README.md.
func goldens(tb testing.TB) []protocoltest.Golden {
	return protocoltest.Goldens(tb, "testdata/golden.txt")
}

// The library's calls pass through both codecs as they are, but for the id on the way up.
func TestGoldenFramesPass(t *testing.T) {
	seen := 0
	for _, g := range goldens(t) {
		if g.Request == nil || g.Name == "heartbeat" {
			continue
		}
		seen++
		for _, size := range []int{1, 7, 1 << 20} {
			down, up, ids := newHop(t, protocols.Limits{})
			down.receive(g.Request, size)
			if got := up.out.Take(); !bytes.Equal(got, addressed(g.Request, first)) {
				t.Fatalf("%s: passed on as\n%x, want\n%x", g.Name, got, g.Request)
			}
			if g.Response == nil {
				if !down.codec.Status().Idle || !up.codec.Status().Idle {
					t.Errorf("%s: the call stays open", g.Name)
				}
				continue
			}
			up.sink.Then = func(ev *protocols.Event) protocols.Verdict {
				e := *ev
				for id, upID := range ids {
					if upID == ev.Stream {
						e.Stream = id
					}
				}
				down.encode(e)
				return protocols.More
			}
			up.receive(addressed(g.Response, first), size)
			if got := down.out.Take(); !bytes.Equal(got, g.Response) {
				t.Fatalf("%s: answered by\n%x, want\n%x", g.Name, got, g.Response)
			}
			if down.err != nil || up.err != nil || !down.codec.Status().Idle || !up.codec.Status().Idle {
				t.Errorf("%s: errors %v, %v", g.Name, down.err, up.err)
			}
		}
	}
	if seen != 6 {
		t.Errorf("%d golden calls", seen)
	}
}

// What is read of the library's calls is what was called; a head that is made anew from it is what the library wrote.
func TestGoldenCallsAreUnderstood(t *testing.T) {
	for _, g := range goldens(t) {
		want := map[string]string{
			"call":       "dubbo: 2.0.2|service: Golden$Echo|version: 1.2.3|method: echo",
			"no-version": "dubbo: 2.0.2|service: Golden$Echo|version: 0.0.0|method: echo",
			"no-service": "dubbo: 2.0.2|service: Golden$Echo|version: 9|method: echo",
			"oneway":     "dubbo: 2.0.2|service: Golden$Echo|version: 1.2.3|method: tell",
		}[g.Name]
		if want == "" {
			continue
		}
		e := newEnd(t, true, protocols.Limits{})
		var made []byte
		e.sink.Then = func(ev *protocols.Event) protocols.Verdict {
			if ev.Kind == protocols.KindHead {
				if ev.Header.OneWay != (g.Name == "oneway") {
					t.Errorf("%s: one-way is %v", g.Name, ev.Header.OneWay)
				}
				ev.Header.SetString("service", string(ev.Header.Lookup("service")))
				f := rpc.Frame{Kind: rpc.Request}
				if _, err := (format{}).Begin(&f, 0, ev.Header); err != nil || f.Same {
					t.Errorf("%s: %v", g.Name, err)
				}
				f.Content = int(ev.Header.ContentLength)
				made = (format{}).AppendHead(nil, &f, ev.Header)
			}
			return protocols.More
		}
		e.receive(g.Request, 1<<20)
		var got []string
		for _, line := range e.sink.Take() {
			if field, ok := strings.CutPrefix(line, "  "); ok {
				got = append(got, field)
			}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", g.Name, got, want)
		}
		address(made, 0)
		if !bytes.HasPrefix(addressed(g.Request, 0), made) {
			t.Errorf("%s: made anew it is\n%x, want\n%x", g.Name, made, g.Request)
		}
	}
}

// Heartbeats, their answers and the end of calls are those of the library.
func TestGoldenEvents(t *testing.T) {
	for _, g := range goldens(t) {
		switch g.Name {
		case "heartbeat":
			e := newEnd(t, true, protocols.Limits{})
			e.receive(g.Request, 1)
			if got := e.out.Take(); !bytes.Equal(got, g.Response) {
				t.Errorf("answered by\n%x, want\n%x", got, g.Response)
			}
			ours := rpc.Frame{Kind: rpc.Request, Command: rpc.Heartbeat}
			if got := (format{}).AppendOwn(nil, &ours, protocols.ReasonNone); !bytes.Equal(got, addressed(g.Request, 0)) {
				t.Errorf("ours is\n%x, want\n%x", got, g.Request)
			}
		case "read-only":
			e := newEnd(t, false, protocols.Limits{})
			e.receive(g.Response, 1)
			if got := e.sink.Take(); !slices.Equal(got, []string{"0 goaway drained"}) {
				t.Errorf("understood as %q", got)
			}
			ours := rpc.Frame{Kind: rpc.Request, Command: rpc.GoAway}
			if got := (format{}).AppendOwn(nil, &ours, protocols.ReasonNone); !bytes.Equal(got, addressed(g.Response, 0)) {
				t.Errorf("ours is\n%x, want\n%x", got, g.Response)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	for _, g := range goldens(t) {
		for n := 0; n <= min(len(g.Request), 20); n++ {
			want := protocols.MatchMaybe
			if n >= prefixLen {
				want = protocols.MatchYes
			}
			if got := detect(g.Request[:n]); got != want {
				t.Fatalf("%s: %d bytes give %v, want %v", g.Name, n, got, want)
			}
		}
	}
	for _, other := range []string{"GET / HTTP/1.1\r\n", "\x01\x01\x00\x01\x01", "\xda\xbc", "\xda\xbb\x02"} {
		if got := detect([]byte(other)); got != protocols.MatchNo {
			t.Errorf("%q is %v", other, got)
		}
	}
}
