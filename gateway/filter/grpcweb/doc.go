// Package grpcweb is the filter that lets browsers call gRPC services: it makes gRPC of gRPC-Web requests, and gRPC-Web of
// their answers. README.md is its manual.
//
// The two differ in three things (gRPC's doc/PROTOCOL-WEB.md): the content type; the trailers, which gRPC-Web sends as a
// last message of the body, marked by 0x80 in its first byte; and, in the -text variant, the body's base64. Messages pass as
// they are, as they come: the state of an exchange is at most three bytes of a body, and where in a message the answer is.
package grpcweb
