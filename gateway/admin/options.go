package admin

import (
	"log/slog"

	"sluice/gateway/telemetry/metrics"
)

// Gateway is what the admin API shows of the gateway. Its methods are called on any goroutine and must not wait for the
// loops.
type Gateway interface {
	// State is the number that MOSN's /api/v1/states shows, and its name.
	State() (number int, name string)
	// Ready says whether new work is welcome and, if it is not, why ("starting", "draining").
	Ready() (ok bool, why string)
	// Config is what /api/v1/config_dump shows, with secrets redacted. It is not changed once it is returned.
	Config() *ConfigDump
}

// Logs are the logs of the process, by path; logging.Manager has them. Methods are safe on any goroutine. Errors say what
// paths there are.
type Logs interface {
	SetLevel(path string, level slog.Level) error
	SetEnabled(path string, on bool) error
	Levels() map[string]slog.Level
}

// AccessLogs are the access logs, by path; accesslog.Manager has them. SetEnabled is as in Logs.
type AccessLogs interface {
	SetEnabled(path string, on bool) error
}

// Options are what an admin server stands on. All but Keep must be set.
type Options struct {
	Version    string
	Gateway    Gateway
	Logs       Logs
	AccessLogs AccessLogs
	Registry   *metrics.Registry
	// Keep, when not nil, chooses the series that /metrics and the statistics show; see Matcher.
	Keep func(s *metrics.Series) bool
	Log  *slog.Logger // what goes wrong, and what somebody changed
}
