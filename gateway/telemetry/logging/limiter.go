package logging

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"
)

const (
	repeatWindow = time.Second
	maxRepeats   = 1024 // identities that are watched at once; others are written without a limit
)

// A limiter holds back repeats. An identity that is written is watched for a window; when the window ends, the last of
// its lines that were held back is written with their number, and the next window begins:
//
//	(absent) ──line──> watched ──line──> watched, held++ ──window ends──> watched, held = 0 (line written)
//	watched ──window ends with held = 0──> (absent)
type limiter struct {
	seed   maphash.Seed
	window time.Duration
	after  func(d time.Duration, f func()) // time.AfterFunc, but for tests

	mu      sync.Mutex
	watched map[uint64]*repeat
	closed  bool
}

type repeat struct {
	held    int
	last    slog.Record
	handler *handler
}

func newLimiter() *limiter {
	return &limiter{seed: maphash.MakeSeed(), window: repeatWindow, watched: make(map[uint64]*repeat),
		after: func(d time.Duration, f func()) { time.AfterFunc(d, f) }}
}

// suppress reports whether the line must not be written now.
func (l *limiter) suppress(id uint64, h *handler, r slog.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.watched[id]; w != nil {
		w.held++
		w.last, w.handler = r.Clone(), h
		return true
	}
	if l.closed || len(l.watched) >= maxRepeats {
		return false
	}
	l.watched[id] = &repeat{}
	l.after(l.window, func() { l.windowEnds(id) })
	return false
}

func (l *limiter) windowEnds(id uint64) {
	l.mu.Lock()
	w := l.watched[id]
	if w == nil || w.held == 0 {
		delete(l.watched, id)
		l.mu.Unlock()
		return
	}
	done := *w
	*w = repeat{}
	l.after(l.window, func() { l.windowEnds(id) })
	l.mu.Unlock()
	done.write()
}

// flush writes what is held back and ends the limits: the log is about to close.
func (l *limiter) flush() {
	l.mu.Lock()
	all := l.watched
	l.watched, l.closed = make(map[uint64]*repeat), true
	l.mu.Unlock()
	for _, w := range all {
		if w.held > 0 {
			w.write()
		}
	}
}

func (w *repeat) write() {
	if w.held > 1 {
		w.last.AddAttrs(slog.Int("suppressed", w.held-1))
	}
	_ = w.handler.write(context.Background(), w.last) // the buffer never fails
}
