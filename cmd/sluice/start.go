package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/gateway"
	"sluice/gateway/config"
)

// A server is a gateway as this command sees it; *gateway.Gateway is one.
type server interface {
	lifecycle
	// Start binds every address and serves.
	Start() error
	Listeners() []gateway.BoundListener
	// AdminAddr is where the admin API answers; "" when it is off.
	AdminAddr() string
}

func newStart(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start [-c FILE]",
		Short: "Serve a configuration until a signal stops it",
		Long: `Serve a configuration until a signal stops it.

Without -c it serves a demo: two listeners as in MOSN's http sample, an admin API, and a small upstream to talk to.

Signals:
  SIGTERM           stop accepting, finish what runs for up to --drain-time-s, then end; a second one ends at once
  SIGINT, SIGQUIT   end at once
  SIGUSR1           reopen the log files

Exit codes:
  0   stopped as asked
  1   it did not start: a mistake in the configuration, an address that is taken, a log that cannot be written
  4   the drain reached its time limit and cut what was still running
  64  the command line is wrong

The other flags and variables of MOSN's start are accepted; those that mean nothing here are named once in the log.`,
		Example: `  sluice start
  sluice start -c config.json
  sluice start -c config.yaml --log-level warning --drain-time-s 60
  MOSN_CONFIG=config.json sluice start`,
		Args: noWords,
	}
	flags := addStartFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.start(cmd, flags)
	}
	return cmd
}

// start is the command: everything that can be refused is refused before an address is bound.
func (a *app) start(cmd *cobra.Command, flags *startFlags) error {
	if err := fromEnv(cmd.Flags(), a.getenv); err != nil {
		return err
	}
	drain, err := flags.drainTime()
	if err != nil {
		return err
	}
	cfg, problems := a.loadConfig(flags.config, flags.strict)
	if cfg == nil {
		return refused(a.stderr, flags.config, problems, "nothing was started")
	}
	run := running{cfg: cfg, problems: problems, level: flags.level.level, drain: drain, demo: flags.config == ""}
	if !cmd.Flags().Changed(flagDrain) && cfg.Graceful > 0 {
		run.drain = cfg.Graceful
	}
	if names := ignored(cmd.Flags(), a.getenv); len(names) > 0 {
		run.note(config.Note, "command line", "accepted for MOSN's sake and without effect: "+strings.Join(names, ", "))
	}
	run.pidFile = cfg.PidFile
	if run.pidFile == "" {
		// Without one `sluice stop -c` does not find this process; that is no reason not to serve.
		if run.pidFile, err = defaultPidFile(a.runDir, flags.config); err != nil {
			run.note(config.Warning, "pid file", "there is none, `sluice stop` needs --pid: "+err.Error())
		}
	}
	return a.serve(run)
}

// running is what serve needs to know.
type running struct {
	cfg      *config.Config
	problems config.Problems // warnings and notes, logged once the log is open
	level    *slog.Level
	drain    time.Duration
	pidFile  string // "" for none
	demo     bool   // run the demo upstream, and say what to try
}

// note adds something to know that is not in the configuration.
func (r *running) note(severity config.Severity, source, message string) {
	r.problems = append(r.problems, config.Problem{Severity: severity, File: source, Message: message})
}

// serve runs a gateway until a signal stops it.
func (a *app) serve(run running) error {
	g, err := a.open(run.cfg, gateway.Options{
		Version:  versionString(),
		LogLevel: run.level,
		Stdout:   a.stdout,
		Stderr:   a.stderr,
	})
	if err != nil {
		return err
	}
	signals, unsubscribe := a.signals()
	defer unsubscribe()
	logProblems(g.Log(), run.problems)
	if run.demo {
		// A server that is there already, as in MOSN's sample, serves as well.
		if demo, err := startDemo(config.DemoAddress); err != nil {
			g.Log().Warn("the demo upstream is not started; requests go to what listens there", "address", config.DemoAddress, "error", err)
		} else {
			defer demo.Close()
		}
	}
	if err := g.Start(); err != nil {
		g.Stop()
		return err
	}
	if run.pidFile != "" {
		pid, err := createPidFile(run.pidFile)
		if err != nil {
			g.Stop()
			return err
		}
		defer pid.remove()
	}
	if run.demo {
		fmt.Fprint(a.stdout, tryThis(g))
	}
	return supervise(g, signals, run.drain)
}

// logProblems logs what a configuration that is served nevertheless does not do.
func logProblems(log *slog.Logger, problems config.Problems) {
	for _, p := range problems {
		level := slog.LevelInfo
		if p.Severity == config.Warning {
			level = slog.LevelWarn
		}
		attrs := []any{"at", p.Origin()}
		if p.Path != "" {
			attrs = append(attrs, "key", p.Path)
		}
		log.Log(context.Background(), level, p.Message, attrs...)
	}
}

// tryThis names URLs that answer.
func tryThis(g server) string {
	var b strings.Builder
	b.WriteString("Sluice serves its built-in demo. Try:\n")
	for _, l := range g.Listeners() {
		fmt.Fprintf(&b, "  curl %s/\n", l.Address)
	}
	if admin := g.AdminAddr(); admin != "" {
		fmt.Fprintf(&b, "  curl %s/            the admin API\n  curl %s/metrics     Prometheus metrics\n", admin, admin)
	}
	b.WriteString("Ctrl-C stops it. `sluice start -c FILE` serves a configuration of yours.\n")
	return b.String()
}
