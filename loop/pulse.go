package loop

import (
	"bytes"
	"runtime"
	"sync/atomic"
	"time"
)

// pulse is what the watchdog sees of a loop: two plain-cost atomic stores per call.
type pulse struct {
	// since is when the running call began; negative, when the last one began, if none runs.
	since  atomic.Int64
	dog    *watchdog // nil when nobody watches
	header []byte    // how the loop's goroutine is called in a dump: "goroutine 7 "
}

func (p *pulse) begin(now time.Duration) {
	p.since.Store(int64(now))
	if p.dog != nil && p.dog.asleep.Load() {
		p.dog.rouse()
	}
}

func (p *pulse) end(now time.Duration) { p.since.Store(-int64(now)) }

// remember notes the calling goroutine.
func (p *pulse) remember() {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	if f := bytes.Fields(b); len(f) > 1 {
		p.header = []byte(string(f[0]) + " " + string(f[1]) + " ")
	}
}

// stack cuts the loop's goroutine out of a dump of all.
func (p *pulse) stack() string {
	dump := make([]byte, 256<<10)
	dump = dump[:runtime.Stack(dump, true)]
	if len(p.header) == 0 {
		return ""
	}
	for _, one := range bytes.Split(dump, []byte("\n\n")) {
		if bytes.HasPrefix(one, p.header) {
			return string(one)
		}
	}
	return "not among the first 256 KiB of stacks"
}
