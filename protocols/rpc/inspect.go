package rpc

// Streams is the number of streams in progress, and of the codec's own answers that wait.
func (c *conn) Streams() int { return int(c.used) }

// Within reports whether the content of a long frame is being read.
func (c *conn) Within() bool { return c.in.state == inContent }
