package gateway

import (
	"cmp"
	"math/bits"
	"time"

	"sluice/loop"
	"sluice/protocols"
	"sluice/upstream"
)

// connectTries is how many endpoints are tried when connecting fails: nothing of the request was sent, so this is safe
// for every request and needs no retry policy.
const connectTries = 3

// maxRefused is how often a request is sent again because its upstream had not processed it.
const maxRefused = 3

// The pause before a retry of the route's policy: doubled each time, with jitter.
const (
	backoffBase = 10 * time.Millisecond
	backoffMax  = 250 * time.Millisecond
)

// acquire asks for a connection to the route's cluster; fresh refuses one that was idle in the pool.
func (st *stream) acquire(fresh bool) {
	w := st.w
	r := &w.request
	r.Protocol, r.Env, r.Subset, r.Fresh, r.Tried = st.protocol, st.s.l.env, st.subset, fresh, st.tried[:min(st.tries, maxTries)]
	st.tries++
	lease, wait, reason := st.local.Acquire(&w.request, st)
	switch {
	case lease != nil:
		st.begin(lease)
	case wait != nil:
		st.state = upstreamWaiting
		st.wait = wait
		if st.deadline == 0 {
			st.armTimeout(w.loop.Now()) // the body that is held does not count as being on its way
		}
	default:
		if reason == protocols.ReasonNoHealthyEndpoint {
			st.detail = cmp.Or(st.local.Missing(st.subset), st.detail)
		}
		st.fail(reason)
	}
}

// again is acquire behind an earlier try. What the client has sent meanwhile is waiting with its loop.
func (st *stream) again(fresh bool) {
	carrier := st.carrier
	if st.request.state == directionFull && st.request.hold.empty() {
		st.request.state = directionOpen
	}
	st.acquire(fresh)
	carrier.wake() // carrier, not st: the exchange may be over already
}

// Ready implements upstream.Exchange.
func (st *stream) Ready(lease *upstream.Lease) {
	st.wait = nil
	carrier := st.carrier
	held := st.holding()
	st.begin(lease)
	if held {
		carrier.wake() // carrier, not st: the exchange may be over already
	}
}

// begin sends the request, as far as it is known, on lease.
func (st *stream) begin(lease *upstream.Lease) {
	st.state = upstreamLeased
	st.lease = lease
	st.endpoint = lease.Endpoint()
	st.upConn = lease.Conn().ID()
	if len(st.s.l.logs) > 0 {
		st.upLocal = lease.Conn().LocalAddr()
	}
	if st.tries <= maxTries {
		st.tried[st.tries-1] = st.endpoint
	}
	if st.request.state != directionEnded && !st.wantsTunnel() {
		st.deadline = 0 // the route's timeout runs from the end of the request
		st.armOwnTimeout()
	}
	st.beginTry()
	st.editForEndpoint()
	ended := st.request.state == directionEnded
	bodiless := ended && len(st.replay) == 0 && st.received == 0 && st.request.hold.trailer == nil && !st.wantsTunnel()
	switch {
	case bodiless:
		st.request.hold.drop(st.w) // an End without data
	case ended && st.wantsTunnel():
		st.request.hold.end = true // behind the head, which does not end a tunnel; again, if an earlier try said it
	}
	// The body is taped while a retry could need it: the policy allows one, the connection may have gone stale, or a
	// multiplexed upstream may refuse the stream.
	if st.tries == 1 && st.forwarded == 0 {
		st.taped = st.route.retry.On || lease.Multiplexed() || lease.Reused() && st.req.Method.Idempotent()
	}
	st.taped = st.taped || bodiless
	st.replayed = 0
	if t := st.route.retry.TryTimeout; t > 0 {
		st.timeTry(t)
	}
	st.sendHead(bodiless)
}

// sendHead sends the head of the request, which is all of it if it is whole, unless it has to wait for its turn: then Drained
// asks again. What waits behind it follows. st may be over when it returns.
func (st *stream) sendHead(whole bool) {
	st.w.toServer.Set(&protocols.Event{Kind: protocols.KindHead, End: whole, Header: &st.req})
	_, err := st.lease.Encode(&st.w.toServer)
	st.request.head = queue(err, whole)
	switch {
	case st.request.head.queued():
	case err != nil:
		st.refuseByUs(err)
	case whole:
		st.requestSent()
	default:
		st.flushRequest()
	}
}

// Failed implements upstream.Exchange: there is no connection to e.
func (st *stream) Failed(r protocols.Reason, e *upstream.Endpoint) {
	st.wait = nil
	st.state = upstreamNone
	if st.tries <= maxTries {
		st.tried[st.tries-1] = e
	}
	st.endpoint = e
	// Nothing was sent. An endpoint that has left its cluster while the request waited for it is like one that fails.
	unsent := r == protocols.ReasonConnectFailed || r == protocols.ReasonConnectTimeout || r == protocols.ReasonNoHealthyEndpoint
	switch {
	case unsent && st.tries < connectTries && st.otherEndpoints():
		st.again(false)
	case st.route.retry.RetriesLoss(r, false) && st.mayRetry():
		st.backoff()
	default:
		if r == protocols.ReasonConnectFailed {
			st.detail = transportDetail(e.DialError())
		}
		st.fail(r)
	}
}

// otherEndpoints reports whether the cluster has an endpoint that was not tried.
func (st *stream) otherEndpoints() bool {
	for _, e := range st.local.Cluster().Endpoints() {
		tried := false
		for _, t := range st.tried[:min(st.tries, maxTries)] {
			tried = tried || t == e
		}
		if !tried {
			return true
		}
	}
	return false
}

// Lost implements upstream.Exchange: the connection has ended under the exchange.
func (st *stream) Lost(how upstream.Loss) {
	st.endTry(how.Reason, st.status)
	st.forgetAnswer()
	st.lease = nil
	st.state = upstreamNone
	st.stopTry()
	switch {
	case st.answer.state != directionWaiting || st.tunnel:
		st.cut(how.Reason)
	case st.overdue(how):
		st.fail(protocols.ReasonRequestTimeout)
	case how.Unprocessed && st.refused < maxRefused && st.replayable():
		// RFC 9113 section 8.7: "The REFUSED_STREAM error code [...] indicate[s] that the stream is being closed prior to
		// any processing having occurred. Any request that was sent on the reset stream can be safely retried."
		st.tries--
		st.refused++
		st.again(true)
	case st.stale(how):
		// The same endpoint may be tried again: it only closed a connection that lay idle.
		st.tries--
		st.staled = true
		st.again(true)
	case st.route.retry.RetriesLoss(how.Reason, how.Unprocessed) && st.mayRetry():
		st.backoff()
	default:
		st.detail = cmp.Or(transportDetail(how.Cause), st.detail)
		st.fail(how.Reason)
	}
}

// overdue reports whether the request's time had passed when the upstream reset it. An upstream that is told of the time limit
// (grpc-timeout) keeps it too, and its timer may be first: ours fires up to a Tick late.
func (st *stream) overdue(how upstream.Loss) bool {
	return how.Reason == protocols.ReasonUpstreamReset && st.deadline > 0 && st.w.loop.Now()+loop.Tick >= st.deadline
}

// stale reports whether the loss is that of an idle connection which the other side had closed before it saw the
// request. RFC 9110 section 9.2.2: "a client SHOULD NOT automatically retry a request with a non-idempotent method
// unless it has some means to know that the request ... was never applied". Once per exchange.
func (st *stream) stale(how upstream.Loss) bool {
	return how.Reused && !how.Answered && !st.staled && st.req.Method.Idempotent() && st.replayable()
}

// replayable reports whether everything that was sent of the request can be sent again.
func (st *stream) replayable() bool {
	return st.taped || st.forwarded == 0
}

// mayRetry takes one of the retries that the route's policy and the cluster's limit allow.
func (st *stream) mayRetry() bool {
	p := &st.route.retry
	if !p.On || st.tries > p.Tries || st.tries >= maxTries || !st.replayable() {
		return false
	}
	if !st.retried {
		if !st.local.AcquireRetry() {
			st.w.shard.Inc(st.cluster.RetriesOverflowed)
			return false
		}
		st.retried = true
	}
	st.w.shard.Inc(st.cluster.Retries)
	return true
}

func (st *stream) dropRetry() {
	if st.retried {
		st.retried = false
		st.local.ReleaseRetry()
	}
}

// retryAnswer gives the answer that begins with h up for another try when the route's policy says so.
func (st *stream) retryAnswer(h *protocols.Header) bool {
	p := &st.route.retry
	if !p.On || !p.RetriesStatus(h.Status) && !(st.grpc && p.RetriesGRPC(grpcFailure(h))) || !st.mayRetry() {
		return false
	}
	st.status = h.Status // of this try
	st.dropUpstream(protocols.ReasonNone)
	st.status = 0
	st.backoff()
	return true
}

// backoff waits a little before the next try.
func (st *stream) backoff() {
	d := min(backoffBase<<min(st.tries-1, 10), backoffMax)
	// Between half and all of d, so that what failed together does not come back together.
	half := uint64(d / 2)
	jitter, _ := bits.Mul64(st.w.rng.Uint64(), half)
	st.state = upstreamBackoff
	st.timeTry(time.Duration(half + jitter))
}

// tryTimedOut ends a try that took too long.
func (st *stream) tryTimedOut() {
	if st.state != upstreamLeased || st.answer.state != directionWaiting {
		return
	}
	st.dropUpstream(protocols.ReasonTryTimeout)
	if st.route.retry.RetriesLoss(protocols.ReasonTryTimeout, false) && st.mayRetry() {
		st.backoff()
		return
	}
	st.fail(protocols.ReasonTryTimeout)
}

var _ upstream.Exchange = (*stream)(nil)
var _ loop.Expirer = (*stream)(nil)
