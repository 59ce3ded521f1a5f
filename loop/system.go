package loop

import (
	"syscall"
	"time"
)

// A System is what a Reactor needs of the operating system. The kernel implements it for real sockets, looptest in
// memory with virtual time; everything above it is the same code.
//
// Its methods are called on the reactor's goroutine, except Wake, which any goroutine may call. None of them blocks.
type System interface {
	Sockets
	Poller
}

// Sockets are stream sockets, non-blocking, named by file descriptor. Errors are numbers, so that none is allocated.
type Sockets interface {
	// Read fills b as far as bytes are there; 0 without an error is the peer's FIN.
	Read(fd int, b []byte) (n int, errno syscall.Errno)
	// Write sends a and then b in one call; either may be empty. Fewer bytes than given means that the socket is full.
	Write(fd int, a, b []byte) (n int, errno syscall.Errno)
	// ShutdownWrite sends a FIN.
	ShutdownWrite(fd int) syscall.Errno
	// Close releases fd; reset sends a RST instead of a FIN.
	Close(fd int, reset bool)
	// Connect makes a socket and starts to connect it; done says that it is established already.
	Connect(o *DialOptions) (fd int, done bool, err error)
	// Error returns and clears the socket's pending error, 0 if there is none.
	Error(fd int) syscall.Errno
	// LocalAddr is the address of our end; the zero Addr if it can't be told.
	LocalAddr(fd int) Addr
}

// A Poller tells a Reactor of readiness, by calling its Event, Round and Expire.
type Poller interface {
	// Now is the time since the process's epoch.
	Now() time.Duration
	// Wall is the wall-clock time.
	Wall() time.Time
	// Watch changes what is reported of fd from one interest to another.
	Watch(fd int, from, to Interest) error
	// Wake makes Round be called after the events that are being delivered now. Several calls may cause one Round.
	Wake()
	// Alarm makes Expire be called once at the given time, replacing an earlier Alarm.
	Alarm(at time.Duration)
	// EdgeTriggered says that readiness is reported once per change: the reactor must remember it.
	EdgeTriggered() bool
}

// Interest is what a Reactor wants to know about a file descriptor.
//
//	None ──> Read <──> ReadWrite        level-triggered: reported for as long as it holds
//	  │        │ ▲        │ ▲
//	  │        ▼ │        ▼ │
//	  └───────> Quiet <──────           edge-triggered: one event each for writable, FIN and RST
//	 any ──> None                       before close(2), so that no event of an old socket meets a new one
//
// Quiet is for sockets that are not read (paused, at EOF, connecting): level-triggered epoll would report a FIN or a RST
// there for ever.
type Interest uint8

// The interests.
const (
	InterestNone Interest = iota
	InterestRead
	InterestReadWrite
	InterestQuiet
)

// Ready is a set of readiness bits.
type Ready uint8

// The bits of Ready.
const (
	Readable Ready = 1 << iota // bytes, a FIN or an error can be read
	Writable                   // bytes can be written, or a connect has ended
	Failed                     // the connection is broken, or both directions have ended
)
