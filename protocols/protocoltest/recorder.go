package protocoltest

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"sluice/protocols"
)

// A Recorder is a Sink that writes events down as lines of text. Data events that follow each other are one line, so
// that a record does not depend on how the bytes arrived.
type Recorder struct {
	lines []string
	data  []byte // of the Data events since the last line
	open  bool   // data is of a body whose line is not written yet
	id    protocols.StreamID
	// Then is called with each event, after it is recorded, if it is set.
	Then func(ev *protocols.Event) protocols.Verdict
}

// Event implements protocols.Sink.
func (r *Recorder) Event(ev *protocols.Event) protocols.Verdict {
	if ev.Kind != protocols.KindData || ev.Stream != r.id {
		r.flush(false)
	}
	switch ev.Kind {
	case protocols.KindHead:
		r.head(ev)
	case protocols.KindData:
		r.open, r.id = true, ev.Stream
		r.data = append(r.data, ev.Data...)
		if ev.End {
			r.flush(true)
		}
	case protocols.KindTrailer:
		r.add("%d trailer%s", ev.Stream, mark(ev.End, " end"))
		r.fields(ev.Header)
	case protocols.KindReset, protocols.KindGoAway:
		r.add("%d %s %s", ev.Stream, ev.Kind, ev.Reason)
	case protocols.KindCredit:
		r.add("%d credit %d", ev.Stream, ev.N)
	}
	if r.Then != nil {
		return r.Then(ev)
	}
	return protocols.More
}

// Take returns the lines since the last Take.
func (r *Recorder) Take() []string {
	r.flush(false)
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *Recorder) add(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// flush writes the line of the Data events so far.
func (r *Recorder) flush(end bool) {
	if !r.open {
		return
	}
	r.add("%d data %s%s", r.id, quote(r.data), mark(end, " end"))
	r.open, r.data = false, r.data[:0]
}

func (r *Recorder) head(ev *protocols.Event) {
	h := ev.Header
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", ev.Stream, kindOfHead(ev))
	if h.Status == 0 {
		fmt.Fprintf(&b, " %s %s", h.MethodBytes(), word(h.Path()))
	} else {
		fmt.Fprintf(&b, " %d %s", h.Status, quote(h.ReasonPhrase()))
	}
	for _, part := range []struct {
		name  string
		value []byte
	}{{"authority", h.Authority()}, {"scheme", h.Scheme()}, {"upgrade", h.Upgrade()}} {
		if len(part.value) > 0 {
			fmt.Fprintf(&b, " %s=%s", part.name, word(part.value))
		}
	}
	if h.ContentLength >= 0 {
		fmt.Fprintf(&b, " length=%d", h.ContentLength)
	}
	if h.Minor != 1 {
		fmt.Fprintf(&b, " minor=%d", h.Minor)
	}
	b.WriteString(mark(h.OneWay, " oneway") + mark(ev.End, " end"))
	r.add("%s", b.String())
	r.fields(h)
}

func kindOfHead(ev *protocols.Event) string {
	if ev.Interim {
		return "interim"
	}
	return "head"
}

func (r *Recorder) fields(h *protocols.Header) {
	for i := range h.Len() {
		if _, name, value, ok := h.Field(i); ok {
			r.add("  %s: %s", name, word(value))
		}
	}
}

func mark(on bool, s string) string {
	if on {
		return s
	}
	return ""
}

// word shows bytes as they are when that is clear, otherwise quoted.
func word(b []byte) string {
	q := strconv.Quote(string(b))
	if len(b) == 0 || len(q) != len(b)+2 || b[0] == ' ' || b[len(b)-1] == ' ' {
		return q
	}
	return string(b)
}

// quote shows bytes quoted, or by their number and hash when they are many.
func quote(b []byte) string {
	if len(b) <= 200 {
		return strconv.Quote(string(b))
	}
	h := fnv.New64a()
	_, _ = h.Write(b) // a hash never fails
	return fmt.Sprintf("(%d bytes, fnv %016x)", len(b), h.Sum64())
}
