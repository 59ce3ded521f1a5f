package gateway

import (
	"sluice/gateway/telemetry/metrics"
	"sluice/protocols"
	"sluice/router"
)

// admit decides what becomes of the request: an upstream, a local reply, or a refusal.
func (st *stream) admit() {
	l := st.s.l
	if l.tcp != nil {
		st.admitTCP()
		return
	}
	w := st.w
	if isHTTP(st.req.Proto) && !st.vouch() {
		st.detail = misdirectedDetail
		st.fail(protocols.ReasonMisdirected)
		return
	}
	in := &w.match
	in.Reset()
	in.Header = &st.req
	in.Listener = l.cfg.Name
	in.Random = w.rng.Uint64()
	r, host, refused := l.table.router.Match(in)
	if host != nil {
		st.host = l.table.hosts[host.Index]
		w.shard.Inc(st.host.Requests)
	}
	if refused != nil {
		st.detail = refused.Detail
		st.fail(refused.Reason)
		return
	}
	st.route = l.table.routes[r.Index]
	if limit := l.bodyLimit(st.route); limit > 0 {
		st.bodyLimit = limit
		if st.req.ContentLength > limit {
			st.fail(protocols.ReasonBodyTooLarge)
			return
		}
	}
	switch {
	case st.req.Method == protocols.MethodConnect && (r.Rule.Redirect != nil || r.Rule.Direct != nil):
		st.detail = "CONNECT asks for a tunnel, and this route leads nowhere"
		st.fail(protocols.ReasonNotImplemented)
	case r.Rule.Redirect != nil:
		st.redirect()
	case r.Rule.Direct != nil:
		st.direct()
	default:
		st.forward()
	}
}

// upstreamProtocol is what to speak to an upstream: what the route says, else the cluster, else the listener, else what the
// client speaks.
func (s *session) upstreamProtocol(ofRoute, ofCluster *protocols.Protocol) *protocols.Protocol {
	switch {
	case ofRoute != nil:
		return ofRoute
	case ofCluster != nil:
		return ofCluster
	case s.l.upstreamProtocol != nil:
		return s.l.upstreamProtocol
	}
	return s.protocol
}

// forward sends the request to its route's cluster.
func (st *stream) forward() {
	w := st.w
	switch {
	case st.request.state == directionEnded:
		st.armTimeout(st.requested)
	case st.wantsTunnel():
		st.armTimeout(st.started)
	default:
		st.armOwnTimeout()
	}
	target := st.route.Target(w.rng.Uint64())
	cluster := st.s.l.table.clusters[target.Cluster]
	if cluster == nil {
		st.fail(protocols.ReasonNoCluster)
		return
	}
	st.local = cluster.On(w.loop)
	if target.Metadata >= 0 {
		st.subset = st.s.l.table.subsets[target.Metadata]
	}
	st.cluster = cluster.Data.(*metrics.Cluster)
	st.protocol = st.s.upstreamProtocol(st.route.speaks, st.s.l.table.speaks[target.Cluster])
	if isHTTP(st.req.Proto) {
		st.editForwarded()
		st.editTunnel()
	} else if isHTTP(st.protocol.ID) {
		st.dropForwarded()
	}
	if st.route.EditsRequest() {
		w.match.Header = &st.req
		if refused := st.route.RewritePath(&w.match); refused != nil {
			st.detail = refused.Detail
			st.fail(refused.Reason)
			return
		}
		st.route.EditRequest(&st.req, st)
	}
	st.invite()
	switch {
	case !st.convert():
	case st.collects():
		st.state = upstreamCollecting
	default:
		st.acquire(false)
	}
}

// isHTTP reports whether p is HTTP of any version: its messages have the fields that tell of their way.
func isHTTP(p protocols.ProtocolID) bool {
	return p == protocols.ProtocolHTTP1 || p == protocols.ProtocolHTTP2
}

// editForEndpoint does the edits that depend on where the request goes.
func (st *stream) editForEndpoint() {
	if st.route.rewritesHost {
		st.route.RewriteHost(&st.req, st.endpoint.Hostname)
	}
	if len(st.req.Authority()) == 0 && (st.req.Proto == protocols.ProtocolHTTP1 || isHTTP(st.protocol.ID) && !isHTTP(st.req.Proto)) {
		// An HTTP/1.0 client need not name a host, nor does a call that was converted; what we send is HTTP/1.1, which must
		// (RFC 9112 section 3.2), or HTTP/2.
		st.req.SetAuthorityString(st.endpoint.Authority())
	}
}

// editAnswer adds to the upstream's answer what the configuration says.
func (st *stream) editAnswer() {
	if st.s.l.tcp != nil {
		return
	}
	if f := &st.s.l.forwarded; !f.NoVia && isHTTP(st.resp.Proto) {
		protocols.AddTo(st.resp, protocols.NameVia, f.via(st.resp))
	}
	st.editAnswerFields()
}

func (st *stream) editAnswerFields() {
	if st.route.editsAnswer {
		st.route.EditResponse(st.resp, st)
	}
}

// Value implements router.Values: header values that are made of variables.
func (st *stream) Value(template int) []byte {
	st.fillRecord(&st.w.record)
	st.w.value = st.s.l.table.values[template].AppendValue(st.w.value[:0], &st.w.record)
	return st.w.value
}

var _ router.Values = (*stream)(nil)

// admitTCP chooses the cluster of a connection whose protocol nobody looks at.
func (st *stream) admitTCP() {
	t := st.s.l.tcp
	st.route = t.choose(st.s.conn)
	if st.route == nil || st.route.tcpCluster == nil {
		reason := protocols.ReasonNoRoute
		if st.route != nil {
			reason = protocols.ReasonNoCluster
		}
		st.cut(reason)
		return
	}
	st.local = st.route.tcpCluster.On(st.w.loop)
	st.cluster = st.route.tcpCluster.Data.(*metrics.Cluster)
	st.protocol = st.s.protocol
	st.acquire(false)
}
