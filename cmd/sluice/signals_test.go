package main

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serving runs supervise on a fake gateway; the result comes on the channel.
func serving(g *fakeGateway) (chan<- os.Signal, <-chan error) {
	signals, result := make(chan os.Signal), make(chan error, 1)
	go func() { result <- supervise(g, signals, time.Minute) }()
	return signals, result
}

func TestStopsAtOnce(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		g := newFakeGateway()
		signals, result := serving(g)
		signals <- sig
		if err := <-result; err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		if diff := cmp.Diff([]string{"stop"}, g.calls); diff != "" {
			t.Errorf("%v: calls (-want +got):\n%s", sig, diff)
		}
	}
}

func TestDrains(t *testing.T) {
	g := newFakeGateway()
	signals, result := serving(g)
	signals <- syscall.SIGTERM
	<-g.draining
	signals <- syscall.SIGUSR1 // logs are rotated during a long drain too
	g.drained <- nil
	if err := <-result; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"drain 1m0s", "reopen"}, g.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestDrainLimit(t *testing.T) {
	g := newFakeGateway()
	signals, result := serving(g)
	signals <- syscall.SIGTERM
	g.drained <- errors.New("3 requests were still running after 1m0s")
	err := <-result
	if exitCode(err) != exitDrainLimit {
		t.Errorf("exit code %d for %v, want %d", exitCode(err), err, exitDrainLimit)
	}
	if !strings.Contains(err.Error(), "3 requests were still running") {
		t.Errorf("the reason is lost: %v", err)
	}
}

func TestSecondSignalEndsDrain(t *testing.T) {
	for _, second := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		g := newFakeGateway()
		signals, result := serving(g)
		signals <- syscall.SIGTERM
		<-g.draining
		signals <- second
		if err := <-result; err != nil {
			t.Errorf("%v: %v", second, err)
		}
		if diff := cmp.Diff([]string{"drain 1m0s", "stop"}, g.calls); diff != "" {
			t.Errorf("%v: calls (-want +got):\n%s", second, diff)
		}
	}
}

func TestSurvivesOtherSignals(t *testing.T) {
	g := newFakeGateway()
	g.reopenErr = errors.New("/var/log/x: permission denied")
	signals, result := serving(g)
	signals <- syscall.SIGHUP
	signals <- syscall.SIGUSR1
	signals <- syscall.SIGINT
	if err := <-result; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"reopen", "stop"}, g.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	for _, want := range []string{"SIGHUP is ignored", "permission denied"} {
		if !strings.Contains(g.text(), want) {
			t.Errorf("the log lacks %q:\n%s", want, g.text())
		}
	}
}
