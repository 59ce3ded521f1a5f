package gateway

import (
	"time"

	"sluice/protocols"
)

// Event implements upstream.Exchange: a piece of the answer.
func (st *stream) Event(ev *protocols.Event) protocols.Verdict {
	now := st.w.loop.Now()
	st.moved = now
	if st.req.OneWay {
		return st.dropAnswer(ev)
	}
	switch ev.Kind {
	case protocols.KindHead:
		if ev.Interim {
			return st.interim(ev)
		}
		if st.retryAnswer(ev.Header) {
			return protocols.Pause
		}
		st.answered = now
		st.w.giveHead(st)
		st.resp.Take(ev.Header)
		st.status = st.resp.Status
		if !st.editTunnelAnswer() {
			st.detail = "the upstream's Sec-WebSocket-Accept does not answer the key (RFC 6455 section 4.1)"
			st.fail(protocols.ReasonUpstreamProtocol)
			return protocols.Pause
		}
		st.editAnswer()
		return st.sendAnswerHead(ev.End)
	case protocols.KindData, protocols.KindTrailer:
		if st.tunnel && st.answer.state == directionWaiting {
			st.answer.state = directionOpen
			st.answered = now
		}
		st.sent += int64(len(ev.Data))
		n := len(ev.Data)
		if len(st.stages) > 0 {
			if ev = st.filterAnswer(ev); ev == nil {
				return protocols.More
			}
		}
		if st.answer.head == headCollecting {
			return st.collectAnswer(ev)
		}
		return st.sendAnswer(ev, n)
	case protocols.KindReset, protocols.KindCredit, protocols.KindGoAway:
	}
	return protocols.More
}

// interim forwards a 1xx head, unless the client does not read: nobody misses what says nothing yet.
func (st *stream) interim(ev *protocols.Event) protocols.Verdict {
	if st.s.conn.Buffered() > protocols.OutputHigh {
		return protocols.More
	}
	st.w.toClient.Set(&protocols.Event{Kind: protocols.KindHead, Interim: true, Stream: st.id, Header: ev.Header})
	if _, err := st.s.codec.Encode(st.w.loop.Now(), &st.w.toClient, st.s.conn); err != nil {
		st.detail = err.Error()
		st.fail(protocols.ReasonInternal)
	}
	return protocols.More
}

// sendAnswerHead encodes st.resp for the client.
func (st *stream) sendAnswerHead(end bool) protocols.Verdict {
	st.filterHead(end)
	st.status = st.resp.Status
	if st.collectsAnswer(end) {
		st.answer.head = headCollecting
		return protocols.More
	}
	if err := st.encodeHead(end); err != nil {
		return st.unspeakable(err)
	}
	if !st.answer.head.queued() && st.wantsTunnel() && grantsTunnel(&st.req, st.resp) {
		st.becomeTunnel()
	}
	switch {
	case end && st.answer.head.queued():
		st.releaseUpstream()
		st.carrier.watch(st)
		return protocols.Pause
	case end:
		st.answerSent()
		return protocols.More
	case st.answer.head.queued():
		return st.pauseAnswer(0)
	}
	return st.afterAnswer(0)
}

// encodeHead encodes st.resp, or lets it wait for its turn: then flushAnswer does it.
func (st *stream) encodeHead(end bool) error {
	st.w.toClient.Set(&protocols.Event{Kind: protocols.KindHead, End: end, Stream: st.id, Header: st.resp, Reason: st.reason})
	_, err := st.s.codec.Encode(st.w.loop.Now(), &st.w.toClient, st.s.conn)
	st.answer.head = queue(err, end)
	switch {
	case st.answer.head.queued():
		st.answer.state = directionFull
		return nil
	case err == nil && st.answer.state == directionWaiting:
		st.answer.state = directionOpen
	}
	return err
}

// unspeakable ends an exchange whose answer can't be said to the client: the upstream should not have said it.
func (st *stream) unspeakable(err error) protocols.Verdict {
	st.detail = err.Error()
	st.fail(protocols.ReasonUpstreamProtocol)
	return protocols.Pause
}

// sendAnswer passes ev, Data or a Trailer, for which the upstream has spent came bytes, on as far as the client takes it, and
// holds the rest.
func (st *stream) sendAnswer(ev *protocols.Event, came int) protocols.Verdict {
	f := &st.answer
	n := 0
	if f.hold.empty() && !f.head.queued() {
		st.w.toClient.Set(ev)
		st.w.toClient.Stream = st.id
		var err error
		n, err = st.s.codec.Encode(st.w.loop.Now(), &st.w.toClient, st.s.conn)
		if err != nil {
			return st.unspeakable(err)
		}
		if n == len(ev.Data) {
			if ev.End {
				st.answerSent()
				return protocols.More
			}
			return st.afterAnswer(came)
		}
	}
	if !f.hold.add(st.w, ev, n) {
		st.cut(protocols.ReasonOverflow)
		return protocols.More
	}
	if ev.End && !st.tunnel {
		// The upstream has said all: its connection is free, whenever the client takes the rest.
		f.state = directionFull
		st.releaseUpstream()
		st.carrier.watch(st)
		return protocols.Pause
	}
	return st.pauseAnswer(came)
}

// afterAnswer pauses the upstream behind n bytes that were all taken, when the client does not keep up.
func (st *stream) afterAnswer(n int) protocols.Verdict {
	if !st.carrier.full() {
		return protocols.More
	}
	return st.pauseAnswer(n)
}

func (st *stream) pauseAnswer(n int) protocols.Verdict {
	st.answer.owed += n
	st.answer.state = directionFull
	st.lease.Pause()
	st.carrier.watch(st)
	return protocols.Pause
}

// flushAnswer sends what waits for the client, as far as it takes it. st may be over when it returns.
func (st *stream) flushAnswer() {
	f := &st.answer
	now := st.w.loop.Now()
	if f.head.queued() {
		whole := f.head == headQueuedWhole
		if err := st.encodeHead(whole); err != nil {
			st.unspeakable(err)
			return
		}
		if f.head.queued() {
			return
		}
		if whole {
			st.answerSent()
			return
		}
	}
	for !f.hold.empty() {
		f.hold.fill(&st.w.toClient)
		st.w.toClient.Stream = st.id
		end := st.w.toClient.End
		data := st.w.toClient.Data
		n, err := st.s.codec.Encode(now, &st.w.toClient, st.s.conn)
		if err != nil {
			st.unspeakable(err)
			return
		}
		f.hold.took(st.w, n, end && n == len(data))
		if f.progressed(n) {
			st.moved = now
		}
		if n < len(data) {
			break
		}
		if end {
			st.answerSent()
			return
		}
	}
	if f.state == directionFull && f.hold.empty() && !st.carrier.full() {
		f.state = directionOpen
	}
	if n := f.settled(); st.state == upstreamLeased && (f.state == directionOpen || n > 0 && st.lease.Multiplexed()) {
		st.lease.Resume(n)
	}
}

// answerSent follows the last byte of the answer.
func (st *stream) answerSent() {
	st.answer.state = directionEnded
	if st.tunnel {
		st.carrier.endOutput()
	}
	st.maybeFinish()
}

// grantsTunnel reports whether resp makes the connection of req a tunnel.
func grantsTunnel(req, resp *protocols.Header) bool {
	if req.Method == protocols.MethodConnect {
		return resp.Status >= 200 && resp.Status < 300
	}
	return resp.Status == 101
}

// becomeTunnel follows the codecs into passing bytes unframed.
func (st *stream) becomeTunnel() {
	carrier := st.carrier
	st.deadline = 0
	st.stopTry()
	st.tunnel = true
	st.w.shard.Inc(st.s.l.counters.Tunnels)
	if st.request.state != directionEnded {
		st.request.state = directionOpen
	}
	carrier.tunnelled(st)
	if st.state == upstreamLeased {
		if st.request.state == directionEnded && st.request.hold.empty() {
			st.lease.CloseWrite() // the client had ended its direction before there was a tunnel
		}
		st.flushRequest()
	}
	carrier.wake() // carrier, not st: the exchange may be over already
}

// maybeFinish ends the exchange when nothing more is to come.
func (st *stream) maybeFinish() {
	if st.answer.state != directionEnded {
		return
	}
	// An answer before the end of the request means that the upstream does not want the rest, and neither do we. The server
	// codec drops it, or says that the connection must close. (A refused tunnel has no rest.)
	if st.tunnel && (st.request.state != directionEnded || !st.request.hold.empty()) {
		return
	}
	st.finish()
}

// progressDeadline is the limit on a body, a reader, an answer or a tunnel that makes no progress.
func (st *stream) progressDeadline() time.Duration {
	t := &st.s.l.timeouts
	switch {
	case st.tunnel:
		return after(st.moved, t.TunnelIdle)
	case st.answer.state == directionFull, st.request.state == directionFull, st.receiving():
		return after(st.moved, t.Progress)
	}
	return after(st.moved, t.StreamIdle)
}

// stalled is why an exchange that made no progress has to end.
func (st *stream) stalled() protocols.Reason {
	switch {
	case st.tunnel:
		return protocols.ReasonIdleTimeout
	case st.answer.state == directionFull:
		return protocols.ReasonSlowReader
	case st.receiving():
		return protocols.ReasonBodyTimeout
	}
	return protocols.ReasonStreamIdle
}

// noticeProgress counts bytes that the upstream took, though not enough of them for Drained. Those that leave a multiplexed
// connection may be anybody's.
func (st *stream) noticeProgress(now time.Duration) {
	if st.lease == nil || st.lease.Multiplexed() {
		return
	}
	n := st.lease.Buffered()
	if n < st.buffered {
		st.moved = now
	}
	st.buffered = n
}
