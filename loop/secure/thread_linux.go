package secure

import "golang.org/x/sys/unix"

const schedIdle = 5 // SCHED_IDLE, sched(7)

// lowerPriority makes the calling thread run when nothing else of its control group wants the processor. It needs no
// privilege; where it is forbidden all the same, handshakes compete with the loops.
func lowerPriority() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedIdle}, 0)
}
