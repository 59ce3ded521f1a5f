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
	// Watch makes every change of fd be told by one Event, with all the bits that hold then; what holds already is such
	// a change. It must be connecting, connected or listening. Unwatch ends that; it must come before Close.
	Watch(fd int) error
	Unwatch(fd int)
	// Wake makes Round be called after the events that are being delivered now. Several calls may cause one Round.
	Wake()
	// Alarm makes Expire be called once at the given time, replacing an earlier Alarm.
	Alarm(at time.Duration)
}

// Ready is a set of readiness bits.
type Ready uint8

// The bits of Ready.
const (
	Readable Ready = 1 << iota // bytes, a FIN or an error can be read, or a connection accepted
	Ended                      // something is behind the bytes, as a rule the peer's FIN: a short read does not empty the socket
	Writable                   // bytes can be written, or a connect has ended
	Failed                     // the connection is broken, or both directions have ended
)
