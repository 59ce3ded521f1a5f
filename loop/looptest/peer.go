package looptest

import (
	"syscall"

	"sluice/loop"
)

// A Peer is the other end of a connection: a client that has connected, or the server that a Dial has reached. Its
// methods may be called on the test's goroutine and in peers' scripts (Listen, OnReceive, OnEOF).
type Peer struct {
	l       *Loop
	sock    *socket
	remote  loop.Addr
	local   loop.Addr
	arrived func(*Peer) // a dial has reached this peer
	outcome outcome
	kept    []byte // received, not yet taken
	fresh   []byte // received, not yet given to the script
	total   int
	gone    bool // the peer has closed
	eofTold bool
	receive func(b []byte)
	eof     func()
}

// outcome is how far a dial has come.
type outcome uint8

const (
	settled outcome = iota
	pending         // the connect will succeed at the next opportunity
)

// Send sends s to the loop.
func (p *Peer) Send(s string) { p.SendBytes([]byte(s)) }

// SendBytes sends a copy of b.
func (p *Peer) SendBytes(b []byte) {
	if p.sock.closed || p.sock.state == broken || p.sock.fin || len(b) == 0 {
		return
	}
	moves := cap(p.sock.in)-len(p.sock.in) < len(b)
	if p.sock.in = append(p.sock.in, b...); moves || len(p.sock.in) == len(b) {
		p.sock.inStore = p.sock.in
	}
	p.sock.changed = true
}

// CloseWrite sends a FIN behind what was sent; the peer goes on receiving.
func (p *Peer) CloseWrite() {
	if !p.sock.fin && p.sock.state != broken {
		p.sock.fin = true
		p.sock.changed = true
	}
}

// Close closes the peer: a FIN, and a RST for whatever the loop sends afterwards.
func (p *Peer) Close() {
	p.CloseWrite()
	p.gone = true
}

// Reset sends a RST.
func (p *Peer) Reset() {
	if p.sock.state != broken && !p.sock.closed {
		p.sock.state = broken
		p.sock.errno = syscall.ECONNRESET
		p.sock.changed = true
	}
}

// Window sets how many more bytes the peer takes from the loop: 0 is one that does not read, -1 one without limit.
func (p *Peer) Window(n int) {
	if p.sock.cramped && n != 0 {
		p.sock.cramped, p.sock.changed = false, true
	}
	p.sock.window = n
}

// Received is what has arrived from the loop since the last Take.
func (p *Peer) Received() string { return string(p.kept) }

// Bytes is Received without a copy: it is good until the loop runs again.
func (p *Peer) Bytes() []byte { return p.kept }

// Take returns what Received does and forgets it.
func (p *Peer) Take() string {
	s := string(p.kept)
	p.kept = p.kept[:0]
	return s
}

// Total is the number of bytes that have arrived so far.
func (p *Peer) Total() int { return p.total }

// EOF reports whether the loop has ended its sending direction, or closed, without a RST.
func (p *Peer) EOF() bool { return p.sock.shut && !p.sock.aborted }

// WasReset reports whether the loop has sent a RST.
func (p *Peer) WasReset() bool { return p.sock.aborted }

// Closed reports whether the loop has closed the connection, in whatever way.
func (p *Peer) Closed() bool { return p.sock.closed }

// Unread is how much of what was sent the loop has not read.
func (p *Peer) Unread() int { return len(p.sock.in) }

// Remote is the peer's address as the loop sees it.
func (p *Peer) Remote() loop.Addr { return p.remote }

// OnReceive makes f the peer's script: it is called from Run, never from inside a handler, with all that has arrived
// since its last call, or since Take if it is the first. f may keep b.
func (p *Peer) OnReceive(f func(b []byte)) {
	if p.receive == nil {
		if p.over() {
			p.l.live = append(p.l.live, p)
		}
		p.fresh = append(p.fresh, p.kept...)
	}
	p.receive = f
}

// OnEOF makes f be called once when EOF or WasReset becomes true.
func (p *Peer) OnEOF(f func()) { p.eof = f }

// take is a write of the loop: n bytes of a and b.
func (p *Peer) take(a, b []byte, n int) {
	if p.gone {
		// The answer to data for a closed socket is a RST; the next operation of the loop sees it.
		p.sock.state = broken
		p.sock.errno = syscall.ECONNRESET
		if p.sock.fin {
			p.sock.errno = syscall.EPIPE
		}
		p.sock.changed = true
		return
	}
	first := min(n, len(a))
	for _, part := range [...][]byte{a[:first], b[:n-first]} {
		p.kept = append(p.kept, part...)
		if p.receive != nil {
			p.fresh = append(p.fresh, part...)
		}
	}
	p.total += n
}

// deliver runs the peer's scripts and reports whether there was anything for them.
func (p *Peer) deliver() (busy bool) {
	if p.outcome == pending {
		p.outcome = settled
		if p.sock.closed {
			return true
		}
		p.sock.state = established
		p.sock.changed = true
		p.arrived(p)
		busy = true
	}
	if len(p.fresh) > 0 {
		b := p.fresh
		p.fresh = nil
		p.receive(b)
		busy = true
	}
	if !p.eofTold && (p.sock.shut || p.sock.closed) {
		p.eofTold = true
		if p.eof != nil {
			p.eof()
			busy = true
		}
	}
	return busy
}

// over reports whether the loop has closed the connection, and the scripts have been told everything.
func (p *Peer) over() bool {
	return p.sock.closed && p.eofTold && len(p.fresh) == 0 && p.outcome == settled
}

// Discard is Take without the copy.
func (p *Peer) Discard() { p.kept = p.kept[:0] }
