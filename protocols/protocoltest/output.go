package protocoltest

import "sluice/protocols"

// Output is a connection's outgoing bytes, kept in memory. It checks the order of Reserve, Commit and Write.
type Output struct {
	B        []byte // what was written and not yet taken
	Writes   int    // calls of Write
	reserved bool
}

var _ protocols.Output = (*Output)(nil)

// Reserve implements protocols.Output.
func (o *Output) Reserve(n int) []byte {
	o.idle()
	o.reserved = true
	if cap(o.B)-len(o.B) < n {
		o.B = append(make([]byte, 0, 2*cap(o.B)+n), o.B...)
	}
	// No more than was asked for, so that a codec that reserves too little is seen by its allocations.
	return o.B[: len(o.B) : len(o.B)+n]
}

// Commit implements protocols.Output. It panics when the slice is not the reserved one, grown within its reserve.
func (o *Output) Commit(b []byte) {
	if !o.reserved {
		panic("protocoltest: Commit without Reserve")
	}
	o.reserved = false
	if len(b) < len(o.B) || cap(b) > cap(o.B) || len(b) > 0 && &b[:1][0] != &o.B[:1][0] {
		panic("protocoltest: Commit of a slice that outgrew what Reserve gave")
	}
	o.B = o.B[:len(b)]
}

// Write implements protocols.Output.
func (o *Output) Write(b []byte) {
	o.idle()
	o.Writes++
	o.B = append(o.B, b...)
}

// Buffered implements protocols.Output.
func (o *Output) Buffered() int { return len(o.B) }

// Take returns a copy of what was written and forgets it.
func (o *Output) Take() []byte {
	o.idle()
	b := append([]byte(nil), o.B...)
	o.B = o.B[:0]
	return b
}

func (o *Output) idle() {
	if o.reserved {
		panic("protocoltest: the output was used between Reserve and Commit")
	}
}

// Null is an Output that forgets everything, and a Sink that ignores everything.
type Null struct{ buf []byte }

// Reserve implements protocols.Output.
func (o *Null) Reserve(n int) []byte {
	if cap(o.buf) < n {
		o.buf = make([]byte, 0, n)
	}
	return o.buf[:0]
}

// Commit implements protocols.Output.
func (o *Null) Commit([]byte) {}

// Write implements protocols.Output.
func (o *Null) Write([]byte) {}

// Buffered implements protocols.Output.
func (o *Null) Buffered() int { return 0 }

// Event implements protocols.Sink.
func (o *Null) Event(*protocols.Event) protocols.Verdict { return protocols.More }
