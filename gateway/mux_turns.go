package gateway

import "time"

// turns are the multiplexed connections of a loop whose codecs can go on with streams that waited, though nothing has come
// over them.
type turns struct {
	list []*mux
	take func() // made once
}

// obey reads, or does not, as the codec wants it.
func (m *mux) obey() {
	switch s := m.codec.Status(); {
	case s.Yielded:
		m.paused = false
		m.conn.Resume()
		if m.unread == 0 {
			m.w.giveTurn(m) // Received may not be called
		}
	case s.Stalled:
		m.paused = true
		m.conn.Pause()
	case m.paused:
		m.paused = false
		m.since = m.w.loop.Now() // what has been left unread was not waited for
		m.conn.Resume()
	}
}

// giveTurn lets the codec of m go on in the loop's next round: it is no place for that inside another codec's call.
func (w *worker) giveTurn(m *mux) {
	if m.due {
		return
	}
	if w.turns.take == nil {
		w.turns.take = w.takeTurns
	}
	m.due = true
	if w.turns.list = append(w.turns.list, m); len(w.turns.list) == 1 {
		w.loop.Post(w.turns.take)
	}
}

func (w *worker) takeTurns() {
	t := &w.turns
	for i := 0; i < len(t.list); i++ {
		m := t.list[i]
		t.list[i] = nil
		if m.due = false; m.phase != muxClosing && m.advance(w.loop.Now()) {
			m.armBy(m.codecDeadline())
		}
	}
	t.list = t.list[:0]
}

// advance gives the codec the time. It reports whether the connection goes on.
func (m *mux) advance(now time.Duration) bool {
	if err := m.codec.Advance(now, m, m.conn); err != nil {
		m.refuse(err)
		return false
	}
	return !m.settle()
}
