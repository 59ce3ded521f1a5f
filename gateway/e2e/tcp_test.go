package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
)

func newReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// TestTCPHalfClosed carries 8 MiB each way, one direction after the other, with a FIN between them.
func TestTCPHalfClosed(t *testing.T) {
	t.Parallel()
	question, reply := make([]byte, 8<<20), make([]byte, 8<<20)
	_, _ = rand.Read(question)
	_, _ = rand.Read(reply)
	serverFirst := func(first, second []byte) (serve, ask func(p *peer)) {
		speak := func(p *peer) {
			p.send(string(first))
			p.shut()
			p.wantAll(second)
		}
		listen := func(p *peer) {
			p.wantAll(first)
			p.send(string(second))
			p.shut()
		}
		return speak, listen
	}
	t.Run("the client ends first", func(t *testing.T) {
		ask, serve := serverFirst(question, reply)
		playTCP(t, serve, ask)
	})
	t.Run("the server ends first", func(t *testing.T) {
		serve, ask := serverFirst(reply, question)
		playTCP(t, serve, ask)
	})
}

func playTCP(t *testing.T, serve, ask func(p *peer)) {
	t.Helper()
	w := newWorld(t)
	done := make(chan struct{})
	upstream := w.server(func(_ int, p *peer) {
		defer close(done)
		serve(p)
	})
	c := w.dial(w.proxy(sketch{hosts: []string{upstream}, tcp: `"cluster":"c"`}))
	ask(c)
	<-done
}

// wantAll reads b and then the end.
func (p *peer) wantAll(b []byte) {
	p.t.Helper()
	got, err := io.ReadAll(p.r)
	if err != nil || !bytes.Equal(got, b) {
		p.fail("received %d bytes (%v), equal: %v, want %d", len(got), err, bytes.Equal(got, b), len(b))
	}
}

// TestTCPServerSpeaksFirst: the client waits for a banner, as in SMTP or MySQL.
func TestTCPServerSpeaksFirst(t *testing.T) {
	t.Parallel()
	playTCP(t, func(p *peer) {
		p.send("220 ready\r\n")
		p.want("QUIT\r\n")
		p.send("221 bye\r\n")
	}, func(p *peer) {
		p.want("220 ready\r\n")
		p.send("QUIT\r\n")
		p.want("221 bye\r\n")
		p.wantEnd()
	})
}

// TestTCPBothWaysAtOnce fills both directions before either side reads to the end.
func TestTCPBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	data := make([]byte, 16<<20)
	_, _ = rand.Read(data)
	both := func(p *peer) {
		sent := make(chan error, 1)
		go func() {
			_, err := p.Write(data)
			_ = p.CloseWrite() // its failure is the other side's error
			sent <- err
		}()
		p.wantAll(data)
		if err := <-sent; err != nil {
			p.fail("%v", err)
		}
	}
	playTCP(t, both, both)
}

// TestTCPUpstreamRefuses: there is no form for a reply, so the connection ends.
func TestTCPUpstreamRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dialGone(w.proxy(sketch{hosts: []string{w.refusing()}, tcp: `"cluster":"c"`}))
}

// dialGone connects where every connection is ended at once.
func (w *world) dialGone(addr string) {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", addr, hang)
	if errors.Is(err, syscall.ECONNRESET) {
		return // it was ended before connect returned
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	newPeer(w.t, c).wantGone()
}

// TestTCPSecondEndpoint: a refused connect goes on to the next endpoint.
func TestTCPSecondEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) { p.send("here") })
	addr := w.proxy(sketch{hosts: []string{w.refusing(), upstream}, tcp: `"cluster":"c"`})
	for range 4 {
		c := w.dial(addr)
		c.want("here")
		c.wantEnd()
	}
}

// TestTCPRoutes chooses a cluster by the listener's address.
func TestTCPRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	upstream := w.server(func(_ int, p *peer) { p.send("routed") })
	for _, tt := range []struct {
		routes string
		found  bool
	}{
		{`{"cluster":"c","source_addrs":[{"address":"127.0.0.0","length":8}]}`, true},
		{`{"cluster":"c","source_addrs":[{"address":"10.0.0.0","length":8}]}`, false},
		{`{"cluster":"c","destination_addrs":[{"address":"127.0.0.1","length":32}],"source_port":"1024-65535"}`, true},
		{`{"cluster":"c","source_port":"1-2,4"}`, false},
	} {
		addr := w.proxy(sketch{hosts: []string{upstream}, tcp: `"routes":[` + tt.routes + `]`})
		if !tt.found {
			w.dialGone(addr)
			continue
		}
		c := w.dial(addr)
		c.want("routed")
		c.wantEnd()
	}
}
