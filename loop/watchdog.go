package loop

import (
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	slowCallback  = 50 * time.Millisecond
	watchdogTick  = 20 * time.Millisecond
	watchdogIdle  = time.Second      // without a callback, after which the watchdog sleeps until there is one
	stackInterval = 10 * time.Second // a dump stops the process for a moment: at most one per loop in this time
)

// A watchdog looks at the loops of a Group, and tells of callbacks that hold one up: it counts them and logs where they
// are. An idle process does not tick: the watchdog sleeps, and the next callback of any loop rouses it.
type watchdog struct {
	reactors []*Reactor
	clock    func() time.Duration
	log      *slog.Logger
	asleep   atomic.Bool
	alarm    chan struct{} // capacity 1
	quit     chan struct{}
	seen     []watched
}

type watched struct {
	since  int64 // the slow call that was counted
	dumped time.Duration
}

func newWatchdog(reactors []*Reactor, clock func() time.Duration, log *slog.Logger) *watchdog {
	return &watchdog{
		reactors: reactors, clock: clock, log: log,
		alarm: make(chan struct{}, 1), quit: make(chan struct{}), seen: make([]watched, len(reactors)),
	}
}

func (d *watchdog) rouse() {
	if d.asleep.CompareAndSwap(true, false) {
		select {
		case d.alarm <- struct{}{}:
		default:
		}
	}
}

func (d *watchdog) run() {
	ticker := time.NewTicker(watchdogTick)
	defer ticker.Stop()
	for {
		select {
		case <-d.quit:
			return
		case <-ticker.C:
		}
		if !d.look() {
			continue
		}
		ticker.Stop()
		d.asleep.Store(true)
		if !d.look() { // a callback may have begun before it could see asleep
			d.asleep.Store(false)
		} else {
			select {
			case <-d.quit:
				return
			case <-d.alarm:
			}
		}
		ticker.Reset(watchdogTick)
	}
}

// look examines every loop once and reports whether all of them are idle.
func (d *watchdog) look() (idle bool) {
	idle = true
	now := d.clock()
	for i, r := range d.reactors {
		since := r.pulse.since.Load()
		if since < 0 {
			idle = idle && now+time.Duration(since) > watchdogIdle
			continue
		}
		idle = idle && since == 0
		if since == 0 || now-time.Duration(since) < slowCallback || since == d.seen[i].since {
			continue
		}
		d.seen[i].since = since
		if d.seen[i].dumped == 0 || now-d.seen[i].dumped > stackInterval {
			d.seen[i].dumped = now
			stack := r.pulse.stack()
			if r.pulse.since.Load() != since {
				stack = "it has ended before its stack could be taken"
			}
			d.log.Warn("a callback holds up its loop", slog.Int("loop", i),
				slog.Duration("for", now-time.Duration(since)), slog.String("stack", stack))
		}
		r.counters.slow.Add(1)
	}
	return idle
}
