package http2

import "sluice/protocols"

var (
	_ protocols.Multiplexer = (*conn)(nil)
	_ protocols.Closer      = (*conn)(nil)
)

// newServer makes the server's end: it speaks when the client's preface has come.
func newServer(env *protocols.Env) *conn { return newConn(env, roleServer) }

// newClient makes the client's end: it speaks with its first request, and takes for granted that a server allows some
// streams until its SETTINGS have come.
func newClient(env *protocols.Env) *conn {
	c := newConn(env, roleClient)
	c.input = inputFirst
	c.nextOpen = 1
	c.peerStreams = firstStreams
	return c
}
