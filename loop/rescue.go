package loop

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// rescue is deferred by every entry into the reactor (2 ns). A panic costs the connection whose handler raised it; what
// the interrupted call has left undone is done in the next Round.
func (r *Reactor) rescue() {
	p := recover()
	if p == nil {
		return
	}
	r.counters.panics.Add(1)
	attrs := []any{slog.Int("loop", r.index), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack()))}
	if c := r.current; c != nil {
		attrs = append(attrs, slog.Uint64("connection", c.id), slog.String("remote", c.remote.String()))
		c.Close(CloseReset, ErrPanicked)
	}
	r.log.Error("a handler panicked", attrs...)
	r.current = nil
	for i, c := range r.serving {
		if c != nil {
			r.serving[i] = nil
			r.ready = append(r.ready, c)
		}
	}
	r.keepTurns()
	r.setAlarm()
	r.wake()
	r.pulse.end(r.now)
}
