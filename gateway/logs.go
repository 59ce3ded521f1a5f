package gateway

import (
	"errors"
	"log/slog"

	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/logfile"
	"sluice/gateway/telemetry/logging"
)

// openLogs opens the process's log and prepares the access logs.
func (g *Gateway) openLogs() error {
	streams := logfile.Streams{Stdout: g.options.Stdout, Stderr: g.options.Stderr}
	o := logging.Options{Streams: streams}
	if g.options.LogLevel != nil {
		o.Least = *g.options.LogLevel
	}
	g.logs = logging.NewManager(o)
	log, err := g.logs.Open(g.cfg.Log.Path, g.cfg.Log.Level)
	if err != nil {
		return err
	}
	g.log = log
	g.access = accesslog.NewManager(log)
	g.access.SetStreams(streams)
	g.logs.RegisterMetrics(g.registry)
	g.access.RegisterMetrics(g.registry)
	return nil
}

// Log is the process's log. Its lines are written by a goroutine of its own; Stop waits for it.
func (g *Gateway) Log() *slog.Logger { return g.log }

// ReopenLogs closes and opens every log file, for log rotation.
func (g *Gateway) ReopenLogs() error { return errors.Join(g.logs.Reopen(), g.access.Reopen()) }
