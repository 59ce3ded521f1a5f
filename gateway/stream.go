package gateway

import (
	"time"

	"sluice/gateway/filter"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
	"sluice/upstream"
)

// direction is how far one direction of a stream is. A request has ended when its End has come, though the end of it may
// still wait in its hold; an answer when its End was encoded.
//
//	waiting ──head──> open <──> full        (full: the receiver takes no more for now, and the sender is paused)
//	                    └──End──> ended
type direction uint8

const (
	directionWaiting direction = iota
	directionOpen
	directionFull
	directionEnded
)

// headState is whether the head of a message holds up what follows it.
//
//	      ┌──no length──> collecting ──its end──> free or queued
//	free ─┤
//	      └──no turn──> queued, or queuedWhole ──its turn──> free
type headState uint8

const (
	headFree        headState = iota // it does not: it is not there yet, or was encoded
	headCollecting                   // the length of the message is not known, and the receiver's protocol says it in front
	headQueued                       // the receiver's connection sends something else before it
	headQueuedWhole                  // as headQueued, and nothing follows it
)

// queue is the state of a head of which Encode has said err; whole: it is all of the message.
func queue(err error, whole bool) headState {
	switch {
	case err != protocols.ErrWait: //nolint:errorlint // returned as it is
		return headFree
	case whole:
		return headQueuedWhole
	}
	return headQueued
}

// queued reports that the head waits for its turn.
func (h headState) queued() bool { return h >= headQueued }

// A flow is one direction of a stream: what has not been passed on yet.
type flow struct {
	state direction
	head  headState
	hold  hold
	owed  int // bytes of Data events that were answered Pause, and that their sender has not got back
	// trickled is how many bytes the receiver has taken of what it held up, too few to count.
	trickled int
}

// minTaken is how many bytes a receiver must take before it counts as progress: a window opened byte by byte is none.
const minTaken = 1 << 10

// progressed notes that the receiver has taken n bytes of what it held up, and reports whether that is progress.
func (f *flow) progressed(n int) bool {
	if f.trickled += n; f.trickled < minTaken && !f.hold.empty() {
		return false
	}
	f.trickled = 0
	return true
}

// settled takes the bytes that were passed on since, and that are to be returned to the sender.
func (f *flow) settled() int {
	n := max(f.owed-f.hold.waiting(), 0) // filters may have made more of what came
	f.owed -= n
	return n
}

// upstreamState is where the stream stands with its upstream.
//
//	none ──body without a length──> collecting ──its end──> none
//	none ──> waiting ──Ready──> leased ──both directions ended, abort, loss──> none
//	  └──────idle connection──────┘ └──retry──> backoff ──> waiting or leased
type upstreamState uint8

const (
	upstreamNone upstreamState = iota
	upstreamCollecting
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
	resp     *protocols.Header // from worker.giveHead; nil until there is an answer
	replay   []byte            // the request body sent so far, while a retry may need it
	stages   []filter.Stage
	// nextInSession and prevInSession are the other streams of a multiplexed connection.
	nextInSession, prevInSession *stream
	exchange
}

// exchange is the part of a stream that starts from zero for every use.
type exchange struct {
	s       *session
	carrier carrier
	id      protocols.StreamID
	state   upstreamState

	request  flow
	answer   flow
	tunnel   bool // bytes pass unframed in both directions
	asked    bool // for a tunnel: see wantsTunnel
	wasReset bool // the client was told that the answer is void
	// headOnly: the timeout ends with the head of the answer.
	headOnly bool
	grpc     bool   // failures are told as grpc-status
	accept   string // of a WebSocket whose handshake is converted: the proof that its answer has to hold
	reason   protocols.Reason
	detail   string // what was wrong, for the local reply and the log
	status   int

	route   *route
	host    *metrics.VirtualHost // of the virtual host; nil when none matched
	cluster *metrics.Cluster     // nil when none was chosen
	local   *upstream.Local
	subset  *upstream.Criteria // of local's hosts; nil for none in particular
	// protocol is what the upstream is spoken to in.
	protocol *protocols.Protocol
	lease    *upstream.Lease
	wait     *upstream.Wait
	tries    int // tries that have been started
	tried    [maxTries]*upstream.Endpoint
	tryTimed bool // tryTimer is armed, or was
	retried  bool // holds one of the cluster's retries in flight
	staled   bool // was sent again because an idle connection had gone stale
	taped    bool // replay holds all of the request body that was sent
	refused  int  // tries that the upstream said it had not processed
	// replayed is how much of replay was sent in this try; forwarded is how much of the body was sent in any.
	replayed  int
	forwarded int64
	// endpoint, connection and remote are those of the last try: for the log.
	endpoint *upstream.Endpoint
	upConn   uint64
	upLocal  loop.Addr

	tryStarted           time.Duration // the last try got its connection
	tryReceived, trySent uint64        // bytes that its connection had carried by then
	deadline             time.Duration // of the route's or the client's timeout; 0 while there is none
	started              time.Duration // the head arrived
	requested            time.Duration // the request was complete
	answered             time.Duration // the answer's final head arrived
	bodyLimit            int64         // of the request; 0: none
	received             int64         // request body bytes
	sent                 int64         // answer body bytes
	moved                time.Duration // bytes of the exchange last moved
	buffered             int           // what waited for the upstream when the session's timer last looked
}

// maxTries bounds how often one request is sent.
const maxTries = 8

// holding reports that the request's body must wait: it has nowhere to go yet.
func (st *stream) holding() bool {
	return st.request.state != directionEnded && (st.state == upstreamWaiting || st.state == upstreamBackoff)
}

// wantsTunnel reports whether the request asks for a tunnel, by Upgrade or CONNECT. It has no body then. Most do not, and
// their heads are not looked at again: it is cold memory by the time of the answer.
func (st *stream) wantsTunnel() bool { return st.asked && asksTunnel(&st.req) }

func asksTunnel(h *protocols.Header) bool {
	return len(h.Upgrade()) > 0 || h.Method == protocols.MethodConnect
}

// receiving reports that the client owes a part of the request's body.
func (st *stream) receiving() bool {
	return st.request.state == directionOpen && !st.holding() && !st.wantsTunnel()
}

// start begins the exchange with the head of a request. st may be over when it returns.
func (st *stream) start(ev *protocols.Event) {
	now := st.w.loop.Now()
	st.req.Take(ev.Header)
	st.asked = asksTunnel(&st.req)
	st.id = ev.Stream
	st.started, st.moved = now, now
	st.request.state = directionOpen
	st.beginFilters()
	if st.grpc = isHTTP(st.req.Proto) && isGRPC(&st.req); st.grpc {
		st.req.Timeout = grpcTimeout(st.req.Get(protocols.NameGRPCTimeout))
	}
	st.count()
	if ev.End {
		st.endRequest(now)
	}
	st.carrier.watch(st)
	if st.w.draining != drainOff {
		st.carrier.drain(now)
	}
	st.admit()
}

// finish ends the exchange and gives everything back. st must not be touched afterwards.
func (st *stream) finish() {
	carrier := st.carrier
	if st.request.state == directionFull {
		carrier.wake() // the rest is dropped, or the end of the connection
	}
	st.releaseUpstream()
	st.dropRetry()
	st.account()
	st.endFilters()
	carrier.ended(st)
	st.w.freeStream(st)
}

// releaseUpstream gives the connection back after a complete answer; if the request is not complete, it ends there.
func (st *stream) releaseUpstream() {
	// The request for a tunnel that was refused has no body: over HTTP/1 it is complete.
	refused := st.state == upstreamLeased && st.wantsTunnel() && !st.tunnel && !st.lease.Multiplexed()
	if st.state != upstreamLeased || st.request.state != directionEnded && !refused || !st.request.hold.empty() {
		st.dropUpstream(protocols.ReasonNone)
		return
	}
	lease := st.lease
	st.endTry(protocols.ReasonNone, st.status)
	st.state, st.lease = upstreamNone, nil
	st.stopTry()
	lease.Release()
}

// dropUpstream gives up whatever the stream has of its upstream.
func (st *stream) dropUpstream(r protocols.Reason) {
	st.forgetAnswer()
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
	case upstreamBackoff, upstreamCollecting:
		st.state = upstreamNone
	case upstreamNone:
	}
	st.stopTry()
}

// timeTry arms tryTimer.
func (st *stream) timeTry(d time.Duration) {
	st.tryTimed = true
	st.w.loop.Arm(&st.tryTimer, st.w.loop.Now()+d)
}

// stopTry ends the per-try timeout.
func (st *stream) stopTry() {
	if st.tryTimed {
		st.tryTimed = false
		st.w.loop.Disarm(&st.tryTimer)
	}
}

// gone ends the exchange because there is no client any more that could be told.
func (st *stream) gone(r protocols.Reason) {
	if st.reason == protocols.ReasonNone {
		st.reason = r
	}
	if st.answer.state == directionWaiting {
		st.status = st.reason.Status()
	}
	st.dropUpstream(st.reason)
	st.abandon()
}

// abandon ends the exchange with whatever has not been passed on.
func (st *stream) abandon() {
	st.answer.state = directionEnded
	st.request.state = directionEnded
	st.finish()
}

// fail ends the exchange for reason r: with a local reply if the answer has not begun, with a reset otherwise.
func (st *stream) fail(r protocols.Reason) {
	if st.answer.state != directionWaiting || st.tunnel {
		st.cut(r)
		return
	}
	st.reason = r
	st.dropUpstream(r)
	if st.req.OneWay {
		st.status = r.Status()
		st.abandon() // nobody waits for an answer
		return
	}
	st.reply(r.Status())
}

// cut ends the exchange without a further word to the client: what it got is void.
func (st *stream) cut(r protocols.Reason) {
	st.reason = r
	st.dropUpstream(r)
	st.w.toClient.Set(&protocols.Event{Kind: protocols.KindReset, Stream: st.id, Reason: r})
	_, _ = st.s.codec.Encode(st.w.loop.Now(), &st.w.toClient, st.s.conn)
	if st.answer.state == directionWaiting {
		st.status = r.Status()
	}
	st.wasReset = true
	st.abandon()
}

// Expired implements loop.Expirer.
func (st *stream) Expired(t *loop.Timer, now time.Duration) {
	switch {
	case t == &st.timer:
		// The timer is not disarmed when an exchange ends, only moved by the next: it may have been armed for another.
		if st.deadline == 0 || now < st.deadline || st.headOnly && st.answer.state != directionWaiting {
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
