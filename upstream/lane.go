package upstream

import "sluice/protocols"

// usualStreams is how many streams a connection is expected to carry before its endpoint has said so. RFC 9113 section
// 6.5.2: "It is recommended that this value be no smaller than 100, so as to not unnecessarily limit parallelism."
const usualStreams = 100

// A lane is a host's part that concerns one protocol.
type lane struct {
	protocol *protocols.Protocol
	local    *Local
	waiting  int // requests
	dialling int // connections being made; multiplexed ones until they have carried a stream
	each     int // how many waiting requests a new connection is expected to serve

	// Of a multiplexed protocol:
	live    int        // connections that are being made, or take streams, now or when others have ended
	open    []*muxConn // that may have room; the one to be used next last
	inside  *muxConn   // whose codec is being called: what its streams leave behind is looked at when it returns
	serving bool
}

func newLane(p *protocols.Protocol, l *Local) *lane {
	ln := &lane{protocol: p, local: l, each: 1}
	if p.Multiplexed {
		ln.each = usualStreams
	}
	return ln
}

// hungry reports whether more requests wait than the connections that are being made will serve.
func (ln *lane) hungry() bool {
	return ln.waiting > ln.dialling*ln.each && ln.inside == nil && !ln.enough()
}

// enough reports whether there are as many connections as the protocol wants, and the configuration does not say more.
func (ln *lane) enough() bool {
	n := ln.protocol.Connections
	return n > 0 && ln.live >= n && ln.local.set.config.Limits.Connections == 0
}

// unserved is how many of the waiting requests have nothing to wait for when a connection could not be made.
func (ln *lane) unserved() int {
	if !ln.protocol.Multiplexed {
		return min(ln.waiting, 1)
	}
	return max(ln.waiting-ln.dialling*ln.each, 0)
}

// roomy returns a multiplexed connection that takes another stream, or nil. Those that are full are set aside; the end
// of one of their streams brings them back, on top: so that few connections are busy, and the others grow old.
func (ln *lane) roomy() *muxConn {
	for n := len(ln.open) - 1; n >= 0; n-- {
		m := ln.open[n]
		if m.room() > 0 {
			return m
		}
		m.state = muxFull
		ln.open[n] = nil
		ln.open = ln.open[:n]
	}
	return nil
}

// takeStream gives x a stream of an open connection, or nil. What others wait for is not taken from them.
func (h *host) takeStream(p *protocols.Protocol, x Exchange) *Lease {
	ln := h.lane(p)
	if ln.waiting > 0 {
		return nil
	}
	m := ln.roomy()
	if m == nil {
		return nil
	}
	return m.lend(x)
}

// remove takes m, which is muxOpen, out of the connections that may have room.
func (ln *lane) remove(m *muxConn) {
	for i, o := range ln.open {
		if o == m {
			last := len(ln.open) - 1
			copy(ln.open[i:], ln.open[i+1:])
			ln.open[last] = nil
			ln.open = ln.open[:last]
			return
		}
	}
}

// idle returns a multiplexed connection without streams, or nil.
func (ln *lane) idle() *muxConn {
	for _, m := range ln.open {
		if m.streams == 0 {
			return m
		}
	}
	return nil
}
