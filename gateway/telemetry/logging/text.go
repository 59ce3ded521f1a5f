package logging

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/bytebufferpool"
)

// A textHandler writes one line for each record, in one Write:
//
//	2026-01-02 15:04:05.000 WARN  upstream refused cluster=backend endpoint=127.0.0.1:8080
type textHandler struct {
	out    io.Writer
	attrs  []byte // of With, as they are written
	prefix string // of WithGroup: "group."
}

func (h *textHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	line := bytebufferpool.Get()
	defer bytebufferpool.Put(line)
	b := r.Time.AppendFormat(line.B, "2006-01-02 15:04:05.000")
	b = append(b, ' ')
	name := LevelName(r.Level)
	b = append(b, name...)
	for range 6 - len(name) {
		b = append(b, ' ')
	}
	b = appendMessage(b, r.Message)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	line.B = append(b, '\n')
	_, err := h.out.Write(line.B)
	return err
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = c.attrs[:len(c.attrs):len(c.attrs)]
	for _, a := range attrs {
		c.attrs = appendAttr(c.attrs, c.prefix, a)
	}
	return &c
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	if _, ok := a.Value.Any().(limitKey); ok {
		return b
	}
	if isSecret(a.Key) {
		a.Value = slog.StringValue(redacted)
	}
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			b = appendAttr(b, prefix, g)
		}
		return b
	}
	b = append(b, ' ')
	b = appendText(b, prefix+a.Key)
	b = append(b, '=')
	if v.Kind() == slog.KindTime {
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	}
	return appendText(b, v.String())
}

// appendText writes s, in quotes when it could be read as anything else than one value.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, `""`...)
	}
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, s)
		}
	}
	return append(b, s...)
}

// appendMessage writes s without quotes but with everything escaped that could end the line or speak to a terminal.
func appendMessage(b []byte, s string) []byte {
	for _, r := range s {
		if unicode.IsPrint(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		q := strconv.QuoteRune(r)
		b = append(b, q[1:len(q)-1]...)
	}
	return b
}
