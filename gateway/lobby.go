package gateway

import (
	"strconv"

	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
)

// What clients have not said whole may cost so much memory: all of a process's, but not less than lobbyAtLeast on each loop,
// which is some hundreds of handshakes under way. See sharesOf.
const (
	lobbyOfProcess = 64 << 20
	lobbyAtLeast   = 4 << 20
)

var errCrowded = &protocols.Error{Reason: protocols.ReasonOverflow,
	Detail: "too many connections have sent a part of a message, and this one has waited longest for the rest"}

// lodge counts what Received leaves with the loop, having consumed used bytes, where it is the client that is waited for: a part
// of a head, or what is behind a request that is complete. A body that its receiver does not take is not the client's fault.
func (s *serial) lodge(used int) {
	lobby := &s.w.lobby
	if used > 0 {
		lobby.Leave(&s.guest) // it goes on: its turn to leave is behind the others'
	}
	st := s.stream
	if s.unread > 0 && s.phase != phaseClosing && s.phase != phaseTunnel &&
		(st == nil || st.request.state == directionEnded || st.wantsTunnel()) {
		lobby.Hold(&s.guest, s, loop.KeptSize(s.unread))
	} else {
		lobby.Leave(&s.guest)
	}
}

// Evict implements loop.Evictable.
func (s *serial) Evict() {
	if s.phase != phaseClosing {
		s.refuse(errCrowded)
	}
}

// lodge counts what is left of b, of which used bytes are consumed, if it is a part of a frame or of a field block.
func (m *mux) lodge(used int) {
	lobby := &m.w.lobby
	if used > 0 {
		lobby.Leave(&m.guest)
	}
	if m.unread > 0 && m.incomplete() {
		lobby.Hold(&m.guest, m, loop.KeptSize(m.unread))
	} else {
		lobby.Leave(&m.guest)
	}
}

// incomplete reports whether it is the client that what has been left unread waits for.
func (m *mux) incomplete() bool {
	return m.phase != muxClosing && !m.paused && !m.codec.Status().Yielded
}

// Evict implements loop.Evictable.
func (m *mux) Evict() {
	if m.phase == muxClosing {
		return
	}
	m.announceEnd(m.w.loop.Now())
	m.refuse(errCrowded)
}

// Evict implements loop.Evictable.
func (d *detector) Evict() { d.refuse(protocols.ReasonOverflow) }

// Evict implements loop.Evictable.
func (i *inspector) Evict() { i.refuse(metrics.InspectionOverload) }

// declareLobbyMetrics shows what unfinished messages and handshakes cost.
func (g *Gateway) declareLobbyMetrics() {
	g.registry.Source(metrics.KindGauge, "sluice_loop_unfinished_bytes",
		"Memory for what clients have sent of messages and handshakes that are not complete.", []string{"loop"},
		func(emit func(float64, ...string)) {
			for i, w := range g.workers {
				emit(float64(w.lobby.Held()), strconv.Itoa(i))
			}
		})
	g.registry.Source(metrics.KindCounter, "sluice_loop_unfinished_evicted_total",
		"Connections closed because there was no room for what was not complete: those that had waited longest.", []string{"loop"},
		func(emit func(float64, ...string)) {
			for i, w := range g.workers {
				emit(float64(w.lobby.Evicted()), strconv.Itoa(i))
			}
		})
}
