package admin

import (
	"fmt"
	"net/http"
	"os"

	"sluice/gateway/telemetry/metrics"
)

// api answers the paths of the admin server.
type api struct {
	Options
	routes *routes
}

// New makes the admin server.
func New(o Options) *Server {
	a := &api{Options: o}
	a.routes = newRoutes(append([]route{
		{path: "/", method: "GET", usage: "GET /", handler: a.list},
		{path: "/healthz", method: "GET", usage: "GET /healthz", handler: a.healthz},
		{path: "/ready", method: "GET", usage: "GET /ready", handler: a.ready},
		{path: "/metrics", method: "GET", usage: "GET /metrics",
			handler: o.Registry.HandlerFor(metrics.HandlerOptions{Go: true, Process: true, Keep: o.Keep}).ServeHTTP},
		{path: "/api/v1/version", usage: "GET /api/v1/version", handler: a.version},
		{path: "/api/v1/states", method: "GET", usage: "GET /api/v1/states", handler: a.states},
		{path: "/api/v1/config_dump", method: "GET", usage: configDumpUsage, handler: a.configDump},
		{path: "/api/v1/stats", method: "GET", usage: "GET /api/v1/stats[?key=NAME]", handler: a.stats},
		{path: "/api/v1/stats_glob", method: "GET", usage: "GET /api/v1/stats_glob", handler: a.statsGlob},
		{path: "/api/v1/get_loglevel", method: "GET", usage: "GET /api/v1/get_loglevel", handler: a.getLogLevel},
		{path: "/api/v1/update_loglevel", method: "POST", usage: updateLogLevelUsage, handler: a.updateLogLevel},
		{path: "/api/v1/enable_log", method: "POST", usage: enableLogUsage, handler: a.enableLog},
		{path: "/api/v1/disable_log", method: "POST", usage: disableLogUsage, handler: a.disableLog},
		// MOSN's spelling until it was corrected; its clients may still use it.
		{path: "/api/v1/disbale_log", method: "POST", usage: disableLogUsage, handler: a.disableLog, hidden: true},
	}, pprofRoutes()...))
	return newServer(a.routes, o.Log)
}

// NewMetrics makes a server that serves nothing but the metrics, at path.
func NewMetrics(o Options, path string, h metrics.HandlerOptions) *Server {
	if path == "" {
		path = "/metrics"
	}
	rs := newRoutes([]route{{path: path, method: "GET", usage: "GET " + path, handler: o.Registry.HandlerFor(h).ServeHTTP}})
	return newServer(rs, o.Log)
}

// NewPprof makes a server that serves nothing but profiles.
func NewPprof(o Options) *Server { return newServer(newRoutes(pprofRoutes()), o.Log) }

func (a *api) list(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, a.routes.list()) }

func (a *api) healthz(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") }

func (a *api) ready(w http.ResponseWriter, _ *http.Request) {
	if ok, why := a.Gateway.Ready(); !ok {
		text(w, http.StatusServiceUnavailable, why+"\n")
		return
	}
	text(w, http.StatusOK, "ok\n")
}

func (a *api) version(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, "mosn version: "+a.Version)
}

func (a *api) states(w http.ResponseWriter, _ *http.Request) {
	number, _ := a.Gateway.State()
	text(w, http.StatusOK, fmt.Sprintf("pid=%d&state=%d\n", os.Getpid(), number))
}
