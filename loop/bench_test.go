package loop_test

import (
	"syscall"
	"testing"
	"time"

	"sluice/loop"
)

// still is a System without a kernel: every read finds 200 bytes, every write is taken.
type still struct{ epoch time.Time }

func (still) Read(_ int, b []byte) (int, syscall.Errno)     { return min(len(b), 200), 0 }
func (still) Write(_ int, a, b []byte) (int, syscall.Errno) { return len(a) + len(b), 0 }
func (still) ShutdownWrite(int) syscall.Errno               { return 0 }
func (still) Close(int, bool)                               {}
func (still) Connect(*loop.DialOptions) (int, bool, error)  { return -1, false, syscall.ENETUNREACH }
func (still) Error(int) syscall.Errno                       { return 0 }
func (still) LocalAddr(int) loop.Addr                       { return loop.Addr{} }
func (s still) Now() time.Duration                          { return time.Since(s.epoch) }
func (still) Wall() time.Time                               { return time.Time{} }
func (still) Watch(int) error                               { return nil }
func (still) Unwatch(int)                                   {}
func (still) Wake()                                         {}
func (still) Alarm(time.Duration)                           {}

// pair relays to the connection that was accepted before it.
type pair struct{ last *relay }

func (p *pair) Accept(c loop.Conn) loop.Handler {
	h := &relay{}
	if p.last != nil {
		h.to, p.last.to = p.last.to, c
		return h
	}
	p.last, h.to = h, c
	return h
}

// BenchmarkEvent is what one event costs above the system calls: an exchange through a relay has two.
func BenchmarkEvent(b *testing.B) {
	r := loop.NewReactor(still{time.Now().Add(-time.Second)}, loop.ReactorOptions{})
	p := &pair{}
	for fd := range 2 {
		r.Adopt(3+fd, nil, anyPort, p, nil)
	}
	b.ReportAllocs()
	for i := range b.N {
		r.Event(3+i&1, loop.Readable|loop.Writable)
	}
}
