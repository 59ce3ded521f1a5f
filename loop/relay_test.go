package loop_test

import "sluice/loop"

// relayTo is an acceptor that relays each connection to a.
type relayTo loop.Addr

func (a relayTo) Accept(c loop.Conn) loop.Handler {
	front, back := &relay{}, &relay{}
	back.to = c
	out, err := c.Loop().Dial(loop.DialOptions{Addr: loop.Addr(a)}, back)
	if err != nil {
		return nil
	}
	front.to = out
	return front
}

// relay passes bytes on, with half-close and back-pressure.
type relay struct {
	to loop.Conn
}

func (r *relay) Opened(loop.Conn) {}

func (r *relay) Received(c loop.Conn, b []byte) int {
	r.to.Write(b)
	if r.to.Buffered() > loop.HighWater {
		c.Pause()
	}
	return len(b)
}

func (r *relay) ReadClosed(loop.Conn, []byte) { r.to.CloseWrite() }

// Drained is called on the connection that was written: the other one may go on.
func (r *relay) Drained(loop.Conn) { r.to.Resume() }

func (r *relay) Closed(_ loop.Conn, err error) { r.to.Close(loop.CloseNow, err) }
