// Package http2 is the codec of HTTP/2 (RFC 9113) for a gateway: the server's end and the client's end of a connection,
// with extended CONNECT (RFC 8441) and priority fields (RFC 9218). It does no I/O and holds no body bytes.
package http2
