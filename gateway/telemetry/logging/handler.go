package logging

import (
	"context"
	"hash/maphash"
	"log/slog"
)

// A limitKey is the value of a Key attribute.
type limitKey string

// Key says what makes a line a repeat of another one in place of its attributes, and limits lines of any level. It is
// not printed.
func Key(key string) slog.Attr { return slog.Any("key", limitKey(key)) }

// A handler puts the level, the switch and the limit on repeats of its path in front of a handler that renders.
type handler struct {
	path   *path
	render slog.Handler
	id     uint64 // of what With added: part of a line's identity
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.path.level.Level() && !h.path.disabled.Load()
}

// Handle writes r, unless it repeats what was written less than a second ago.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	id, limited := h.identity(r)
	if limited && h.path.repeats.suppress(id, h, r) {
		return nil
	}
	return h.write(ctx, r)
}

// write renders r into the path's buffer.
func (h *handler) write(ctx context.Context, r slog.Record) error {
	h.path.rendering.Lock()
	defer h.path.rendering.Unlock()
	return h.render.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.render = h.render.WithAttrs(attrs)
	for _, a := range attrs {
		c.id = h.path.repeats.mix(c.id, a.Key, a.Value.String())
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.render = h.render.WithGroup(name)
	c.id = h.path.repeats.mix(c.id, name, "")
	return &c
}

// identity returns what two lines that say the same have in common, and whether repeats of r are limited.
func (h *handler) identity(r slog.Record) (id uint64, limited bool) {
	limited = r.Level >= slog.LevelWarn
	seed := h.path.repeats.mix(h.id, r.Message, LevelName(r.Level))
	id = seed
	keyed := false
	r.Attrs(func(a slog.Attr) bool {
		if k, ok := a.Value.Any().(limitKey); ok {
			id, keyed = h.path.repeats.mix(seed, string(k), ""), true
			return false
		}
		return true
	})
	if keyed || !limited {
		return id, keyed
	}
	r.Attrs(func(a slog.Attr) bool {
		id = h.path.repeats.mix(id, a.Key, a.Value.String())
		return true
	})
	return id, true
}

// mix hashes two strings into id.
func (l *limiter) mix(id uint64, a, b string) uint64 {
	return id*0x9e3779b97f4a7c15 ^ maphash.String(l.seed, a) ^ (maphash.String(l.seed, b)<<1 | 1)
}
