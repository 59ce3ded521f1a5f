package bolt

import (
	"encoding/binary"
	"hash/crc32"
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

// readdress is the frame b with another id, and the CRC32 that belongs to it.
func readdress(tb testing.TB, b []byte, id uint32) []byte {
	tb.Helper()
	f, _, r := parseFrame(b)
	if r != nil {
		tb.Fatal(r.Request.Detail)
	}
	b = append([]byte(nil), b...)
	binary.BigEndian.PutUint32(b[idOffset(f.version):], id)
	if f.summed() {
		sum := b[len(b)-sumBytes:]
		binary.BigEndian.PutUint32(sum, crc32.ChecksumIEEE(b[:len(b)-sumBytes]))
	}
	return b
}

// The library's frames pass through both codecs as they are, but for the id on the way up.
func TestGoldenFramesPass(t *testing.T) {
	for _, g := range goldens(t) {
		if strings.HasSuffix(g.Name, "heartbeat") {
			continue
		}
		t.Run(g.Name, func(t *testing.T) {
			down, up := newEnd(t, true, protocols.Limits{}), newEnd(t, false, protocols.Limits{})
			var id, upID protocols.StreamID
			down.sink.then = func(ev *protocols.Event) protocols.Verdict {
				id = ev.Stream
				e := *ev
				if e.Stream = upID; e.Kind == protocols.KindHead {
					e.Stream = 0
				}
				upID = up.encode(e)
				return protocols.More
			}
			up.sink.then = func(ev *protocols.Event) protocols.Verdict {
				e := *ev
				e.Stream = id
				down.encode(e)
				return protocols.More
			}
			down.receive(g.Request)
			if got, want := up.out.Take(), readdress(t, g.Request, uint32(upID)); string(got) != string(want) {
				t.Fatalf("passed on as\n%x, want\n%x", got, want)
			}
			if g.Response == nil {
				if !down.codec.Status().Idle || !up.codec.Status().Idle {
					t.Error("a one-way call stays open")
				}
				return
			}
			up.receive(readdress(t, g.Response, uint32(upID)))
			if got := down.out.Take(); string(got) != string(g.Response) {
				t.Fatalf("answered by\n%x, want\n%x", got, g.Response)
			}
			if down.err != nil || up.err != nil || !down.codec.Status().Idle || !up.codec.Status().Idle {
				t.Errorf("errors %v, %v", down.err, up.err)
			}
		})
	}
}

// What is read of the library's frames is what was called.
func TestGoldenFramesAreUnderstood(t *testing.T) {
	seen := 0
	for _, g := range goldens(t) {
		if !strings.HasSuffix(g.Name, "-headers") {
			continue
		}
		seen++
		e := newEnd(t, true, protocols.Limits{})
		e.receive(g.Request)
		e.want(`4096 head `+g.Name[:2]+` java.lang.String timeout=3000 coding=1 length=6 service="com.example.Echo:1.0" sofa_head_method_name="echo" empty=""`,
			`4096 data "\x05hello" end`)
	}
	if seen != 2 {
		t.Errorf("%d golden calls with a header map", seen)
	}
}

// A head that was changed and changed back is made anew as the library makes it.
func TestGoldenFramesAreMadeAnew(t *testing.T) {
	for _, g := range goldens(t) {
		if strings.HasSuffix(g.Name, "heartbeat") {
			continue
		}
		down, up := newEnd(t, true, protocols.Limits{}), newEnd(t, false, protocols.Limits{})
		var upID protocols.StreamID
		down.sink.then = func(ev *protocols.Event) protocols.Verdict {
			e := *ev
			e.Stream = upID
			if e.Kind == protocols.KindHead {
				e.Stream = 0
				e.Header.AddString("x", "y")
				e.Header.DelName("x")
			}
			upID = up.encode(e)
			return protocols.More
		}
		down.receive(g.Request)
		if got, want := up.out.Take(), readdress(t, g.Request, uint32(upID)); string(got) != string(want) {
			t.Errorf("%s: passed on as\n%x, want\n%x", g.Name, got, want)
		}
	}
}

// Heartbeats of ours are those of the library.
func TestGoldenHeartbeats(t *testing.T) {
	seen := 0
	for _, g := range goldens(t) {
		if !strings.HasSuffix(g.Name, "heartbeat") {
			continue
		}
		seen++
		e := newEnd(t, true, protocols.Limits{})
		e.receive(g.Request)
		if got := e.out.Take(); string(got) != string(g.Response) {
			t.Errorf("%s: answered by\n%x, want\n%x", g.Name, got, g.Response)
		}
		version := g.Request[0]
		ours := rpc.Frame{ID: uint64(binary.BigEndian.Uint32(g.Request[idOffset(version):])), Mark: rpc.Mark(version), Kind: rpc.Request,
			Command: rpc.Heartbeat}
		if got := (format{}).AppendOwn(nil, &ours, protocols.ReasonNone); string(got) != string(g.Request) {
			t.Errorf("%s: ours is\n%x, want\n%x", g.Name, got, g.Request)
		}
	}
	if seen != 2 {
		t.Errorf("%d golden heartbeats", seen)
	}
}

func TestGoldenFramesAreDetected(t *testing.T) {
	for _, g := range goldens(t) {
		for n := range g.Request {
			want := protocols.MatchMaybe
			if n >= 4+int(g.Request[0]-version1) {
				want = protocols.MatchYes
			}
			if got := detect(g.Request[:n]); got != want {
				t.Fatalf("%s: %d bytes give %v, want %v", g.Name, n, got, want)
			}
		}
	}
	for _, other := range []string{"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "\x16\x03\x01\x02\x00", "\x00", "\x03", "\x01\x00\x00\x02", "\x01\x03",
		"\x01\x01\x01", "\x01\x01\x00\x02", "\x02\x03", "\x02\x01\x00", "\x02\x01\x01\x01", "\x02\x01\x01\x00\x02", "\xda\xbb"} {
		if got := detect([]byte(other)); got != protocols.MatchNo {
			t.Errorf("%q is %v", other, got)
		}
	}
}
