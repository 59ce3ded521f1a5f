package gateway

import (
	"slices"
	"strings"
	"time"

	"sluice/gateway/telemetry/metrics"
	"sluice/loop/looptest"
	"sluice/protocols"
)

// h2doc is plain with the protocols of both sides: Http1, Http2, or Auto for the downstream.
func h2doc(down, up, route, extra string) string {
	s := plain(route, extra)
	s = strings.Replace(s, `"downstream_protocol":"Http1"`, `"downstream_protocol":"`+down+`"`, 1)
	return strings.Replace(s, `"name":"c","type":"SIMPLE",`, `"name":"c","type":"SIMPLE","protocol":"`+up+`",`, 1)
}

// nothingLeft asserts that nothing is left of the exchanges, once every client has gone.
func (r *rig) nothingLeft() {
	r.t.Helper()
	w := r.g.workers[0]
	r.l.Do(func() {
		r.t.Helper()
		if w.active != 0 || w.sessions.count != 0 {
			r.t.Errorf("active %d sessions %d", w.active, w.sessions.count)
		}
		r.noBytesHeld()
		if err := r.g.clusters.Cluster("c").On(r.l).CheckIdle(); err != nil {
			r.t.Error(err)
		}
	})
}

// noBytesHeld asserts that no stream holds anything. It runs on the loop.
func (r *rig) noBytesHeld() {
	r.t.Helper()
	if held := r.g.workers[0].holds.held; held != 0 {
		r.t.Errorf("%d bytes are held", held)
	}
	for _, l := range r.g.listeners {
		if owed := l.locals[0].env.Owed; owed != 0 {
			r.t.Errorf("%d bytes are owed", owed)
		}
	}
}

// over lets all clients go, and asserts that nothing is left.
func (r *rig) over(clients ...*looptest.Peer) {
	r.t.Helper()
	for _, c := range clients {
		c.Reset()
	}
	r.l.Run()
	r.l.Advance(100 * time.Second) // what is idle closes
	r.nothingLeft()
}

// failed is how many exchanges and connections of the listener have ended for reason x.
func (r *rig) failed(x protocols.Reason) (n int) {
	for _, s := range r.series() {
		if s.Name == "sluice_downstream_requests_failed_total" && slices.Contains(s.Values, x.String()) {
			n += int(s.Value)
		}
	}
	return n
}

// series are the metrics, which the loop has to run for.
func (r *rig) series() []metrics.Series {
	done := make(chan []metrics.Series)
	go func() { done <- r.g.registry.Snapshot() }()
	for {
		select {
		case all := <-done:
			return all
		default:
			r.l.Run()
			time.Sleep(10 * time.Microsecond)
		}
	}
}
