package loop

import (
	"os"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// A poller is Linux's counterpart of netpoll.Poller, which the other systems use: epoll with another way of waiting.
//
// netpoll yields to Go's scheduler whenever a look at epoll finds nothing, and then blocks in a way that lets the
// scheduler take the processor away. Both wake other threads, and the loop wanders between them: at half load a request
// cost 20 to 25 us of CPU instead of 16. Here a loop that has nothing to do first waits where the
// scheduler does not see it, and gives its processor back only when nothing has come for longer than lingerMS.
type poller struct{ fd int }

const (
	// lingerMS is how many milliseconds a loop waits before it gives its processor back. A collection of garbage, or
	// anything else that must stop the loop, interrupts the wait with a signal.
	lingerMS = 5
	// eventsPerWait bounds what one look takes.
	eventsPerWait = 256
	// batchEvents is how many events may pass before the output of the first one is sent.
	batchEvents = 128
	// crowd is how many events a look must find for another look to be worth its system call before output is sent.
	crowd = 16
)

func openPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &poller{fd}, nil
}

// add registers fd for events, edge-triggered.
func (p *poller) add(fd int, events uint32) error {
	ev := unix.EpollEvent{Fd: int32(fd), Events: events | unix.EPOLLET | unix.EPOLLRDHUP}
	return os.NewSyscallError("epoll_ctl add", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev))
}

// Delete removes fd.
func (p *poller) Delete(fd int) error {
	return os.NewSyscallError("epoll_ctl del", unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil))
}

// Polling calls f for every event until f returns an error, and returns that. It calls settle behind every batch. While
// many sockets become ready at once, more do so meanwhile, and they join the batch: see "Rounds" in doc.go.
func (p *poller) Polling(f netpoll.PollEventHandler, settle func()) error {
	events := make([]unix.EpollEvent, eventsPerWait)
	for {
		n, err := p.wait(events)
		if err != nil {
			return err
		}
		for unsettled := 0; n > 0; n = p.look(events) {
			for i := range events[:n] {
				if err := f(int(events[i].Fd), events[i].Events, 0); err != nil {
					return err
				}
				if unsettled++; unsettled == batchEvents {
					settle()
					unsettled = 0
				}
			}
			if n < crowd || unsettled == 0 {
				break
			}
		}
		settle()
	}
}

// look takes the events that are there. An error is none: the next wait reports it.
func (p *poller) look(events []unix.EpollEvent) int {
	n, errno := p.pwait(events, 0)
	if errno != 0 {
		return 0
	}
	return n
}

// wait blocks until there is an event, or a signal: then there may be none.
func (p *poller) wait(events []unix.EpollEvent) (int, error) {
	n, errno := p.pwait(events, lingerMS)
	var err error
	switch {
	case errno != 0:
		err = errno
	case n > 0:
		return n, nil
	default:
		var blocked int
		if blocked, err = unix.EpollWait(p.fd, events, -1); err == nil {
			return blocked, nil
		}
	}
	if err == unix.EINTR {
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", err)
}

// pwait is epoll_pwait unseen by the scheduler.
func (p *poller) pwait(events []unix.EpollEvent, timeoutMS int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), uintptr(timeoutMS), 0, 0)
	return int(n), errno
}

// Close releases the poller.
func (p *poller) Close() error { return os.NewSyscallError("close", unix.Close(p.fd)) }
