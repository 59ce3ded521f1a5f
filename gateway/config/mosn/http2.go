package mosn

import (
	"math"
	"time"

	"sluice/gateway/config"
	"sluice/upstream"
)

// defaultWindow is what a stream's window is at first where nothing is said; protocols.Limits has it. mostWindow is the largest
// that may be: a connection may keep twice as much for readers that stall, and so may a loop.
const (
	defaultWindow = 64 << 10
	mostWindow    = 128 << 20
)

// shortest is the least time between pings, and the least age of a connection: what is shorter is a flood of our own.
const shortest = 100 * time.Millisecond

// http2Options reads the settings of a listener's HTTP/2 connections.
func (r *reader) http2Options(o object, p *config.HTTPProxy) {
	if o.n == nil {
		return
	}
	h := &p.HTTP2
	h.Streams = int(o.integer("max_concurrent_streams", 1, math.MaxInt32))
	h.Window = int(o.integer("initial_stream_window", 1, mostWindow))
	h.WindowMax = int(o.integer("max_stream_window", 1, mostWindow))
	switch {
	case h.WindowMax != 0 && h.Window == 0 && h.WindowMax < defaultWindow:
		r.errorf(o.at("max_stream_window"), "it is smaller than initial_stream_window, which is %d where nothing is said", defaultWindow)
	case h.WindowMax != 0 && h.WindowMax < h.Window:
		r.errorf(o.at("max_stream_window"), "it is smaller than initial_stream_window, which is %d", h.Window)
	}
	h.PingInterval = o.interval("ping_interval")
	h.PingTimeout = o.positive("ping_timeout")
	h.MaxConnectionAge = o.interval("max_connection_age")
	if len(p.Protocols) > 0 && !speaks(p, protocolHTTP2) && len(o.n.members) > 0 {
		r.notef(o.n, "these settings have no effect: the listener does not speak %s", protocolHTTP2)
	}
}

// multiplex reads how a cluster uses connections that carry many requests at once.
func (r *reader) multiplex(o object, c *upstream.ClusterConfig) {
	c.Multiplex.MaxStreams = int(o.integer("max_concurrent_streams", 1, math.MaxInt32))
	keepalive := o.child("keepalive", keepaliveSchema)
	c.Multiplex.PingInterval = keepalive.interval("interval")
	c.Multiplex.PingTimeout = keepalive.positive("timeout")
	if c.Protocol != protocolHTTP1 {
		return
	}
	for _, key := range []string{"max_concurrent_streams", "keepalive"} {
		if v := o.node(key); v != nil && !v.inert() {
			r.notef(v, "%q has no effect: an %s connection carries one request at a time, and has no pings", key, protocolHTTP1)
		}
	}
}

// interval returns a length of time that is not too short; 0, "off" and "none" mean never, and so does an absent one.
func (o object) interval(key string) time.Duration {
	d := max(o.offDuration(key), 0)
	if v := o.node(key); d > 0 && d < shortest {
		o.r.errorf(v, `expected at least %q, or "off"; found %s`, shortest.String(), v.found())
	}
	return d
}

// positive returns a length of time above zero; 0 when it is absent or not one.
func (o object) positive(key string) time.Duration {
	d, set := o.duration(key, false)
	if v := o.node(key); set && d == 0 {
		o.r.errorf(v, "expected a duration above zero, found %s", v.found())
	}
	return d
}
