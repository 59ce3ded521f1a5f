package gateway

import (
	"time"

	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/metrics"
	"sluice/protocols"
)

// count counts an exchange that begins.
func (st *stream) count() {
	st.w.shard.Inc(st.s.l.counters.Requests)
	st.w.shard.AddGauge(st.s.l.counters.RequestsActive, 1)
}

// beginTry counts a try that has got its connection.
func (st *stream) beginTry() {
	shard := st.w.shard
	e := st.endpoint.Data.(*metrics.Endpoint)
	shard.Inc(e.Requests)
	shard.AddGauge(e.RequestsActive, 1)
	shard.Inc(st.cluster.Requests)
	shard.AddGauge(st.cluster.RequestsActive, 1)
	st.tryStarted = st.w.loop.Now()
	st.tryReceived, st.trySent = st.lease.Conn().Transferred()
}

// endTry counts a try that has ended, for reason r. The lease is still there, though its connection may have ended.
func (st *stream) endTry(r protocols.Reason, status int) {
	shard := st.w.shard
	e := st.endpoint.Data.(*metrics.Endpoint)
	took := st.w.loop.Now() - st.tryStarted
	received, sent := st.lease.Conn().Transferred()
	received, sent = received-st.tryReceived, sent-st.trySent
	if st.lease.Multiplexed() {
		// The connection's bytes are those of many: these are the exchange's own, before compression and without frames.
		received, sent = uint64(st.sent), uint64(st.forwarded)+uint64(st.req.RawLen())
		if st.resp != nil {
			received += uint64(st.resp.RawLen())
		}
	}
	for _, u := range [...]*metrics.Upstream{&e.Upstream, &st.cluster.Upstream} {
		shard.AddGauge(u.RequestsActive, -1)
		shard.Observe(u.Duration, took)
		shard.Inc(u.Failed[r])
		shard.Inc(u.Responses.Of(status))
		shard.Add(u.Received, int64(received))
		shard.Add(u.Sent, int64(sent))
	}
}

// account counts the exchange, which is over, and writes its log lines.
func (st *stream) account() {
	w, l := st.w, st.s.l
	took := w.loop.Now() - st.started
	c := l.counters
	st.s.countBytes()
	w.shard.AddGauge(c.RequestsActive, -1)
	w.shard.Inc(c.Failed[st.reason])
	w.shard.Observe(c.Duration, took)
	w.shard.Observe(c.Process, st.process(took))
	if l.tcp == nil {
		w.shard.Inc(c.Responses.Of(st.status))
	}
	if st.wasReset || st.reason == protocols.ReasonClientGone {
		w.shard.Inc(c.RequestsReset)
	}
	if st.host != nil {
		w.shard.Inc(st.host.Failed[st.reason])
		w.shard.Inc(st.host.Responses.Of(st.status))
		w.shard.Observe(st.host.Duration, took)
	}
	for i := range l.logs {
		if log := &l.logs[i]; log.buffer.Enabled() {
			st.fillRecord(&w.record)
			log.buffer.Log(log.format, &w.record)
		}
	}
}

// process is the part of took, the time since the start, that was not the upstream's: until the last try was sent, and
// from its answer's head on.
func (st *stream) process(took time.Duration) time.Duration {
	if st.tryStarted == 0 {
		return took
	}
	until := st.started + took
	if st.answered != 0 {
		until = st.answered
	}
	return took - (until - st.tryStarted)
}

// countBytes adds what the connection has carried since it was last asked.
func (s *session) countBytes() {
	received, sent := s.conn.Transferred()
	s.w.shard.Add(s.l.counters.Received, int64(received-s.received))
	s.w.shard.Add(s.l.counters.Sent, int64(sent-s.sent))
	s.received, s.sent = received, sent
}

// fillRecord makes r tell of the exchange as far as it has come. r borrows what belongs to st.
func (st *stream) fillRecord(r *accesslog.Record) {
	w, s := st.w, st.s
	now := w.loop.Now()
	*r = accesslog.Record{
		Start: w.loop.Wall(st.started), RequestReceived: st.since(st.requested), RequestFinished: st.since(st.requested),
		ResponseReceived: st.since(st.answered), Duration: now - st.started,
		BytesReceived: uint64(st.received), BytesSent: uint64(st.sent),
		Protocol: s.protocol.Name, Request: &st.req, Response: st.resp, ResponseCode: st.status, Reason: st.reason,
		Listener: s.l.cfg.Name, ServerName: s.serverName, DownstreamLocal: s.conn.LocalAddr(), DownstreamRemote: s.conn.RemoteAddr(),
		ConnectionID: s.conn.ID(), UpstreamConnectionID: st.upConn, StreamID: st.id,
		RequestID: st.req.Get(protocols.NameXRequestID), Attempts: st.tries,
	}
	r.Process = st.process(r.Duration)
	if st.staled {
		r.Attempts++ // it does not count as a try of the policy, but it was sent
	}
	if st.local != nil {
		r.Cluster = st.local.Cluster().Name
	}
	if st.route != nil && st.route.Route != nil {
		r.VirtualHost = st.route.Host.Name
	}
	if e := st.endpoint; e != nil {
		r.UpstreamHost, r.UpstreamRemote = e.Hostname, e.Addr
		r.UpstreamLocal = st.upLocal
	}
}
