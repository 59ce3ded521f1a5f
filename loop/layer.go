package loop

// A Layer stands between a socket and its handler, as TLS does: it is the Handler of the Conn below it and the Conn of
// the Handler above it. What it needs beside is to do at the end of a batch what is cheaper once than for every Write,
// and to give its handler a turn when the socket has nothing to tell. It notes itself whether it has asked already.
type Layer interface {
	// Gathered follows Loop.Gather: what was written to the layer goes to the socket below.
	Gathered()
	// Turn follows Loop.Yield.
	Turn()
}

// layered is a layer with the socket that it stands on.
type layered struct {
	below *conn
	l     Layer
}

// Gather implements Loop.
func (r *Reactor) Gather(below Conn, l Layer) {
	c, _ := below.(*conn)
	r.gathered = append(r.gathered, layered{c, l})
}

// Yield implements Loop.
func (r *Reactor) Yield(below Conn, l Layer) {
	c, _ := below.(*conn)
	r.turns = append(r.turns, layered{c, l})
	r.wake()
}

// tellGathered lets the layers write what they hold.
func (r *Reactor) tellGathered() {
	for i := 0; i < len(r.gathered); i++ {
		g := r.gathered[i]
		if g.l == nil {
			continue // told before a panic
		}
		r.gathered[i] = layered{}
		r.current = g.below
		g.l.Gathered()
	}
	r.gathered = r.gathered[:0]
	r.current = nil
}

// serveLayers gives each layer that has asked for it one turn.
func (r *Reactor) serveLayers() {
	r.turning, r.turns = r.turns, r.turning[:0]
	for i, t := range r.turning {
		r.turning[i] = layered{}
		r.begin()
		r.current = t.below
		t.l.Turn()
		r.settle()
	}
}

// keepTurns leaves the turns that a panic has cut off to the next Round.
func (r *Reactor) keepTurns() {
	for i, t := range r.turning {
		if t.l != nil {
			r.turning[i] = layered{}
			r.turns = append(r.turns, t)
		}
	}
}
