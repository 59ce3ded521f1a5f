package looptest_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
	"sluice/loop/looptest"
)

var upstream = looptest.Addr("192.0.2.80", 80)

// relay passes bytes between two connections; it answers for itself when the other one can't be opened.
type relay struct {
	to      loop.Conn
	timer   loop.Timer
	idle    time.Duration
	timeout time.Duration
	closed  error
}

func (r *relay) Accept(c loop.Conn) loop.Handler {
	r.timer.Init(r)
	back := &relay{to: c}
	out, err := c.Loop().Dial(loop.DialOptions{Addr: upstream, Timeout: r.timeout}, back)
	if err != nil {
		c.Write([]byte(err.Error()))
		c.Close(loop.CloseFlushed, err)
		return r
	}
	r.to = out
	return r
}

func (r *relay) Opened(loop.Conn) {}

func (r *relay) Received(c loop.Conn, b []byte) int {
	if r.idle > 0 {
		c.Loop().Arm(&r.timer, c.Loop().Now()+r.idle)
	}
	r.to.Commit(append(r.to.Reserve(len(b)), b...))
	return len(b)
}

func (r *relay) ReadClosed(loop.Conn, []byte) { r.to.CloseWrite() }
func (r *relay) Drained(loop.Conn)            { r.to.Resume() }

func (r *relay) Closed(_ loop.Conn, err error) {
	r.closed = err
	if r.to != nil {
		r.to.Close(loop.CloseFlushed, err)
	}
}

func (r *relay) Expired(*loop.Timer, time.Duration) { r.to.Close(loop.CloseNow, errors.New("idle")) }

func TestExchange(t *testing.T) {
	l := looptest.New(t)
	l.Listen(upstream, func(p *looptest.Peer) {
		p.OnReceive(func(b []byte) { p.Send(strings.ToUpper(string(b))) })
		p.OnEOF(p.Close)
	})
	h := &relay{idle: 30 * time.Second}
	client := l.Connect(h)
	client.Send("hello")
	l.Run()
	if got := client.Take(); got != "HELLO" {
		t.Fatalf("got %q", got)
	}
	l.Calls()
	for range 100 {
		client.Send("again")
		l.Run()
	}
	// The request path: read, write, read, write, and nothing else.
	if got, want := l.Calls(), (looptest.Calls{Reads: 200, Writes: 200}); got != want {
		t.Errorf("100 exchanges cost %+v, want %+v", got, want)
	}
	l.Advance(29 * time.Second)
	if client.Closed() {
		t.Error("closed too early")
	}
	l.Advance(2 * time.Second)
	if !client.Closed() || !client.EOF() || len(l.Peers()) != 2 || !l.Peers()[1].Closed() {
		t.Error("the idle timer did not close both connections")
	}
	if _, armed := l.Armed(); armed {
		t.Error("an idle loop ticks")
	}
}

// TestPauseCostsNothing checks that the poller is never asked, and that what came meanwhile is read once.
func TestPauseCostsNothing(t *testing.T) {
	l := looptest.New(t)
	var c loop.Conn
	p := l.Connect(acceptFunc(func(conn loop.Conn) loop.Handler { c = conn; return &sink{} }))
	l.Run()
	l.Calls()
	for range 10 {
		l.Do(c.Pause)
		l.Do(c.Resume)
	}
	if calls := l.Calls(); calls.Watches+calls.Reads != 0 {
		t.Errorf("ten pauses without an event cost %+v", calls)
	}
	l.Do(c.Pause)
	for range 10 {
		p.Send("x")
		l.Run()
	}
	l.Do(c.Resume)
	if calls := l.Calls(); calls.Watches != 0 || calls.Reads != 1 {
		t.Errorf("one pause with events cost %+v", calls)
	}
}

type acceptFunc func(loop.Conn) loop.Handler

func (f acceptFunc) Accept(c loop.Conn) loop.Handler { return f(c) }

type sink struct {
	n   int
	err error
}

func (s *sink) Opened(loop.Conn)                   {}
func (s *sink) Received(_ loop.Conn, b []byte) int { s.n += len(b); return len(b) }
func (s *sink) ReadClosed(c loop.Conn, _ []byte)   { c.Close(loop.CloseFlushed, nil) }
func (s *sink) Drained(loop.Conn)                  {}
func (s *sink) Closed(_ loop.Conn, err error)      { s.err = err }

func TestDialOutcomes(t *testing.T) {
	l := looptest.New(t)
	h := &relay{}
	client := l.Connect(h)
	l.Run()
	if !errors.Is(h.closed, syscall.ECONNREFUSED) || !client.Closed() {
		t.Errorf("an address where nobody listens: %v", h.closed)
	}
	l.FailDial(upstream, syscall.ENETUNREACH, true)
	client = l.Connect(h)
	l.Run()
	if got := client.Received(); !strings.Contains(got, "unreachable") {
		t.Errorf("got %q", got)
	}
	l.Hang(upstream)
	h = &relay{timeout: 3 * time.Second}
	client = l.Connect(h)
	l.Advance(2900 * time.Millisecond)
	if client.Closed() {
		t.Error("closed too early")
	}
	l.Advance(200 * time.Millisecond)
	if !errors.Is(h.closed, loop.ErrConnectTimeout) {
		t.Errorf("a dial that hangs: %v", h.closed)
	}
	if n := len(l.Dials()); n != 3 {
		t.Errorf("%d dials", n)
	}
}

// TestFaultsLeaveNothingBehind relays under resets and cuts: every connection must end, and New's clean-up finds no
// descriptor left.
func TestFaultsLeaveNothingBehind(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			l := looptest.New(t)
			l.Listen(upstream, func(p *looptest.Peer) {
				p.OnReceive(func(b []byte) { p.SendBytes(b) })
				p.OnEOF(p.Close)
			})
			l.Inject(seed, looptest.Faults{ShortRead: 0.2, ShortWrite: 0.2, Again: 0.1, Reset: 0.02, Cut: 0.02})
			var clients []*looptest.Peer
			for range 20 {
				c := l.Connect(&relay{idle: 10 * time.Second})
				c.SendBytes(make([]byte, 100_000))
				clients = append(clients, c)
			}
			l.Advance(time.Second)
			for _, c := range clients {
				c.Close()
			}
			l.Advance(time.Minute)
			for i, c := range clients {
				if !c.Closed() {
					t.Errorf("client %d is still open", i)
				}
			}
			if c := l.Counters(); c.Panics != 0 {
				t.Errorf("%d panics", c.Panics)
			}
		})
	}
}

func TestStop(t *testing.T) {
	l := looptest.New(t)
	s := &sink{}
	p := l.Connect(acceptFunc(func(loop.Conn) loop.Handler { return s }))
	l.Run()
	l.Stop()
	if !p.Closed() || !errors.Is(s.err, loop.ErrLoopStopped) {
		t.Errorf("Closed got %v", s.err)
	}
	if l.Post(func() {}) {
		t.Error("Post was taken")
	}
}
