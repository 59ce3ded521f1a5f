package gateway

import (
	"time"

	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
	"sluice/upstream"
)

// direction is how far one direction of a stream is.
//
//	waiting ──head──> open <──> full        (full: the receiver's output is above its high-water mark, the sender paused)
//	                    └──End──> ended
type direction uint8

const (
	directionWaiting direction = iota
	directionOpen
	directionFull
	directionEnded
)

// upstreamState is where the stream stands with its upstream.
//
//	none ──> waiting ──Ready──> leased ──both directions ended, abort, loss──> none
//	  └──────idle connection──────┘ └──retry──> backoff ──> waiting or leased
type upstreamState uint8

const (
	upstreamNone upstreamState = iota
	upstreamWaiting
	upstreamBackoff
	upstreamLeased
)

// A stream is one exchange: a request, its upstream, its answer. It is the Exchange of its lease. It belongs to its loop
// and goes back to the worker's free list when both directions are over and its log line is written.
type stream struct {
	w        *worker
	next     *stream    // free list
	timer    loop.Timer // the route's timeout
	tryTimer loop.Timer // the per-try timeout, or the backoff before the next try
	req      protocols.Header
	resp     protocols.Header
	replay   []byte // the request body sent so far, while a retry may need it
	toClient protocols.Event
	toServer protocols.Event
	exchange
}

// exchange is the part of a stream that starts from zero for every use.
type exchange struct {
	s     *session
	id    protocols.StreamID
	state upstreamState

	request direction
	answer  direction
	reason  protocols.Reason
	detail  string // what was wrong, for the local reply and the log
	status  int

	route   *route
	host    *metrics.VirtualHost // of the virtual host; nil when none matched
	cluster *metrics.Cluster     // nil when none was chosen
	local   *upstream.Local
	lease   *upstream.Lease
	wait    *upstream.Wait
	tries   int // tries that have been started
	tried   [maxTries]*upstream.Endpoint
	retried bool // holds one of the cluster's retries in flight
	staled  bool // was sent again because an idle connection had gone stale
	taped   bool // replay holds all of the request body that was sent
	// endpoint, connection and remote are those of the last try: for the log.
	endpoint *upstream.Endpoint
	upConn   uint64
	upLocal  loop.Addr

	tryStarted           time.Duration // the last try got its connection
	tryReceived, trySent uint64        // bytes that its connection had carried by then
	deadline             time.Duration // of the route's timeout; 0 while there is none
	started              time.Duration // the head arrived
	requested            time.Duration // the request was complete
	answered             time.Duration // the answer's final head arrived
	bodyLimit            int64         // of the request; 0: none
	received             int64         // request body bytes
	sent                 int64         // answer body bytes
	buffered             int           // what waited for the upstream when the session's timer last looked
}

// maxTries bounds how often one request is sent.
const maxTries = 8

// maxReplay is how much of a request body is kept for a retry; what is longer can't be retried.
const maxReplay = 64 << 10

// holding reports that the request's body must wait: it has nowhere to go yet.
func (st *stream) holding() bool {
	return st.request != directionEnded && (st.state == upstreamWaiting || st.state == upstreamBackoff)
}

// wantsTunnel reports whether the request asks for a tunnel, by Upgrade or CONNECT. It has no body then.
func (st *stream) wantsTunnel() bool {
	return len(st.req.Upgrade()) > 0 || st.req.Method == protocols.MethodConnect
}

// receiving reports that the client owes a part of the request's body.
func (st *stream) receiving() bool {
	return st.request == directionOpen && !st.holding() && !st.wantsTunnel()
}

// start begins the exchange with the head of a request.
func (st *stream) start(ev *protocols.Event) protocols.Verdict {
	now := st.w.loop.Now()
	st.req.Take(ev.Header)
	st.id = ev.Stream
	st.started = now
	st.request = directionOpen
	st.count()
	s := st.s
	s.moved = now
	if ev.End {
		st.endRequest(now)
	}
	s.hasten()
	if st.w.draining != drainOff {
		s.drain(now)
	}
	st.admit()
	// The stream may be over, unless it still is the session's. Received looks at what that means for the next one.
	if s.stream != st || st.holding() {
		return protocols.Pause
	}
	return protocols.More
}

// endRequest notes that the request is complete; the route's timeout runs from here.
func (st *stream) endRequest(now time.Duration) {
	st.request = directionEnded
	st.requested = now
	if st.route != nil && st.s.phase != phaseTunnel {
		st.armTimeout(now)
	}
}

func (st *stream) armTimeout(now time.Duration) {
	if t := st.route.timeout; t > 0 {
		st.deadline = now + t
		st.w.loop.Arm(&st.timer, st.deadline)
	}
}

// requestEvent passes a Data or Trailer event of the request on to the upstream.
func (st *stream) requestEvent(ev *protocols.Event) protocols.Verdict {
	now := st.w.loop.Now()
	if ev.Kind == protocols.KindReset {
		st.gone()
		return protocols.More
	}
	st.s.moved = now
	st.received += int64(len(ev.Data))
	if st.bodyLimit > 0 && st.received > st.bodyLimit && st.s.phase != phaseTunnel {
		st.fail(protocols.ReasonBodyTooLarge)
		return protocols.More
	}
	if ev.End {
		st.endRequest(now)
	}
	if st.state != upstreamLeased {
		return protocols.More // the answer is under way already, or the upstream is lost: the body has no reader
	}
	st.tape(ev)
	st.toServer = protocols.Event{Kind: ev.Kind, End: ev.End, Stream: st.toServer.Stream, Header: ev.Header, Data: ev.Data}
	if _, err := st.lease.Encode(&st.toServer); err != nil {
		st.detail = err.Error()
		st.fail(protocols.ReasonInternal)
		return protocols.More
	}
	switch {
	case ev.End && st.s.phase == phaseTunnel:
		st.lease.CloseWrite()
		st.maybeFinish()
	case ev.End:
		st.maybeFinish()
	case st.lease.Buffered() > loop.HighWater:
		st.request = directionFull
		st.s.conn.Pause()
		st.buffered = st.lease.Buffered()
		st.s.hasten()
		return protocols.Pause
	}
	return protocols.More
}

// tape keeps a copy of the body for a retry, as long as it fits and until the answer begins.
func (st *stream) tape(ev *protocols.Event) {
	if !st.taped {
		return
	}
	if ev.Kind != protocols.KindData || len(st.replay)+len(ev.Data) > maxReplay || st.answer != directionWaiting {
		st.taped = false
		st.replay = st.replay[:0]
		return
	}
	st.replay = append(st.replay, ev.Data...)
}

// Event implements upstream.Exchange: a piece of the answer.
func (st *stream) Event(ev *protocols.Event) protocols.Verdict {
	now := st.w.loop.Now()
	st.s.moved = now
	switch ev.Kind {
	case protocols.KindHead:
		if ev.Interim {
			return st.interim(ev)
		}
		if st.retryStatus(ev.Header.Status) {
			return protocols.Pause
		}
		st.answered = now
		st.resp.Take(ev.Header)
		st.status = st.resp.Status
		st.editAnswer()
		return st.answerEvent(protocols.Event{Kind: protocols.KindHead, End: ev.End, Header: &st.resp})
	case protocols.KindData, protocols.KindTrailer:
		if st.s.phase == phaseTunnel && st.answer == directionWaiting {
			st.answer = directionOpen
			st.answered = now
		}
		st.sent += int64(len(ev.Data))
		return st.answerEvent(*ev)
	case protocols.KindReset, protocols.KindCredit, protocols.KindGoAway:
	}
	return protocols.More
}

// interim forwards a 1xx head, unless the client does not read: nobody misses what says nothing yet.
func (st *stream) interim(ev *protocols.Event) protocols.Verdict {
	if st.s.conn.Buffered() > loop.HighWater {
		return protocols.More
	}
	st.toClient = protocols.Event{Kind: protocols.KindHead, Interim: true, Stream: st.id, Header: ev.Header}
	if _, err := st.s.codec.Encode(st.w.loop.Now(), &st.toClient, st.s.conn); err != nil {
		st.detail = err.Error()
		st.fail(protocols.ReasonInternal)
	}
	return protocols.More
}

// answerEvent encodes a piece of the final answer for the client.
func (st *stream) answerEvent(ev protocols.Event) protocols.Verdict {
	st.toClient = ev
	st.toClient.Stream = st.id
	if _, err := st.s.codec.Encode(st.w.loop.Now(), &st.toClient, st.s.conn); err != nil {
		st.detail = err.Error()
		st.fail(protocols.ReasonUpstreamProtocol) // what we can't say, the upstream should not have said
		return protocols.Pause
	}
	if ev.Kind == protocols.KindHead {
		st.answer = directionOpen
		if st.s.codec.Status().Phase == protocols.PhaseTunnel {
			st.becomeTunnel()
		}
	}
	switch {
	case ev.End:
		st.answer = directionEnded
		if st.s.phase == phaseTunnel {
			st.s.conn.CloseWrite()
		}
		st.maybeFinish()
	case st.s.conn.Buffered() > loop.HighWater:
		st.answer = directionFull
		st.lease.Pause()
		st.s.buffered = st.s.conn.Buffered()
		st.s.hasten()
		return protocols.Pause
	}
	return protocols.More
}

// becomeTunnel follows the codecs into passing bytes unframed.
func (st *stream) becomeTunnel() {
	s := st.s
	st.deadline = 0
	st.stopTry()
	s.phase = phaseTunnel
	st.w.shard.Inc(s.l.counters.Tunnels)
	st.request = directionOpen
	s.rearm()
	s.resumeInput()
}

// drained is called when the client has taken its output: the answer may go on.
func (st *stream) drained() {
	if st.answer == directionFull {
		st.answer = directionOpen
		st.lease.Resume(0)
	}
}

// Drained implements upstream.Exchange: the upstream has taken its output, so the request may go on.
func (st *stream) Drained() {
	st.s.moved = st.w.loop.Now()
	if st.request == directionFull {
		st.request = directionOpen
		st.s.conn.Resume()
	}
}

// maybeFinish ends the exchange when nothing more is to come.
func (st *stream) maybeFinish() {
	if st.answer != directionEnded {
		return
	}
	if st.request != directionEnded {
		if st.s.phase == phaseTunnel {
			return
		}
		if st.wantsTunnel() {
			// The tunnel was refused, and its request has no body: the exchange is complete.
			st.finish()
			return
		}
		// An answer before the end of the request: the upstream does not want the rest, and neither do we. The
		// server codec drops it, or says that the connection must close.
		st.dropUpstream(protocols.ReasonNone)
	}
	st.finish()
}

// finish ends the exchange and gives everything back. st must not be touched afterwards.
func (st *stream) finish() {
	s, lease := st.s, st.lease
	if st.request == directionFull {
		s.conn.Resume() // the rest is dropped, or the end of the connection
	}
	if st.state == upstreamLeased {
		st.endTry(protocols.ReasonNone, st.status)
		st.state, st.lease = upstreamNone, nil
		lease.Release()
	}
	st.dropRetry()
	st.account()
	st.w.freeStream(st)
	s.finished()
}

// dropUpstream gives up whatever the stream has of its upstream.
func (st *stream) dropUpstream(r protocols.Reason) {
	switch st.state {
	case upstreamLeased:
		lease := st.lease
		st.endTry(r, st.status)
		st.lease = nil
		st.state = upstreamNone
		lease.Abort(r)
	case upstreamWaiting:
		wait := st.wait
		st.wait = nil
		st.state = upstreamNone
		wait.Cancel()
	case upstreamBackoff:
		st.state = upstreamNone
	case upstreamNone:
	}
	st.stopTry()
}

// stopTry ends the per-try timeout.
func (st *stream) stopTry() {
	if st.tryTimer.Armed() {
		st.w.loop.Disarm(&st.tryTimer)
	}
}

// gone ends the exchange because the client has gone.
func (st *stream) gone() {
	if st.reason == protocols.ReasonNone {
		st.reason = protocols.ReasonClientGone
	}
	if st.answer == directionWaiting {
		st.status = st.reason.Status()
	}
	st.dropUpstream(st.reason)
	st.answer = directionEnded
	st.request = directionEnded
	st.finish()
}

// fail ends the exchange for reason r: with a local reply if the answer has not begun, with a reset otherwise.
func (st *stream) fail(r protocols.Reason) {
	if st.answer != directionWaiting || st.s.phase == phaseTunnel {
		st.cut(r)
		return
	}
	st.reason = r
	st.dropUpstream(r)
	st.reply(r.Status())
}

// cut ends the exchange without a further word to the client: what it got is void.
func (st *stream) cut(r protocols.Reason) {
	st.reason = r
	st.dropUpstream(r)
	st.toClient = protocols.Event{Kind: protocols.KindReset, Stream: st.id, Reason: r}
	_, _ = st.s.codec.Encode(st.w.loop.Now(), &st.toClient, st.s.conn)
	if st.answer == directionWaiting {
		st.status = r.Status()
	}
	st.answer = directionEnded
	st.request = directionEnded
	st.finish()
}

// Expired implements loop.Expirer.
func (st *stream) Expired(t *loop.Timer, now time.Duration) {
	switch {
	case t == &st.timer:
		// The timer is not disarmed when an exchange ends, only moved by the next: it may have been armed for another.
		if st.deadline == 0 || now < st.deadline || st.route.headTimeout && st.answer != directionWaiting {
			return
		}
		st.fail(protocols.ReasonRequestTimeout)
	case st.state == upstreamBackoff:
		st.state = upstreamNone
		st.again(true)
	default:
		st.tryTimedOut()
	}
}
