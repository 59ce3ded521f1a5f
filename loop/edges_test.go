package loop_test

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"sluice/loop"
)

// TestUrgentData sends bytes around the mark of urgent data, where Linux ends a read although more is there.
func TestUrgentData(t *testing.T) {
	g := newGroup(t, 1)
	var got atomic.Int64
	var conn loop.Conn
	l := listen(t, g, loop.ListenOptions{Name: "a", Addr: anyPort}, acceptFunc(func(c loop.Conn) loop.Handler {
		conn = c
		return counting{n: &got}
	}))
	c := connect(t, l).(*net.TCPConn)
	eventually(t, "the connection is accepted", func() bool { return l.Counters().Open == 1 })
	do(t, g.Loops()[0], func() { conn.Pause() })
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err = c.Write(make([]byte, 100)); err == nil {
			err = raw.Control(func(fd uintptr) { _ = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) })
		}
		if err == nil {
			_, err = c.Write(make([]byte, 100))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	do(t, g.Loops()[0], func() { conn.Resume() })
	eventually(t, "everything is read", func() bool { return got.Load() >= 600 })
}

type counting struct {
	echo
	n *atomic.Int64
}

func (c counting) Received(_ loop.Conn, b []byte) int {
	c.n.Add(int64(len(b)))
	return len(b)
}

// TestAPanickingAcceptorLosesOne lets connections wait, so that one event tells of all of them.
func TestAPanickingAcceptorLosesOne(t *testing.T) {
	g := newGroup(t, 1)
	first := true
	l := listen(t, g, loop.ListenOptions{Name: "a", Addr: anyPort}, acceptFunc(func(loop.Conn) loop.Handler {
		if first {
			first = false
			panic("on purpose")
		}
		return echo{}
	}))
	hold := make(chan struct{})
	g.Loops()[0].Post(func() { <-hold })
	var clients []net.Conn
	for range 3 * 16 {
		clients = append(clients, connect(t, l))
	}
	close(hold)
	lost := 0
	for _, c := range clients {
		if _, err := io.WriteString(c, "x"); err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
			if err == nil {
				continue
			}
		}
		lost++
	}
	if lost != 1 {
		t.Errorf("%d connections were lost", lost)
	}
}
