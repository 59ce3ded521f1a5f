package gateway

import (
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// endRequest notes that the request is complete; the route's timeout runs from here.
func (st *stream) endRequest(now time.Duration) {
	st.request.state = directionEnded
	st.requested = now
	if st.route != nil && !st.tunnel {
		st.armTimeout(now)
	}
}

// armTimeout makes the route's timeout run from t, or the client's own from the start, whichever ends first.
func (st *stream) armTimeout(t time.Duration) {
	st.deadline, st.headOnly = 0, st.route.headTimeout
	limit := st.route.timeout
	if st.req.OneWay || st.req.Timeout < 0 && st.headOnly {
		limit = 0 // the caller wants none, and the configuration does not insist
	}
	if limit > 0 {
		st.deadline = t + limit
	}
	st.armOwnTimeout()
}

// armOwnTimeout makes the client's own timeout run, if it ends before what runs already.
func (st *stream) armOwnTimeout() {
	if own := st.req.Timeout; own > 0 {
		at := st.started + time.Duration(own)*time.Millisecond
		if st.deadline == 0 || st.headOnly || at < st.deadline {
			st.deadline, st.headOnly = at, false
		}
	}
	if st.deadline > 0 {
		st.w.loop.Arm(&st.timer, st.deadline)
	}
}

// requestEvent takes a Data or Trailer event of the request for the upstream.
func (st *stream) requestEvent(ev *protocols.Event) protocols.Verdict {
	now := st.w.loop.Now()
	st.moved = now
	st.received += int64(len(ev.Data))
	if st.bodyLimit > 0 && st.received > st.bodyLimit && !st.tunnel {
		st.fail(protocols.ReasonBodyTooLarge)
		return protocols.More
	}
	if ev.End {
		st.endRequest(now)
	}
	if st.state == upstreamNone {
		return protocols.More // the answer is under way already, or the upstream is lost: the body has no reader
	}
	n := len(ev.Data)
	if len(st.stages) > 0 {
		if ev = st.filterRequest(ev); ev == nil {
			return protocols.More
		}
	}
	if st.state == upstreamCollecting {
		return st.collect(ev)
	}
	return st.sendRequest(ev, n)
}

// sendRequest passes ev, for which the client has spent came bytes, on as far as the upstream takes it, and holds the rest.
func (st *stream) sendRequest(ev *protocols.Event, came int) protocols.Verdict {
	n := 0
	if st.state == upstreamLeased && !st.request.head.queued() && st.replayed == len(st.replay) && st.request.hold.empty() {
		st.w.toServer.Set(&protocols.Event{Kind: ev.Kind, End: ev.End, Header: ev.Header, Data: ev.Data})
		var err error
		n, err = st.lease.Encode(&st.w.toServer)
		if err != nil {
			st.refuseByUs(err)
			return protocols.More
		}
		st.tape(ev.Kind, ev.Data[:n])
		if n == len(ev.Data) {
			if ev.End {
				st.requestSent()
				return protocols.More
			}
			if !st.upstreamFull() {
				return protocols.More
			}
		}
	}
	if !st.request.hold.add(st.w, ev, n) {
		st.fail(protocols.ReasonOverflow)
		return protocols.More
	}
	st.request.owed += came
	if st.state == upstreamLeased {
		st.buffered = st.lease.Buffered()
	}
	if st.request.state != directionEnded { // filters may have left something to send in front of its trailers
		st.request.state = directionFull
		st.carrier.pauseInput(st)
		st.carrier.watch(st)
	}
	return protocols.Pause
}

// upstreamFull reports whether the upstream's connection has too much output to take more. A multiplexed one says so by
// taking less.
func (st *stream) upstreamFull() bool {
	return !st.lease.Multiplexed() && st.lease.Buffered() > loop.HighWater
}

// refuseByUs ends the exchange because the upstream's protocol can't say what the request says.
func (st *stream) refuseByUs(err error) {
	reason, detail := fault(err)
	if reason == protocols.ReasonProtocolError {
		reason = protocols.ReasonInternal
	}
	st.detail = detail
	st.fail(reason)
}

// requestSent follows the last byte of the request.
func (st *stream) requestSent() {
	if st.tunnel {
		st.lease.CloseWrite()
	}
	if st.req.OneWay && !isHTTP(st.protocol.ID) {
		st.answer.state = directionEnded
	}
	st.maybeFinish()
}

// flushRequest sends what waits for the upstream, as far as it takes it: what an earlier try sent first. st may be over
// when it returns.
func (st *stream) flushRequest() {
	f := &st.request
	if st.replayed < len(st.replay) {
		end := f.state == directionEnded && f.hold.empty()
		st.w.toServer.Set(&protocols.Event{Kind: protocols.KindData, End: end, Data: st.replay[st.replayed:]})
		n, err := st.lease.Encode(&st.w.toServer)
		if err != nil {
			st.refuseByUs(err)
			return
		}
		if st.replayed += n; st.replayed < len(st.replay) {
			return
		}
		if end {
			st.requestSent()
			return
		}
	}
	for !f.hold.empty() {
		f.hold.fill(&st.w.toServer)
		kind, end := st.w.toServer.Kind, st.w.toServer.End
		data := st.w.toServer.Data
		n, err := st.lease.Encode(&st.w.toServer)
		if err != nil {
			st.refuseByUs(err)
			return
		}
		st.tape(kind, data[:n])
		f.hold.took(st.w, n, end && n == len(data))
		if f.progressed(n) {
			st.moved = st.w.loop.Now()
		}
		if n < len(data) {
			break
		}
		if end {
			st.returnRequest()
			st.requestSent()
			return
		}
	}
	st.returnRequest()
}

// returnRequest lets the client send as much as was passed on.
func (st *stream) returnRequest() {
	f := &st.request
	n := f.settled()
	if f.state == directionFull && f.hold.empty() && st.replayed == len(st.replay) && !st.upstreamFull() {
		f.state = directionOpen
	} else if n == 0 {
		return
	}
	st.carrier.resumeInput(st, n)
}

// Drained implements upstream.Exchange: there is room for more of the request.
func (st *stream) Drained() {
	if st.state != upstreamLeased {
		return
	}
	if !st.lease.Multiplexed() {
		st.moved = st.w.loop.Now() // its output has left; a stream's window says little
	}
	if st.request.head.queued() {
		st.sendHead(st.request.head == headQueuedWhole)
		return
	}
	st.flushRequest()
}

// maxReplay is how much of a request body is kept for a retry of the route's policy; what is longer can't be retried.
// maxRefusedReplay is how much is kept only because a multiplexed upstream may say that it has not looked at the request.
const (
	maxReplay        = 64 << 10
	maxRefusedReplay = 16 << 10
)

// tape keeps a copy of what was sent of the body for a retry, as long as it fits and until the answer begins.
func (st *stream) tape(kind protocols.Kind, sent []byte) {
	st.forwarded += int64(len(sent))
	if !st.taped {
		return
	}
	limit := maxRefusedReplay
	if st.route.retry.On {
		limit = maxReplay
	}
	if kind != protocols.KindData || len(st.replay)+len(sent) > limit || st.answer.state != directionWaiting {
		st.taped = false
		st.replay = st.replay[:0]
		st.replayed = 0
		return
	}
	st.replay = append(st.replay, sent...)
	st.replayed = len(st.replay)
}
