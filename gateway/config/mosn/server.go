package mosn

import (
	"log/slog"
	"strconv"
	"strings"

	"sluice/gateway/config"
)

// configuration reads the whole document. The order follows what is needed first: clusters and routers before what names
// them.
func (r *reader) configuration(root *node) {
	if root.kind != kindObject {
		r.expected(root, "an object ("+documentSchema.what+")", "")
		return
	}
	doc := r.object(root, documentSchema)
	r.cfg.PidFile = doc.str("pid")
	r.admin(doc.node("admin"))
	r.pprof(doc.child("pprof", pprofSchema))
	r.metrics(doc.child("metrics", metricsSchema))
	r.extensions(doc.array("extends"))
	r.manager(doc.child("cluster_manager", managerSchema))
	switch servers := doc.node("servers"); {
	case servers == nil:
		r.errorf(root, `"servers" is missing: expected an array of exactly one server`)
	case servers.kind == kindArray && len(servers.items) != 1:
		r.errorf(servers, "expected exactly one server, found %d; put all listeners into one", len(servers.items))
	default:
		for _, n := range r.array(servers) {
			r.server(n)
		}
	}
	r.resolve()
	r.conflicts()
}

func (r *reader) server(n *node) {
	o := r.object(n, serverSchema)
	if o.n == nil {
		return
	}
	r.cfg.Log.Path = r.logPath(o.node("default_log_path"), "stderr")
	r.cfg.Log.Level = r.level(o)
	r.cfg.Graceful, _ = o.duration("graceful_timeout", false)
	r.cfg.Loops = r.loops(o.node("processor"))
	for _, n := range o.array("routers") {
		r.router(r.object(n, routerConfigSchema))
	}
	listeners := o.array("listeners")
	if len(listeners) == 0 {
		r.warnf(o.at("listeners"), "there is no listener, so nothing is served")
	}
	if len(listeners) > maxListeners {
		r.errorf(o.at("listeners"), "there are %d listeners at most, these are %d", maxListeners, len(listeners))
		return
	}
	names := make(names)
	for _, n := range listeners {
		r.listener(n, names)
	}
}

// loops reads `processor`: a number, "auto" or a number in quotes. GOMAXPROCS in the environment overrides it, as in MOSN.
func (r *reader) loops(v *node) int {
	const most = 1024
	loops := 0
	switch {
	case v == nil:
	case v.kind == kindString && (strings.EqualFold(v.text, "auto") || v.text == ""):
	case v.kind == kindString:
		n, err := strconv.Atoi(v.text)
		if err != nil || n < 0 || n > most {
			r.expected(v, "a number of event loops from 0 to "+strconv.Itoa(most)+` or "auto"`, "")
		} else {
			loops = n
		}
	default:
		n, _ := r.integer(v, 0, most)
		loops = int(n)
	}
	env := r.o.Getenv("GOMAXPROCS")
	if env == "" {
		return loops
	}
	n, err := strconv.Atoi(env)
	if err != nil || n < 1 || n > most {
		r.add(config.Problem{
			Severity: config.Warning, File: "environment",
			Message: "GOMAXPROCS=" + clip(env) + " is not a number from 1 to " + strconv.Itoa(most) + " and is not used",
		})
		return loops
	}
	return n
}

// level reads the level of the process's log.
func (r *reader) level(o object) slog.Level {
	v := o.node("default_log_level")
	if v == nil {
		return slog.LevelInfo
	}
	s := r.str(v)
	switch strings.ToUpper(s) {
	case "FATAL":
		return config.LevelFatal
	case "ERROR":
		return slog.LevelError
	case "WARN", "WARNING":
		return slog.LevelWarn
	case "INFO", "":
		return slog.LevelInfo
	case "DEBUG":
		return slog.LevelDebug
	case "TRACE":
		return config.LevelTrace
	}
	r.warnf(v, "unknown log level %s, INFO is used%s", quote(s),
		didYouMean(s, []string{"FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"}))
	return slog.LevelInfo
}

// logPath reads a destination of log lines: "stdout", "stderr", their devices, or a file.
func (r *reader) logPath(v *node, otherwise string) string {
	if v == nil {
		return otherwise
	}
	switch s := r.str(v); {
	case s == "":
		return otherwise
	case s == "stdout" || s == "/dev/stdout":
		return "stdout"
	case s == "stderr" || s == "/dev/stderr":
		return "stderr"
	case s == "syslog" || strings.HasPrefix(s, "syslog:") || strings.HasPrefix(s, "syslog+"):
		r.errorf(v, "syslog is not available in this version: the lines would be lost; use stderr and let the service "+
			"manager collect it, or a file")
		return otherwise
	case strings.IndexByte(s, 0) >= 0:
		r.errorf(v, "expected the path of a file, found one with a NUL character")
		return otherwise
	default:
		return s
	}
}

// extensions reports what `extends` asks for.
func (r *reader) extensions(items []*node) {
	for _, n := range items {
		t := n.member("type")
		if t == nil {
			r.errorf(n, `"type" is missing: expected the type of an extension`)
			continue
		}
		name := r.str(t)
		p, names := find(extensions, name)
		if p == nil {
			r.warnf(t, "unknown extension %s, which MOSN ignores too%s", quote(name), didYouMean(name, names))
			continue
		}
		r.unavailable(t, t.line, t.col, p.use, p.name, p.why)
	}
}
