package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// proxySource is the Source of a configuration that proxy makes.
const proxySource = "sluice proxy"

// proxyFlags are the flags of proxy.
type proxyFlags struct {
	listen, upstreams []string
	admin             string
	tcp, printConfig  bool
	accessLog         string
	level             levelFlag
	drain             time.Duration
}

func newProxy(a *app) *cobra.Command {
	f := &proxyFlags{}
	cmd := &cobra.Command{
		Use:   "proxy --listen ADDRESS --upstream ADDRESS[,ADDRESS...]",
		Short: "Forward one port to one or more upstreams, no file needed",
		Long: `Forward what arrives at an address to one or more upstreams, in turn. No file is needed.

An address is HOST:PORT, [IPV6]:PORT, or unix:/path; ":8080" listens on every IPv4 address of the machine. A host name of an
upstream is resolved, and resolved again. Signals and exit codes are those of start.`,
		Example: `  sluice proxy --listen :8080 --upstream 127.0.0.1:9000
  sluice proxy --listen :8080 --upstream 10.0.0.1:80,10.0.0.2:80 --access-log stdout
  sluice proxy --listen :5432 --upstream db.internal:5432 --tcp --admin off
  sluice proxy --listen :8080 --upstream unix:/run/app.sock --print-config > config.json`,
		Args: noWords,
		RunE: func(*cobra.Command, []string) error { return a.proxy(f) },
	}
	set := cmd.Flags()
	set.StringSliceVar(&f.listen, "listen", nil, "`ADDRESS` to accept on")
	set.StringSliceVar(&f.upstreams, "upstream", nil, "`ADDRESS` to forward to; several take turns")
	set.BoolVar(&f.tcp, "tcp", false, "forward bytes of any protocol instead of HTTP requests")
	set.StringVar(&f.admin, "admin", "127.0.0.1:34901", "`ADDRESS` of the admin API, or off")
	set.StringVar(&f.accessLog, "access-log", "", "write a line per request to `FILE`, stdout or stderr")
	set.VarP(&f.level, flagLogLevel, "l", "trace, debug, info, warning, error, critical or off: log nothing `BELOW` it")
	set.DurationVar(&f.drain, "drain-time", 30*time.Second, "after SIGTERM, the most `TIME` that running requests may take")
	set.BoolVar(&f.printConfig, "print-config", false, "print the same as a configuration file, and start nothing")
	return cmd
}

// proxy builds the configuration that the flags describe, and serves it.
func (a *app) proxy(f *proxyFlags) error {
	if f.drain < 0 {
		return usageError(fmt.Errorf("--drain-time must not be negative: %s", f.drain))
	}
	doc, err := f.document()
	if err != nil {
		return usageError(err)
	}
	if f.printConfig {
		_, err := fmt.Fprintf(a.stdout, "%s\n", doc)
		return err
	}
	cfg, problems := a.parseConfig(proxySource, doc)
	if cfg == nil {
		return refused(a.stderr, proxySource, problems, "nothing was started")
	}
	return a.serve(running{cfg: cfg, problems: problems, level: f.level.level, drain: f.drain})
}
