package loop_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"sluice/loop"
)

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// stubborn never closes by itself.
type stubborn struct {
	echo
	pause bool
}

func (s stubborn) Accept(c loop.Conn) loop.Handler {
	if s.pause {
		c.Pause()
	}
	return s
}

func (s stubborn) ReadClosed(loop.Conn, []byte) {}

// TestNothingSpins leaves connections in states that level-triggered polling would report for ever.
func TestNothingSpins(t *testing.T) {
	g := newGroup(t, 1)
	reading := listen(t, g, loop.ListenOptions{Name: "reading", Addr: anyPort}, stubborn{})
	paused := listen(t, g, loop.ListenOptions{Name: "paused", Addr: anyPort}, stubborn{pause: true})
	for _, l := range []*loop.Listener{reading, paused} {
		fin := connect(t, l).(*net.TCPConn)
		if err := fin.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		bytesAndFIN := connect(t, l).(*net.TCPConn)
		_, _ = bytesAndFIN.Write(make([]byte, 1000))
		_ = bytesAndFIN.CloseWrite()
		urgent := connect(t, l).(*net.TCPConn)
		raw, err := urgent.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { _ = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) })
		notReading := connect(t, l)
		_ = notReading.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		for b := make([]byte, 1<<20); ; {
			if _, err := notReading.Write(b); err != nil {
				break
			}
		}
		reset := connect(t, l).(*net.TCPConn)
		_ = reset.SetLinger(0)
		reset.Close()
	}
	// A loop that spins uses all of every window; what else the process does (a collection, say) leaves some window free.
	const window = 300 * time.Millisecond
	least := window
	for i := 0; i < 20 && least > window/5; i++ {
		before := cpuTime()
		time.Sleep(window)
		least = min(least, cpuTime()-before)
	}
	if least > window/5 {
		t.Errorf("connections at rest cost at least %v of CPU in each %v", least, window)
	}
	if n := reading.Counters().Open + paused.Counters().Open; n != 8 {
		t.Errorf("%d connections are open, want 8: the reset ones are gone", n)
	}
}
