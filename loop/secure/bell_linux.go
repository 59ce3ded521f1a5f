package secure

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A bell wakes one thread that waits for it. It is a futex: a goroutine that is locked to its thread wakes up faster from a
// system call than from Go's scheduler.
type bell struct{ rung atomic.Uint32 }

// The operations of futex(2).
const (
	futexWaitPrivate = 128
	futexWakePrivate = 129
)

// ring wakes the thread, now or when it waits the next time. It never blocks.
func (b *bell) ring() {
	if b.rung.Swap(1) == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&b.rung)), futexWakePrivate, 1)
	}
}

// wait returns when the bell has been rung since the last time, or for no reason.
func (b *bell) wait() {
	if b.rung.Swap(0) == 0 {
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&b.rung)), futexWaitPrivate, 0, 0, 0, 0)
		b.rung.Store(0) // whoever waits looks for work after this, so no ring is lost
	}
}
