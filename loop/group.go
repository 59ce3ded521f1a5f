//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const maxLoops = 1 << idBits

// Options configure a Group.
type Options struct {
	// Loops is how many loops there are. 0 means one for each CPU that the process may use: GOMAXPROCS of the
	// environment, else what CPU affinity and the cgroup's quota allow.
	Loops int
	// Logger gets panics, slow callbacks, exhausted descriptors and what gnet has to say; nil discards them.
	Logger *slog.Logger
	// MaxUnread is how much unconsumed input a connection may keep before reading stops; 0 means the constant.
	MaxUnread int
	// MaxConns bounds the accepted connections of all listeners; more are closed at once. 0 means half of the file
	// descriptors that the process may have, so that the other half is there for upstreams; negative means no limit.
	MaxConns int
}

// A Group is the loops of a process, each on a goroutine of its own. Its methods are safe on any goroutine but a
// loop's: Listen and Stop wait for the loops.
type Group struct {
	log      *slog.Logger
	epoch    time.Time
	reactors []*Reactor
	loops    []Loop
	dog      *watchdog
	running  sync.WaitGroup
	maxConns int64
	accepted atomic.Int64 // connections accepted that exist now, whichever listener's

	mu        sync.Mutex
	kernels   []*kernel
	listeners []*Listener
	stopped   bool
}

// NewGroup starts the loops. It sets GOMAXPROCS to two more than there are loops, so that the garbage collector, logs
// and cryptography find a processor while every loop is busy, and it replaces gnet's logger: both concern the process.
func NewGroup(o Options) (*Group, error) {
	if o.Loops < 0 || o.Loops > maxLoops {
		return nil, fmt.Errorf("loops: %d is not between 1 and %d (0 means one for each CPU)", o.Loops, maxLoops)
	}
	if o.Loops == 0 {
		o.Loops = usableCPUs()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	replaceGnetLogger(o.Logger)
	runtime.GOMAXPROCS(o.Loops + 2)

	g := &Group{maxConns: connLimit(o.MaxConns), log: o.Logger, epoch: time.Now().Add(-time.Second)} // Now is never 0, which means "no time"
	for i := range o.Loops {
		k, err := newKernel(g.epoch)
		if err != nil {
			for _, k := range g.kernels {
				k.close()
			}
			return nil, fmt.Errorf("start loop %d: %w", i, err)
		}
		k.r = NewReactor(k, ReactorOptions{Index: i, Logger: o.Logger, MaxUnread: o.MaxUnread})
		g.kernels = append(g.kernels, k)
		g.reactors = append(g.reactors, k.r)
		g.loops = append(g.loops, k.r)
	}
	g.dog = newWatchdog(g.reactors, func() time.Duration { return time.Since(g.epoch) }, o.Logger)
	for _, k := range g.kernels {
		k.r.pulse.dog = g.dog
		g.running.Go(func() { g.run(k) })
	}
	g.running.Go(g.dog.run)
	return g, nil
}

// usableCPUs is what GOMAXPROCS would be by default.
func usableCPUs() int {
	if n, err := strconv.Atoi(os.Getenv("GOMAXPROCS")); err == nil && n > 0 {
		return min(n, maxLoops)
	}
	runtime.SetDefaultGOMAXPROCS()
	return min(runtime.GOMAXPROCS(0), maxLoops)
}

// run is a loop's goroutine.
func (g *Group) run(k *kernel) {
	if err := k.run(); err != nil {
		g.log.Error("a loop has died; its connections are closed", slog.Int("loop", k.r.index), slog.Any("error", err))
	}
	k.r.Shutdown()
	k.close()
}

// Loops are the group's loops, by Index. The slice must not be changed.
func (g *Group) Loops() []Loop { return g.loops }

// Counters returns a snapshot of each loop's counters.
func (g *Group) Counters() []Counters {
	all := make([]Counters, len(g.reactors))
	for i, r := range g.reactors {
		all[i] = r.Counters()
	}
	return all
}

// Stop closes the listeners and every connection, with ErrLoopStopped, and waits until the loops have ended.
func (g *Group) Stop() {
	g.mu.Lock()
	first := !g.stopped
	g.stopped = true
	listeners := slices.Clone(g.listeners)
	g.mu.Unlock()
	if first {
		for _, l := range listeners {
			l.close(false)
		}
		for _, k := range g.kernels {
			k.r.Post(func() { k.stop = true })
		}
		close(g.dog.quit)
	}
	g.running.Wait()
}

// connLimit is Options.MaxConns with its default filled in.
func connLimit(n int) int64 {
	if n != 0 {
		return int64(n)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return -1
	}
	return int64(min(uint64(limit.Cur)/2, 1<<31)) //nolint:unconvert // it is signed on FreeBSD
}
