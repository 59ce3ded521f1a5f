package gateway

import "sluice/protocols"

// tooLongToCollect is why a message without an announced length could not become one of a protocol that needs it.
const tooLongToCollect = "the message has no announced length, which Bolt needs, and is longer than bolt.collect_bytes"

// collects reports whether the request has to be complete before its head can be told: its length is not known, and the
// upstream's protocol says it in front.
func (st *stream) collects() bool {
	return st.protocol.Sized && st.req.ContentLength < 0 && st.request.state != directionEnded && !st.wantsTunnel()
}

// collect takes a piece of such a request; behind the last one it goes to its upstream.
func (st *stream) collect(ev *protocols.Event) protocols.Verdict {
	if st.keep(&st.request, ev, protocols.ReasonBodyTooLarge) && ev.End {
		st.req.ContentLength = int64(st.request.hold.waiting())
		st.state = upstreamNone
		st.acquire(false)
	}
	return protocols.More
}

// keep adds a piece to a message that is collected. If it can't, the exchange ends, for tooLong where the message is.
func (st *stream) keep(f *flow, ev *protocols.Event, tooLong protocols.Reason) bool {
	if f.hold.waiting()+len(ev.Data) > st.s.l.collect {
		st.detail = tooLongToCollect
		st.fail(tooLong)
		return false
	}
	if !f.hold.add(st.w, ev, 0) {
		st.fail(protocols.ReasonOverflow)
		return false
	}
	if ev.End {
		f.hold.trailer = nil // a frame has no place for it
	}
	return true
}

// invite answers the expectation of a client that waits for a 100 before it sends its body: an upstream that has no such
// thing will not.
func (st *stream) invite() {
	if isHTTP(st.protocol.ID) || !st.req.Has(protocols.NameExpect) || st.request.state == directionEnded {
		return
	}
	st.w.giveHead(st)
	st.resp.Reset()
	st.resp.Status = 100
	st.w.toClient.Set(&protocols.Event{Kind: protocols.KindHead, Interim: true, Stream: st.id, Header: st.resp})
	_, _ = st.s.codec.Encode(st.w.loop.Now(), &st.w.toClient, st.s.conn) // a client that is not told sends it some time later
	st.resp.Reset()
}

// collectsAnswer is collects for the answer.
func (st *stream) collectsAnswer(end bool) bool {
	return st.s.protocol.Sized && st.resp.ContentLength < 0 && !end
}

// collectAnswer takes a piece of such an answer; behind the last one it goes to the client.
func (st *stream) collectAnswer(ev *protocols.Event) protocols.Verdict {
	if !st.keep(&st.answer, ev, protocols.ReasonUpstreamProtocol) {
		return protocols.Pause
	}
	if !ev.End {
		return protocols.More
	}
	st.answer.head = headFree
	st.resp.ContentLength = int64(st.answer.hold.waiting())
	st.releaseUpstream()
	if err := st.encodeHead(false); err != nil {
		return st.unspeakable(err)
	}
	if st.answer.head.queued() {
		st.carrier.watch(st)
		return protocols.Pause
	}
	st.flushAnswer()
	return protocols.Pause
}

// forgetAnswer drops what was collected of an answer that will not be complete.
func (st *stream) forgetAnswer() {
	if st.answer.head == headCollecting {
		st.answer.head = headFree
		st.answer.hold.drop(st.w)
	}
}

// dropAnswer is for a caller that wants none, though the upstream's protocol gives one.
func (st *stream) dropAnswer(ev *protocols.Event) protocols.Verdict {
	if ev.Kind == protocols.KindHead {
		st.answered = st.w.loop.Now()
		st.status = ev.Header.Status
	}
	if ev.End {
		st.answer.state = directionEnded
		st.maybeFinish()
	}
	return protocols.More
}
