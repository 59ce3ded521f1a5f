package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// silentSockets is how many sockets say nothing, or half a ClientHello.
const silentSockets = 1000

// TestTLSSilentSockets: sockets that say nothing, and halves of ClientHellos, delay nobody's handshake. None of them occupies
// what handshakes need, however long it stays; each ends after its time, counted.
func TestTLSSilentSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the time limit of handshakes")
	}
	w, ca := newWorld(t), newAuthority(t)
	upstream := w.handler(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") })
	g := w.start(sketch{loops: 2, speaks: "Http1,Http2", hosts: []string{upstream}, route: `"upstream_protocol":"Http1"`,
		document: adminDocument, chain: `"tls_context":` + ca.context("", "a.test")}.String())
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
	w.until("all silent sockets have met their time limit", func() bool {
		return g.metric(`sluice_tls_handshake_failures_total{reason="timeout",side="down"}`) == silentSockets
	})
	for _, c := range silent {
		b, err := io.ReadAll(c)
		var timeout net.Error
		if len(b) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("a silent socket received %q (%v), want it closed", b, err)
		}
	}
	if n := g.metric(`sluice_tls_handshakes_active{side="down"}`); n != 0 {
		t.Errorf("%d connections still wait", n)
	}
}

// metric is the value of a series.
func (r *running) metric(series string) int {
	r.w.t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\d+)$`).FindStringSubmatch(r.metrics())
	if m == nil {
		r.w.t.Fatalf("there is no whole number %s", series)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		r.w.t.Fatal(err)
	}
	return n
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
