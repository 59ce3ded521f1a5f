package loop

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	postsPerRound = 256
	// idBits of a connection's ID are the loop's index.
	idBits = 12
)

// ReactorOptions configure one Reactor.
type ReactorOptions struct {
	Index     int
	Logger    *slog.Logger // nil discards
	MaxUnread int          // unconsumed input at which reading stops; 0 means the constant MaxUnread
}

// A Reactor is a Loop over a System. Whoever drives it (a Group, or looptest) calls Deliver and Settle (or Event), Round
// and Expire one at a time as the System's Poller asks; all else happens inside these calls.
//
// What callbacks leave behind is done in Settle: output is flushed, Closed is called. What must wait until other sockets
// have had their turn (leftover input, posted functions) is done in Round. A closed socket's descriptor is released two
// Rounds later, because the batch of events that is being delivered may still name it.
type Reactor struct {
	sys       System
	log       *slog.Logger
	index     int
	maxUnread int

	now      time.Duration
	wallAt   time.Duration // when wall was read
	wall     time.Time
	conns    []*conn // by file descriptor
	watchers map[int]func()
	current  *conn // whose handler runs: a panic costs this one
	lastID   uint64

	readBuf   []byte
	readMost  int // of it is used by one read
	reads     uint64
	bufs      Buffers
	limbo     [][]byte    // buffers that the running call gave up, but may still look at
	deadlines []*deadline // free

	wheel   wheel
	alarmAt time.Duration // when Expire will come; 0 when it won't

	gathered   []layered // to be told Gathered in Settle, before anything is flushed
	dirty      []*conn   // to be flushed in Settle
	finished   []*conn   // to be told Closed in Settle
	ready      []*conn   // to be served in Round
	serving    []*conn   // the ready list that Round works on
	turns      []layered // to be told Turn in Round
	turning    []layered // the turns that Round works on
	dying      []int     // descriptors that were given up since the last Round
	dead       []int     // descriptors that no event can name any more
	woken      bool      // Round has been asked for since the last one
	delivering bool      // between a Deliver and its Settle

	tasks     []func() // posted, taken out of posts
	taskNext  int
	postMu    sync.Mutex
	posts     []func()
	postWoken bool
	waking    atomic.Int32 // calls of Post that wake the loop
	stopped   bool         // guarded by postMu
	stopping  bool         // the loop's own view of stopped

	pulse    pulse
	counters counters
}

// NewReactor returns a Reactor on sys.
func NewReactor(sys System, o ReactorOptions) *Reactor {
	r := &Reactor{
		sys:       sys,
		log:       o.Logger,
		index:     o.Index,
		maxUnread: o.MaxUnread,
		watchers:  make(map[int]func()),
		readBuf:   make([]byte, MaxRead),
		readMost:  MaxRead,
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.maxUnread <= 0 {
		r.maxUnread = MaxUnread
	}
	r.now = sys.Now()
	return r
}

// Index implements Loop.
func (r *Reactor) Index() int { return r.index }

// Now implements Loop.
func (r *Reactor) Now() time.Duration { return r.now }

// Wall implements Loop. The wall clock is read once a second, so that its corrections are followed.
func (r *Reactor) Wall(now time.Duration) time.Time {
	if r.wall.IsZero() || r.now-r.wallAt >= time.Second {
		r.wall, r.wallAt = r.sys.Wall(), r.now
	}
	return r.wall.Add(now - r.wallAt)
}

// Event tells what fd is ready for, when nothing is known of further events.
func (r *Reactor) Event(fd int, ready Ready) {
	r.Deliver(fd, ready)
	r.Settle()
}

// Settle ends a batch of Delivers: it flushes what they wrote and reports what they closed. Without one it does nothing.
func (r *Reactor) Settle() {
	defer r.rescue()
	if r.delivering {
		r.delivering = false
		r.settle()
		r.pulse.end(r.now)
	}
}

// Deliver tells what fd is ready for; more may follow before Settle.
//
// Flushing behind a batch wakes the processes at the other end once, not once for each: they sleep while a batch is
// worked on, and waking is the most expensive part of a write.
func (r *Reactor) Deliver(fd int, ready Ready) {
	defer r.rescue()
	r.delivering = true
	r.begin()
	if uint(fd) < uint(len(r.conns)) && r.conns[fd] != nil {
		c := r.conns[fd]
		r.current = c
		c.event(ready)
	} else if f := r.watchers[fd]; f != nil {
		f()
	}
	r.current = nil
}

// Round does what waited for the other events of the batch.
func (r *Reactor) Round() {
	r.Settle()
	defer r.rescue()
	r.begin()
	r.woken = false
	r.release()
	r.runPosts()
	r.serveReady()
	r.serveLayers()
	r.settle()
	r.pulse.end(r.now)
}

// Expire fires the timers that are due.
func (r *Reactor) Expire() {
	r.Settle()
	defer r.rescue()
	r.begin()
	r.alarmAt = 0
	for t := r.wheel.pop(r.now); t != nil; t = r.wheel.pop(r.now) {
		t.owner.Expired(t, r.now)
		r.settle()
		r.begin()
	}
	r.setAlarm()
	r.pulse.end(r.now)
}

func (r *Reactor) begin() {
	r.now = r.sys.Now()
	r.pulse.begin(r.now)
}

// settle ends a call: it flushes what was written and reports what was closed. Both may cause more of either.
func (r *Reactor) settle() {
	for len(r.gathered) > 0 || len(r.dirty) > 0 || len(r.finished) > 0 {
		r.tellGathered()
		for i := 0; i < len(r.dirty); i++ {
			c := r.dirty[i]
			c.flags &^= flagDirty
			r.current = c
			c.flushSoon()
		}
		clear(r.dirty)
		r.dirty = r.dirty[:0]
		for i := 0; i < len(r.finished); i++ {
			c := r.finished[i]
			if c == nil {
				continue // told before a panic
			}
			r.finished[i] = nil
			r.current = nil
			c.tellClosed()
		}
		r.finished = r.finished[:0]
	}
	for i, b := range r.limbo {
		r.bufs.Put(b)
		r.limbo[i] = nil
	}
	r.limbo = r.limbo[:0]
	r.current = nil
}

// wake asks for a Round.
func (r *Reactor) wake() {
	if !r.woken {
		r.woken = true
		r.sys.Wake()
	}
}

// release closes the descriptors that no event of the running batch can name: those given up before the last Round.
func (r *Reactor) release() {
	for _, d := range r.dead {
		r.sys.Close(d>>1, d&1 != 0)
	}
	r.dead, r.dying = r.dying, r.dead[:0]
	if len(r.dead) > 0 {
		r.wake()
	}
}

// giveUp hands fd to release.
func (r *Reactor) giveUp(fd int, reset bool) {
	d := fd << 1
	if reset {
		d |= 1
	}
	r.dying = append(r.dying, d)
	r.wake()
}

// Post implements Loop.
func (r *Reactor) Post(f func()) bool {
	r.postMu.Lock()
	if r.stopped {
		r.postMu.Unlock()
		return false
	}
	r.posts = append(r.posts, f)
	wake := !r.postWoken
	if wake {
		r.postWoken = true
		r.waking.Add(1)
	}
	r.postMu.Unlock()
	// Not under the lock: the loop runs at once, on this processor, and would meet it.
	if wake {
		r.sys.Wake()
		r.waking.Add(-1)
	}
	return true
}

// runPosts runs at most postsPerRound functions; the others wait for the next Round, so that they can't starve sockets.
func (r *Reactor) runPosts() {
	for range postsPerRound {
		if r.taskNext == len(r.tasks) && !r.takePosts() {
			return
		}
		f := r.tasks[r.taskNext]
		r.tasks[r.taskNext] = nil
		r.taskNext++
		r.begin()
		f()
		r.settle()
	}
	if r.taskNext < len(r.tasks) {
		r.wake() // what is still in posts has asked for a Round of its own
	}
}

func (r *Reactor) takePosts() bool {
	if cap(r.tasks) > 16*postsPerRound {
		r.tasks = nil // a flood is over
	}
	r.postMu.Lock()
	r.tasks, r.posts = r.posts, r.tasks[:0]
	r.postWoken = false
	r.postMu.Unlock()
	r.taskNext = 0
	return len(r.tasks) > 0
}

// enlist puts c on the ready list.
func (r *Reactor) enlist(c *conn) {
	if c.flags&flagReady == 0 {
		c.flags |= flagReady
		r.ready = append(r.ready, c)
		r.wake()
	}
}

// serveReady gives each connection on the ready list one turn; those that ask again wait for the next Round.
func (r *Reactor) serveReady() {
	r.serving, r.ready = r.ready, r.serving[:0]
	for i, c := range r.serving {
		r.serving[i] = nil
		c.flags &^= flagReady
		r.begin()
		r.current = c
		c.serve()
		r.settle()
	}
}

// LimitReads implements Loop.
func (r *Reactor) LimitReads(n int) { r.readMost = min(max(n, 1), MaxRead) }

// ReadCount implements Loop.
func (r *Reactor) ReadCount() uint64 { return r.reads }

// Arm implements Loop.
func (r *Reactor) Arm(t *Timer, at time.Duration) {
	if r.wheel.arm(t, at, r.now) && (r.alarmAt == 0 || t.slotAt < r.alarmAt) {
		r.alarmAt = t.slotAt
		r.sys.Alarm(r.alarmAt)
	}
}

// Disarm implements Loop.
func (r *Reactor) Disarm(t *Timer) { r.wheel.disarm(t) }

func (r *Reactor) setAlarm() {
	if at, ok := r.wheel.next(); ok && (r.alarmAt == 0 || at < r.alarmAt) {
		r.alarmAt = at
		r.sys.Alarm(at)
	}
}

// Shutdown closes every connection with ErrLoopStopped and releases every descriptor. Functions that were posted before
// still run; Post, Dial and Adopt fail from now on. Nothing may be called afterwards.
func (r *Reactor) Shutdown() {
	r.postMu.Lock()
	r.stopped = true
	r.postMu.Unlock()
	for r.waking.Load() > 0 { // whoever sees stopped touches the system no more
		time.Sleep(10 * time.Microsecond)
	}
	r.stopping = true
	for r.shutdownStep() {
	}
	for range 2 {
		r.release()
	}
}

// shutdownStep does a part of Shutdown that a panic may interrupt, and reports whether more is left.
func (r *Reactor) shutdownStep() (more bool) {
	more = true
	defer r.rescue()
	r.begin()
	for r.taskNext < len(r.tasks) || r.takePosts() {
		r.runPosts()
	}
	for _, c := range r.conns {
		if c != nil {
			c.Close(CloseNow, ErrLoopStopped)
		}
	}
	r.settle()
	r.pulse.end(r.now)
	return false
}

// Adopt takes over fd, a connected socket that a listener accepted, and asks a for its handler; done is told when it has ended.
// It reports whether the connection was taken; if not, the caller still owns fd.
func (r *Reactor) Adopt(fd int, local *Addr, remote Addr, a Acceptor, done Releaser) bool {
	if r.stopping {
		return false
	}
	c := r.newConn(fd, remote)
	c.local = local
	c.done = done
	c.h = nobody{}
	c.phase = phaseOpen
	r.counters.accepted.Add(1)
	previous := r.current
	r.current = c
	h := a.Accept(c)
	r.current = previous
	if h == nil {
		r.counters.refused.Add(1)
		c.Close(CloseNow, nil)
		return true
	}
	c.h = h
	if c.phase != phaseEnded {
		c.watch()
	}
	return true
}

// An Acceptor decides about accepted connections. Accept is called on the connection's loop and may use c; nil refuses
// the connection, which is then closed.
type Acceptor interface {
	Accept(c Conn) Handler
}

// A Releaser is told that an adopted connection is gone.
type Releaser interface {
	Release()
}

// nobody is the handler of a connection that an Acceptor refused.
type nobody struct{}

func (nobody) Opened(Conn)                   {}
func (nobody) Received(_ Conn, b []byte) int { return len(b) }
func (nobody) ReadClosed(Conn, []byte)       {}
func (nobody) Drained(Conn)                  {}
func (nobody) Closed(Conn, error)            {}
