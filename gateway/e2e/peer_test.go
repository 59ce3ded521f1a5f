package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A peer is one end of a raw connection. What it does either succeeds, or fails the test: a client's ends it, a
// script's ends the script.
type peer struct {
	*net.TCPConn
	t      *testing.T
	r      *bufio.Reader
	script bool
	tls    *tlsPeer // nil, or what is above the connection: see secure
}

func newPeer(t *testing.T, c net.Conn) *peer {
	_ = c.SetDeadline(time.Now().Add(hang)) // a connection that is closed already tells by itself
	return &peer{TCPConn: c.(*net.TCPConn), t: t, r: bufio.NewReader(c)}
}

// dial connects to the gateway.
func (w *world) dial(addr string) *peer {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", addr, hang)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return newPeer(w.t, c)
}

func (p *peer) fail(format string, args ...any) {
	p.t.Helper()
	if p.script {
		p.t.Errorf("server: "+format, args...)
		runtime.Goexit()
	}
	p.t.Fatalf("client: "+format, args...)
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.fail("sending %.60q: %v", text, err)
	}
}

// Write is that of the TLS above the connection, if there is some.
func (p *peer) Write(b []byte) (int, error) {
	if p.tls != nil {
		return p.tls.Write(b)
	}
	return p.TCPConn.Write(b)
}

// secure shakes hands as side does, if there is a cfg; what is sent and wanted from then on is inside.
func (p *peer) secure(side func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) *peer {
	p.t.Helper()
	if cfg != nil {
		p.tls = newTLSPeer(p, side, cfg)
		p.r = p.tls.r
	}
	return p
}

// want reads exactly text.
func (p *peer) want(text string) {
	p.t.Helper()
	b := make([]byte, len(text))
	n, err := io.ReadFull(p.r, b)
	if got := string(b[:n]); got != text {
		p.fail("received\n%q, want\n%q (%v)", got, text, err)
	}
}

// wantEnd reads a clean end of the other side's sending direction.
func (p *peer) wantEnd() {
	p.t.Helper()
	if p.tls != nil {
		p.tls.wantEnd()
		return
	}
	b, err := io.ReadAll(p.r)
	if err != nil || len(b) > 0 {
		p.fail("received %q (%v), want a clean end", b, err)
	}
}

// wantGone waits for the end of the connection, clean or not, and wants no byte before it.
func (p *peer) wantGone() {
	p.t.Helper()
	b, err := io.ReadAll(p.r)
	var timeout net.Error
	if len(b) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		p.fail("received %q (%v), want the connection closed", b, err)
	}
}

// head reads up to the empty line, inclusive.
func (p *peer) head() string {
	p.t.Helper()
	var b strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			p.fail("the head was cut: %q (%v)", b.String(), err)
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

// request reads a request head; ok is false when the connection ended instead.
func (p *peer) request() (head string, ok bool) {
	p.t.Helper()
	if _, err := p.r.Peek(1); err != nil {
		return "", false
	}
	return p.head(), true
}

// answer reads a response to a request with the given method, and its body.
func (p *peer) answer(method string) (r *http.Response, body string) {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		p.fail("no answer: %v", err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.fail("the answer's body: %v after %q", err, b)
	}
	return r, string(b)
}

// shut closes the sending direction.
func (p *peer) shut() {
	p.t.Helper()
	if p.tls != nil {
		p.tls.end(signed)
		return
	}
	if err := p.CloseWrite(); err != nil {
		p.fail("shutdown: %v", err)
	}
}
