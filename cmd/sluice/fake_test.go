package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sluice/gateway"
	"sluice/gateway/config"
)

// A fakeGateway records what the command does to it.
type fakeGateway struct {
	startErr, reopenErr error
	drained             chan error    // what Drain returns, when it is sent
	draining            chan struct{} // closed when Drain is called
	stopped             chan struct{} // closed when Stop is called

	mu    sync.Mutex
	calls []string
	log   bytes.Buffer
}

func newFakeGateway() *fakeGateway {
	return &fakeGateway{drained: make(chan error, 1), draining: make(chan struct{}), stopped: make(chan struct{})}
}

func (g *fakeGateway) called(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, name)
}

func (g *fakeGateway) Start() error {
	g.called("start")
	return g.startErr
}

func (g *fakeGateway) Drain(timeout time.Duration) error {
	g.called("drain " + timeout.String())
	close(g.draining)
	select {
	case err := <-g.drained:
		return err
	case <-g.stopped:
		return errors.New("stopped while draining")
	}
}

func (g *fakeGateway) Stop() {
	g.called("stop")
	close(g.stopped)
}

func (g *fakeGateway) ReopenLogs() error {
	g.called("reopen")
	return g.reopenErr
}

func (g *fakeGateway) Listeners() []gateway.BoundListener {
	return []gateway.BoundListener{{Name: "a", Address: "127.0.0.1:2045"}}
}

func (g *fakeGateway) AdminAddr() string { return "127.0.0.1:34901" }

func (g *fakeGateway) Log() *slog.Logger { return slog.New(slog.NewTextHandler(lockedWriter{g}, nil)) }

// text is what was logged so far.
func (g *fakeGateway) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

type lockedWriter struct{ g *fakeGateway }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	return w.g.log.Write(b)
}

// A bench is an app whose surroundings belong to the test.
type bench struct {
	app
	out, errs bytes.Buffer
	env       map[string]string
	gateway   *fakeGateway
	signal    chan os.Signal
	cfg       *config.Config  // that the gateway was opened with
	options   gateway.Options // likewise
	openErr   error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{env: map[string]string{}, gateway: newFakeGateway(), signal: make(chan os.Signal, 16)}
	b.app = app{
		stdout: &b.out,
		stderr: &b.errs,
		runDir: filepath.Join(t.TempDir(), "run"),
		getenv: func(name string) string { return b.env[name] },
		open: func(cfg *config.Config, o gateway.Options) (server, error) {
			b.cfg, b.options = cfg, o
			return b.gateway, b.openErr
		},
		signals: func() (<-chan os.Signal, func()) { return b.signal, func() {} },
	}
	return b
}
