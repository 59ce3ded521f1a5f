package upstream

import (
	"errors"

	"sluice/loop"
	"sluice/protocols"
)

// truncated reports whether the peer's sending direction of lc, a connection with TLS, ended without close_notify. Anybody on
// the way can send a FIN: it says nothing about whether what came before it is complete.
func truncated(lc loop.Conn) bool {
	c, ok := lc.(interface{ Truncated() bool })
	return ok && c.Truncated()
}

// decodeEnd is the codec's DecodeEOF, except that an end which nobody has signed completes nothing. RFC 9112 section 9.8: "A
// response that has neither chunked transfer coding nor Content-Length is complete only if a valid closure alert has been
// received." The same goes for a direction of a tunnel. A cluster with IgnoreUnexpectedEOF takes that upon itself.
func (c *conn) decodeEnd(lc loop.Conn, rest []byte) error {
	if c.host.endpoint.lenient || !truncated(lc) {
		return c.codec.DecodeEOF(c.now(), rest, c, lc)
	}
	for len(rest) > 0 && c.state == connLeased {
		n, err := c.codec.Decode(c.now(), rest, c, lc)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
	}
	if c.state != connLeased {
		return nil // what came was complete
	}
	var end unsigned
	if err := c.codec.DecodeEOF(c.now(), nil, &end, lc); err != nil || !end {
		return err
	}
	return errTruncated
}

// unsigned notes whether an end would have completed a message, and keeps it from the exchange.
type unsigned bool

// Event implements protocols.Sink.
func (u *unsigned) Event(ev *protocols.Event) protocols.Verdict {
	*u = unsigned(ev.End) || *u
	return protocols.More
}

// endReason is why an exchange is lost whose connection has ended with err. Of others than ours only what had arrived matters.
func endReason(err error) protocols.Reason {
	if errors.Is(err, errTruncated) {
		return protocols.ReasonUpstreamTruncated
	}
	return protocols.ReasonNone
}

var errTruncated = &protocols.Error{
	Reason: protocols.ReasonUpstreamTruncated, Detail: "the upstream ended TLS without close_notify (RFC 9112 section 9.8); ignore_unexpected_eof of its tls_context accepts that",
}
