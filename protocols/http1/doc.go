// Package http1 is the codec of HTTP/1.0 and HTTP/1.1 (RFC 9112) for a gateway: the server's end and the client's end of
// a connection. It holds no bytes: a head that is not whole stays with the loop, and body bytes are passed on as they
// come.
//
// # Strictness
//
// Whatever two readers could understand differently is refused, never repaired: Content-Length together with
// Transfer-Encoding, repeated or decorated lengths, codings other than one chunked, folded lines, bare CR or LF, white
// space in front of a colon or around a chunk size, more than one Host, a target that contradicts Host. Every refusal is
// a rule (rules.go) with the section that it comes from. Each head is read strictly from left to right, so the verdict
// does not depend on how its bytes were cut on their way. Names with an underscore are accepted and passed on.
//
// # Hop by hop
//
// Connection, the unknown fields that it names, Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade and
// HTTP2-Settings are deleted from a decoded Header, and never sent from one; each end writes its own. TE becomes
// "trailers" or nothing. An Upgrade that the gateway passes on is Header.Upgrade. Connection: Host, Content-Length or
// Transfer-Encoding is refused; an option that names another well-known field is ignored, because such fields are end to
// end. Proxy-Authenticate and Proxy-Authorization pass.
//
// # Tunnels
//
// The Head of a CONNECT request, and of one with an Upgrade, has no End: the request's direction goes on as the tunnel's.
// Bytes behind it stay with the owner until the answer's head was encoded; then the owner calls Decode with them. A 101,
// or a 2xx to CONNECT, makes both codecs PhaseTunnel. Any other answer refuses the tunnel: the request's direction is then
// over without a further event, and the connection goes on (after Upgrade, if nothing was sent ahead) or closes.
package http1
