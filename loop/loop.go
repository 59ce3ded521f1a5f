package loop

import (
	"errors"
	"net/netip"
	"time"
)

// A Loop is one reactor. looptest has the same in memory, with virtual time.
type Loop interface {
	// Index numbers the loops of a Group from zero.
	Index() int
	// Now is the loop's monotonic clock: the time since the process's epoch (never zero), read before every callback.
	Now() time.Duration
	// Wall is the wall-clock time at now.
	Wall(now time.Duration) time.Time
	// Arm makes t fire at the given time or at most Tick later, never earlier; a timer that is armed is moved. Moving
	// it later, or to where it already lies, costs a store. Disarm stops and unlinks it (a few ns): its owner may be
	// freed or overwritten then, but not while the timer is armed. Where every request arms a timer, move one that
	// stays armed rather than to Disarm it.
	Arm(t *Timer, at time.Duration)
	Disarm(t *Timer)
	// Dial starts to connect. h.Opened or h.Closed (with ErrConnectTimeout or the system's error) follows, never from
	// inside Dial. Closing the returned Conn before Opened cancels it. An error means that nothing was started (no
	// descriptor, an address that can't be used, a refusal that the system knows at once): no callback follows.
	Dial(o DialOptions, h Handler) (Conn, error)
	// Gather makes l.Gathered run when the running batch of events ends, before output is sent; Yield makes l.Turn run in
	// the next Round. below is the socket that l stands on: a panic costs that. See Layer.
	Gather(below Conn, l Layer)
	Yield(below Conn, l Layer)
	// LimitReads sets how many bytes one read takes, of any connection: MaxRead at first, and never more. Who must keep
	// what is read can so keep less of many connections. Less than HighWater is the high-water mark for Conn.Full, too, but
	// for LowWater at least.
	LimitReads(n int)
	// ReadCount is how many reads have brought bytes: how busy the loop's connections are.
	ReadCount() uint64
	// Post makes f run on the loop. It is safe on any goroutine. After the loop has stopped it returns false.
	Post(f func()) bool
}

// A Conn is one socket. All methods belong to its loop. It implements protocols.Output. After Closed its methods do
// nothing: a Conn is never used for a second connection.
type Conn interface {
	// Reserve, Commit, Write and Buffered are the output; see protocols.Output.
	Reserve(n int) []byte
	Commit(b []byte)
	Write(b []byte)
	Buffered() int
	// Full reports whether Buffered is above the high-water mark: producers should pause. Drained follows.
	Full() bool

	// Pause stops reading and calls of Received. Resume undoes it and, when bytes were left unconsumed, makes the loop
	// call Received with them in its next round even if the peer sends nothing more; it may be called on a connection
	// that is not paused for just that effect. Neither makes a system call of its own.
	Pause()
	Resume()

	// CloseWrite sends a FIN behind what is buffered; reading goes on.
	CloseWrite()
	// Close ends the connection. Handler.Closed follows from the loop, never from inside the call, with err.
	// CloseNow drops what is buffered; CloseFlushed sends it first; CloseLingering sends it and a FIN, then reads and
	// drops at most 256 KiB for at most 2 s, so that the peer sees the last answer and not a RST. CloseReset drops
	// everything and sends a RST. The two that wait give up when no byte has moved for 60 s.
	// No callback but Closed follows a Close of any kind; a second Close is ignored unless it is harder.
	Close(how CloseMode, err error)

	// SetHandler replaces the handler for the callbacks to come.
	SetHandler(h Handler)
	Loop() Loop
	LocalAddr() Addr
	RemoteAddr() Addr
	// ID is unique in the process.
	ID() uint64
	// Transferred is how many bytes have been read from the socket and written to it.
	Transferred() (received, sent uint64)
}

// A CloseMode says how a connection ends.
type CloseMode uint8

// The modes, softest first.
const (
	CloseLingering CloseMode = iota
	CloseFlushed
	CloseNow
	CloseReset
)

// A Handler owns a connection. Its methods run on the connection's loop, one at a time. A panic in one costs the
// connection (Closed is still called) and is counted and logged.
type Handler interface {
	// Opened is called once for a dialled connection when it is established.
	Opened(c Conn)
	// Received gives the unconsumed bytes, oldest first, and returns how many of them are consumed. The rest is kept
	// and given again, longer, when more arrives, or as it is after Resume. When MaxUnread bytes are left unconsumed
	// the loop stops reading until some are consumed. b is lent for the call.
	Received(c Conn, b []byte) (n int)
	// ReadClosed says that the peer has sent a FIN. rest is what is still unconsumed. It is called once, and not before
	// a paused connection is resumed and has been given everything in front of the FIN. Received may still be called
	// afterwards if bytes are left and Resume asks for them. The connection stays open for writing.
	ReadClosed(c Conn, rest []byte)
	// Drained says that Buffered has fallen to LowWater or less after it had been above HighWater, or Full.
	Drained(c Conn)
	// Closed is the last call. err is why: what Close was given, or the system's error (a syscall.Errno), or one of
	// this package's. After ReadClosed, and when both directions have ended, the connection waits for Close.
	Closed(c Conn, err error)
}

// Water marks and limits of every connection.
//
// What is read is often sent at once, with a head in front of it. A segment to the loopback interface carries 65 483 bytes, and one
// that a network card cuts up about as many: of 64 KiB a rest would go in a segment of its own, which doubles the cost of a
// large body.
const (
	HighWater    = 64 << 10 // output above it: producers should pause
	LowWater     = 16 << 10 // output at or below it again: Drained
	MaxUnread    = 64 << 10 // unconsumed input at which reading stops (Options.MaxUnread changes it)
	WriteThrough = 16 << 10 // a Write of this size or more is not copied first
	MaxRead      = 60 << 10 // what one read takes (Loop.LimitReads)
)

// Tick is the resolution of timers.
const Tick = 4 * time.Millisecond

// Errors that Closed and Dial report, beside the system's.
var (
	ErrConnectTimeout = errors.New("connect timeout")
	ErrLoopStopped    = errors.New("the loop has stopped")
	ErrPanicked       = errors.New("a handler panicked")
)

// A Timer is a deadline, embedded by value in what it belongs to: arming and moving it allocates nothing.
type Timer struct {
	owner  Expirer
	at     time.Duration // the deadline; 0 when disarmed
	slotAt time.Duration // when the wheel will look at it; 0 when not linked
	next   *Timer
	pprev  **Timer // what points to this timer; nil when not linked
}

// An Expirer is told when one of its timers fires; a Timer fires once for each Arm.
type Expirer interface {
	Expired(t *Timer, now time.Duration)
}

// Init names the owner; it must be called once before Arm.
func (t *Timer) Init(owner Expirer) { t.owner = owner }

// Armed reports whether t will fire.
func (t *Timer) Armed() bool { return t.at != 0 }

// At is when t will fire; zero when it is not armed.
func (t *Timer) At() time.Duration { return t.at }

// Addr is a TCP address or the path of a unix socket.
type Addr struct {
	AddrPort netip.AddrPort
	Path     string // of a unix socket; empty for TCP. A leading "@" means the abstract namespace
}

func (a Addr) String() string {
	switch {
	case a.Path != "":
		return "unix:" + a.Path
	case a.AddrPort.IsValid():
		return a.AddrPort.String()
	}
	return ""
}

// Network is "unix" or "tcp".
func (a Addr) Network() string {
	if a.Path != "" {
		return "unix"
	}
	return "tcp"
}

// DialOptions say where to connect and how.
type DialOptions struct {
	Addr    Addr
	Source  netip.Addr    // local address; invalid for any
	Timeout time.Duration // until established; 0 means 10 s
	Mark    int           // SO_MARK, 0 for none
	// KeepAlive is how long the connection is idle before TCP probes the peer; 0 for no probes.
	KeepAlive time.Duration
}
