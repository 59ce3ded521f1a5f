package gateway

import (
	"cmp"
	"time"

	"sluice/gateway/config"
	"sluice/gateway/filter"
	"sluice/gateway/identity"
	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/metrics"
	"sluice/loop"
	"sluice/protocols"
)

// defaultIdle is how long a keep-alive connection may be idle when its listener does not say.
const defaultIdle = 75 * time.Second

// defaultCollect is how much of a body is collected when the configuration does not say.
const defaultCollect = 1 << 20

// A listener is one address that accepts: its sockets and its counters. It lives off the loops.
type listener struct {
	cfg      *config.Listener
	counters *metrics.Listener
	socket   *loop.Listener // nil until it is bound, and for a listener that is not to be
	logs     []openLog
	locals   []*localListener // its own chain, by loop
}

// An openLog is an access log.
type openLog struct {
	format *accesslog.Format
	file   *accesslog.File
}

// A localListener is a listener on one loop: one of its filter chains, if it has several.
type localListener struct {
	w        *worker
	counters *metrics.Listener
	listenerSettings
	env   *protocols.Env
	chain *filter.Chain // nil without filters
	tls   *localTLS     // nil: plaintext
	// chains are those of the listener, if connections are looked at to choose one; its own chain has them.
	chains *localChains
	// fallback is what becomes of connections that none of the protocols recognises; nil: they are closed.
	fallback *localListener
	// logs are the access logs, each with the loop's buffer.
	logs []localLog
}

type localLog struct {
	format *accesslog.Format
	buffer *accesslog.Buffer
}

// listenerSettings is what the configuration says about a listener: immutable, the same on all loops.
type listenerSettings struct {
	cfg              *config.Listener
	protocols        []*protocols.Protocol // downstream; several are told apart by the first bytes
	upstreamProtocol *protocols.Protocol   // nil: what the downstream speaks
	table            *table
	tcp              *tcpProxy
	forwarded        forwarded
	clientCert       config.ClientCert
	strangers        protocols.NameSet // fields that are removed from requests of clients without a certificate
	timeouts         timeouts
	idle             time.Duration
	limits           protocols.Limits
	maxAge           [protocols.NumProtocols]time.Duration // of a multiplexed connection; 0: none
	announce         bool                                  // protocols.Env.Announce
	collect          int                                   // bytes of a body without a length that are collected for a protocol that needs it
	maxBody          int64
}

// settings compiles what cfg says about chain, of l.
func (g *Gateway) settings(l *config.Listener, chain *config.FilterChain, tables map[string]*table) listenerSettings {
	s := listenerSettings{cfg: l, idle: cmp.Or(l.IdleTimeout, defaultIdle)}
	switch {
	case chain.HTTP != nil:
		h := chain.HTTP
		s.protocols = g.downstreamProtocols(h.Protocols)
		s.upstreamProtocol = g.protocols[cmp.Or(h.Transcode, h.UpstreamProtocol)]
		s.table = tables[h.Router]
		s.forwarded, s.clientCert = newForwarded(h.Forwarded), h.ClientCert
		s.strangers = strangers(h)
		s.timeouts = newTimeouts(h.Timeouts)
		s.limits = protocols.Limits{
			HeadBytes: h.Limits.HeadBytes, HeadFields: h.Limits.HeadFields, RequestLine: h.Limits.RequestLine,
			Streams: h.HTTP2.Streams, Window: h.HTTP2.Window, WindowMax: h.HTTP2.WindowMax,
			PingInterval: h.HTTP2.PingInterval, PingTimeout: h.HTTP2.PingTimeout,
			ClassBytes: h.Bolt.ClassBytes, ContentBytes: h.Bolt.ContentBytes, Calls: h.Bolt.Calls,
		}
		s.maxAge[protocols.ProtocolHTTP2] = h.HTTP2.MaxConnectionAge
		s.maxAge[protocols.ProtocolBolt] = h.Bolt.MaxConnectionAge
		s.announce = h.Bolt.GoAway
		s.collect = cmp.Or(h.Bolt.CollectBytes, defaultCollect)
		s.maxBody = h.Limits.Body
	case chain.TCP != nil:
		s = g.tcpSettings(l, chain.TCP)
	}
	return s
}

// strangers are the fields that a client without a certificate must not say.
func strangers(h *config.HTTPProxy) (set protocols.NameSet) {
	if h.ClientCert.Forwarding != identity.AlwaysForwardOnly {
		set |= protocols.NameSetOf(protocols.NameXForwardedClientCert)
	}
	if len(h.Forwarded.Trusted) == 0 {
		set |= protocols.NameSetOf(protocols.NameForwarded)
	}
	return set
}

// tcpSettings compiles what t, in a chain of l, says: bytes are carried.
func (g *Gateway) tcpSettings(l *config.Listener, t *config.TCPProxy) listenerSettings {
	s := listenerSettings{cfg: l, idle: cmp.Or(l.IdleTimeout, defaultIdle)}
	s.protocols = []*protocols.Protocol{g.protocols[protocols.ProtocolTCP.String()]}
	s.tcp = g.compileTCP(t)
	s.timeouts = newTimeouts(config.RequestTimeouts{TunnelIdle: t.IdleTimeout})
	if t.IdleTimeout == 0 {
		s.timeouts.TunnelIdle = -1
	}
	return s
}

// downstreamProtocols are the protocols called names; "Auto" stands for all that can be told apart.
func (g *Gateway) downstreamProtocols(names []string) (list []*protocols.Protocol) {
	for _, name := range names {
		if name != config.AutoProtocol {
			list = append(list, g.protocols[name])
			continue
		}
		for _, p := range codecs() {
			if p.ID != protocols.ProtocolTCP { // anything is TCP
				list = append(list, g.protocols[p.Name])
			}
		}
		return list
	}
	return list
}

// bodyLimit is the most bytes that a request body may have; 0 for no limit.
func (s *listenerSettings) bodyLimit(r *route) int64 {
	if r.maxBody != 0 {
		return max(r.maxBody, 0)
	}
	return max(s.maxBody, 0)
}

// serves reports whether there is anything to do with an accepted connection.
func (s *listenerSettings) serves() bool { return s.table != nil || s.tcp != nil }

// Accept implements loop.Acceptor: it runs on the loop of the connection.
func (l *listener) Accept(c loop.Conn) loop.Handler {
	local := l.locals[c.Loop().Index()]
	switch {
	case local.chains != nil:
		return newInspector(local, c)
	case !local.serves():
		local.w.shard.Inc(local.counters.Unserved)
		return nil
	case local.tls.on():
		return local.tls.engine.Server(c, local.tls.server.cfg, local.tls)
	}
	return local.open(c, "")
}
