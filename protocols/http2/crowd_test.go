package http2

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

// gather opens requests on a connection of e's loop of their own until the loop has n.
func gather(t *testing.T, e *end, n int) *end {
	t.Helper()
	other := &end{env: e.env, codec: newClient(e.env)}
	for range n - e.codec.loop.requests {
		if err := other.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}); err != nil {
			t.Fatal(err)
		}
		if other.codec.streams.n == 1 {
			other.recv(new(script).settings()) // no limit on streams
		}
	}
	return other
}

// settingsIn returns the SETTINGS among frames.
func settingsIn(frames []string) []string {
	return slices.DeleteFunc(frames, func(s string) bool { return !strings.HasPrefix(s, "SETTINGS ") })
}

// Among many streams a client's window is smaller, also that of the streams that it has already, as far as it is not used up.
func TestWindowInACrowd(t *testing.T) {
	e := client(t, protocols.Limits{}, nil)
	request := func() []string {
		t.Helper()
		if err := e.encode(protocols.Event{Kind: protocols.KindHead, Header: requestHeader("GET", "/"), End: true}); err != nil {
			t.Fatal(err)
		}
		return settingsIn(e.frames())
	}
	if got := request(); len(got) > 0 {
		t.Errorf("there is no crowd: %v", got)
	}
	other := gather(t, e, crowdFrom)
	if got, want := request(), []string{"SETTINGS 4=4096"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	first, last := e.codec.streams.get(1), e.codec.streams.get(5)
	if first.recv != clientWindow || last.recv != crowdedWindow {
		t.Errorf("before the peer knows, the windows are %d and %d", first.recv, last.recv)
	}
	if got := request(); len(got) > 0 {
		t.Errorf("said again: %v", got)
	}
	// What the peer sent before it knew counts as it did then.
	e.sink.Then = pausing
	e.recv(new(script).headers(1, false, ":status", "200").data(1, false, strings.Repeat("x", 10_000)).ack().
		headers(5, false, ":status", "200").data(5, false, strings.Repeat("x", crowdedWindow)))
	if e.err != nil || first.recv != crowdedWindow-10_000 || last.recv != 0 || e.env.Owed != 10_000+crowdedWindow {
		t.Errorf("%v, the windows are %d and %d, %d are owed", e.err, first.recv, last.recv, e.env.Owed)
	}
	e.frames()
	e.now = time.Second // not so quick that the window grows
	if err := e.encode(protocols.Event{Kind: protocols.KindCredit, Stream: 1, N: 10_000}); err != nil {
		t.Fatal(err)
	}
	if got, want := e.frames(), []string{"WINDOW_UPDATE 1 10000"}; !slices.Equal(got, want) || first.recv != crowdedWindow {
		t.Errorf("%v, want %v; the window is %d", got, want, first.recv)
	}
	other.codec.Closed()
	if got, want := request(), []string{"SETTINGS 4=16384"}; !slices.Equal(got, want) {
		t.Errorf("the crowd is gone: %v, want %v", got, want)
	}
	e.recv(new(script).ack())
	if last.recv != clientWindow-crowdedWindow || last.recvMax != clientWindow {
		t.Errorf("the window is %d of %d", last.recv, last.recvMax)
	}
	e.codec.Closed()
	if n := e.codec.loop.requests; n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// A client's connection may hold the first windows of all of its streams: they belong to many who do not know each other.
func TestClientHoldsFirstWindows(t *testing.T) {
	e := client(t, protocols.Limits{Owed: 1000}, nil)
	e.sink.Then = pausing
	e.recv(new(script).headers(1, false, ":status", "200").data(1, false, strings.Repeat("x", clientWindow)))
	if e.err != nil || e.codec.owed != clientWindow || e.codec.streams.n != 1 {
		t.Errorf("%v, %d are owed by %d streams", e.err, e.codec.owed, e.codec.streams.n)
	}
}

// No window grows while the streams of the loop hold much.
func TestNoWindowGrowsBesideStalledStreams(t *testing.T) {
	for owed, want := range map[int]int32{0: 2 * clientWindow, 1 << 20: clientWindow} {
		e := client(t, protocols.Limits{OwedOnLoop: 1 << 20}, nil)
		e.codec.timers.rtt = shortestTrip
		e.env.Owed = owed
		e.recv(new(script).headers(1, false, ":status", "200").data(1, false, strings.Repeat("x", clientWindow/2)))
		if got := e.codec.streams.get(1).recvMax; got != want {
			t.Errorf("%d bytes are held: the window is %d, want %d", owed, got, want)
		}
	}
}
