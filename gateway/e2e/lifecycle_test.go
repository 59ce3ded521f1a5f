package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/gateway"
	"sluice/gateway/config/mosn"
)

// TestDrainRefusesNewClientsAndMayBeCalledTwice drains with one request in flight.
func TestDrainRefusesNewClientsAndMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var entered atomic.Int32
	release := make(chan struct{})
	up := w.handler(func(rw http.ResponseWriter, _ *http.Request) {
		entered.Add(1)
		<-release
		_, _ = io.WriteString(rw, "ok")
	})
	g := w.start(sketch{hosts: []string{up}}.String())
	addr := g.addr("l")
	client := w.client()
	got := make(chan string, 1)
	go func() {
		r, err := client.Get("http://" + addr + "/")
		if err != nil {
			got <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}()
	w.until("the request is in flight", func() bool { return entered.Load() == 1 })
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- g.Drain(hang) }()
	}
	w.until("new clients are refused", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	close(release)
	if s := <-got; s != "ok" {
		t.Errorf("the request in flight got %q", s)
	}
	start := time.Now()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > hang/2 {
		t.Errorf("the drain went on for %s with nothing left", took)
	}
}

func TestAStoppedGatewayCanNotBeStarted(t *testing.T) {
	t.Parallel()
	cfg, problems, err := mosn.Parse("x.json", []byte(`{"servers":[{"listeners":[{"name":"l","address":"127.0.0.1:0","bind_port":false}]}],
 "admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}}`), mosn.Options{})
	if err != nil {
		t.Fatal(err, problems)
	}
	g, err := gateway.New(cfg, gateway.Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	g.Stop()
	if err := g.Start(); err == nil || g.AdminAddr() != "" {
		t.Errorf("a stopped gateway was started: %v, admin on %q", err, g.AdminAddr())
	}
	g.Stop()
}
