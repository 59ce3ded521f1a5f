package upstream

import (
	"errors"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// never is a time beyond the life of a process.
const never = time.Duration(1<<63 - 1)

// keepAlive is how long a connection is silent before the system asks whether its peer is still there.
const keepAlive = 30 * time.Second

// A link is what every connection of a pool is, however many exchanges it carries: a socket to an endpoint with a codec
// on it, counted by its host and lane.
type link struct {
	host   *host
	lane   *lane
	codec  protocols.Codec
	c      loop.Conn // nil while it is being dialled
	timer  loop.Timer
	ageEnd time.Duration // from when on it takes no further exchange
	cause  error         // with which the connection has ended
	remote bool          // the other side closed its sending direction
}

func newLink(h *host, ln *lane, env *protocols.Env) link {
	return link{host: h, lane: ln, codec: ln.protocol.Client(env), ageEnd: never}
}

func (k *link) now() time.Duration { return k.host.local.loop.Now() }

// opened notes that the connection is established.
func (k *link) opened(c loop.Conn) {
	k.c = c
	if age := k.host.local.set.config.MaxConnectionAge; age > 0 {
		k.ageEnd = k.now() + k.host.local.jitter(age)
	}
	k.host.hooks().ConnOpened(k.host.local.loop, k.host.endpoint)
}

// closed gives the connection's place back, whether it was established or not. It reports whether another loop has got it.
func (k *link) closed() (woken bool) {
	k.host.local.loop.Disarm(&k.timer)
	return k.host.freed()
}

// discard gives back what the codec holds, when nobody asks it for anything any more.
func (k *link) discard() {
	if c, ok := k.codec.(protocols.Closer); ok {
		c.Closed()
	}
}

// dialFailed tells the requests that have waited for the connection alone.
func (k *link) dialFailed(err error) {
	k.host.hooks().ConnFailed(k.host.local.loop, k.host.endpoint, err)
	k.host.endpoint.dialErr.Store(&err)
	reason := protocols.ReasonConnectFailed
	if errors.Is(err, loop.ErrConnectTimeout) {
		reason = protocols.ReasonConnectTimeout
	}
	k.host.missed(k.lane, reason)
}

// refusal is the reason of a codec's error.
func refusal(err error) protocols.Reason {
	if pe, ok := errors.AsType[*protocols.Error](err); ok {
		return pe.Reason
	}
	return protocols.ReasonUpstreamProtocol
}
