package main

import (
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"
)

// A lifecycle is the part of a gateway that signals act on.
type lifecycle interface {
	// Drain stops accepting and lets what runs finish. It returns when nothing runs any more or, with an error, when
	// the time is over; either way the gateway has stopped.
	Drain(timeout time.Duration) error
	// Stop ends everything at once.
	Stop()
	ReopenLogs() error
	Log() *slog.Logger
}

// supervise acts on signals until the gateway has stopped.
//
//	serving ── SIGTERM ──> draining ── nothing runs any more ──> stopped
//	   │                      │ └───── time limit ─────────────> stopped, exitDrainLimit
//	   │                      │
//	   └─ SIGINT, SIGQUIT ────┴─ SIGTERM, SIGINT, SIGQUIT ─────> stopped
//
// SIGUSR1 reopens the logs and SIGHUP is refused in every state.
func supervise(g lifecycle, signals <-chan os.Signal, drain time.Duration) error {
	var drained chan error // nil while serving
	for {
		select {
		case sig := <-signals:
			switch {
			case sig == syscall.SIGUSR1:
				reopenLogs(g)
			case sig == syscall.SIGHUP:
				g.Log().Warn("SIGHUP is ignored: this version can neither reload nor upgrade in place; restart to apply a new configuration")
			case sig == syscall.SIGTERM && drained == nil:
				g.Log().Info("draining: no new connections; a second SIGTERM stops at once", "limit", drain)
				drained = make(chan error, 1)
				go func() { drained <- g.Drain(drain) }()
			default:
				g.Log().Info("stopping at once", "signal", sig.String())
				g.Stop()
				return nil
			}
		case err := <-drained:
			if err != nil {
				return &codedError{exitDrainLimit, fmt.Errorf("the drain was cut short: %w", err)}
			}
			return nil
		}
	}
}

func reopenLogs(g lifecycle) {
	if err := g.ReopenLogs(); err != nil {
		g.Log().Error("logs could not be reopened; the old files stay in use", "error", err)
		return
	}
	g.Log().Info("logs reopened")
}
