package gateway

import (
	"log/slog"

	"sluice/gateway/telemetry/accesslog"
)

// openLogs opens the process's log and prepares the access logs.
func (g *Gateway) openLogs() error {
	g.log = slog.New(slog.NewTextHandler(g.options.Stdout, nil))
	g.access = accesslog.NewManager(g.log)
	return nil
}
