package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// silentSockets is how many sockets say nothing, or half a ClientHello.
const silentSockets = 1000

// TestTLSSilentSockets: sockets that say nothing, and halves of ClientHellos, delay nobody's handshake: none of them occupies
// what handshakes need. (That each ends after its time, package gateway's TestTLSOfSilentClients shows.)
func TestTLSSilentSockets(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") })
	g := w.start(sketch{loops: 2, speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"Http1"`,
		document: adminOnAnyPort, chain: `"tls_context":` + ca.context("", "a.test")}.String())
	addr := g.addr("l")
	hello := clientHello(t)
	silent := make([]net.Conn, silentSockets)
	for i := range silent {
		c := w.dial(addr)
		if i%2 == 1 {
			c.send(string(hello[:len(hello)/2]))
		}
		silent[i] = c
	}
	var clients sync.WaitGroup
	for _, h2 := range []bool{false, true} {
		for range 10 {
			clients.Go(func() {
				for range 10 {
					c := w.tlsClient(&tls.Config{RootCAs: ca.pool}, h2)
					r, err := c.Get("https://" + addr)
					if err != nil {
						t.Error(err)
						return
					}
					if b, err := io.ReadAll(r.Body); err != nil || string(b) != "hello" {
						t.Errorf("got %q, %v", b, err)
					}
					r.Body.Close()
					c.CloseIdleConnections()
				}
			})
		}
	}
	clients.Wait() // were one of the slots for cryptography taken, they would wait for the time limit of those that take it
	if n := g.metric(`sluice_tls_handshakes_total{side="down"}`); n != 200 {
		t.Errorf("%d handshakes, want 200", n)
	}
	waiting, over := g.metric(`sluice_tls_handshakes_active{side="down"}`), g.metric(`sluice_tls_handshake_failures_total{reason="timeout",side="down"}`)
	t.Logf("200 handshakes beside %d sockets that wait; %d have met their time limit", waiting, over)
	for _, c := range silent {
		_ = c.Close()
	}
	w.until("nobody waits any more", func() bool { return g.metric(`sluice_tls_handshakes_active{side="down"}`) == 0 })
}

// clientHello is what a client of crypto/tls says first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	left, right := net.Pipe()
	go func() {
		_ = tls.Client(left, &tls.Config{ServerName: "a.test"}).Handshake() // nobody answers
		_ = left.Close()
	}()
	b := make([]byte, 16<<10)
	n, err := right.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = right.Close()
	if n < 100 {
		t.Fatal(fmt.Errorf("%d bytes are no ClientHello", n))
	}
	return b[:n]
}
