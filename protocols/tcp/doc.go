// Package tcp is the codec of connections whose bytes are nobody's business: one stream, without framing, from the
// first byte to the end of both directions. It lets tcp_proxy be the same stream model as everything else.
package tcp
