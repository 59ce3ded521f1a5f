package secure

import (
	"time"

	"golang.org/x/sys/unix"
)

const schedIdle = 5 // SCHED_IDLE, sched(7)

// lowerPriority makes the calling thread run when nothing else of its control group wants the processor. It needs no
// privilege; where it is forbidden all the same, handshakes compete with the loops.
func lowerPriority() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedIdle}, 0)
}

// A moment is of one thread's processor time: what keeps a thread from running does not count.
type moment struct {
	thread int
	used   time.Duration
}

func now() moment {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return moment{unix.Gettid(), time.Duration(t.Nano())}
}

// since is how long the thread has run since an earlier moment; 0 if the goroutine has changed threads, as when it had to wait
// for a collection of garbage.
func (m moment) since(earlier moment) time.Duration {
	if m.thread != earlier.thread {
		return 0
	}
	return m.used - earlier.used
}
