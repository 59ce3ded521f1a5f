package main

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"
)

// startFlags are the flags of start that mean something here.
type startFlags struct {
	config    string
	strict    bool
	level     levelFlag
	drainSecs int
}

// defaultDrainSecs is MOSN's --drain-time-s.
const defaultDrainSecs = 600

// flagConfig and the others are named in more than one place.
const (
	flagConfig   = "config"
	flagLogLevel = "log-level"
	flagDrain    = "drain-time-s"
)

// An ignoredFlag is accepted because scripts written for MOSN give it.
type ignoredFlag struct {
	name, short, env, usage string
}

// ignoredFlags are the flags of MOSN's start that mean nothing here: those that wait for a control plane, and those that
// MOSN itself ignores.
func ignoredFlags() []ignoredFlag {
	return []ignoredFlag{
		{"service-cluster", "s", "SERVICE_CLUSTER", "name of the service cluster"},
		{"service-node", "n", "SERVICE_NODE", "name of the service node"},
		{"service-type", "p", "SERVICE_TYPE", "type of the service"},
		{"service-meta", "", "SERVICE_META", "metadata of the service (-sm)"},
		{"service-lables", "", "SERVICE_LAB", "labels of the service (-sl)"},
		{"cluster-domain", "", "CLUSTER_DOMAIN", "domain of the cluster (-domain)"},
		{"feature-gates", "f", "FEATURE_GATES", "a=true,b=false"},
		{"pod-namespace", "", "POD_NAMESPACE", "namespace of the pod (-pns)"},
		{"pod-name", "", "POD_NAME", "name of the pod (-pn)"},
		{"pod-ip", "", "POD_IP", "address of the pod (-pi)"},
		{"log-format", "", "", "(-lf)"},
		{"component-log-level", "", "", "(-lc)"},
		{"local-address-ip-version", "", "", ""},
		{"restart-epoch", "", "", ""},
		{"parent-shutdown-time-s", "", "", ""},
		{"max-obj-name-len", "", "", ""},
		{"concurrency", "", "", ""},
		{"log-format-prefix-with-location", "", "", ""},
		{"bootstrap-version", "", "", ""},
		{"drain-strategy", "", "", ""},
		{"disable-hot-restart", "", "", ""},
	}
}

// addStartFlags declares what MOSN's start accepts, and --strict.
func addStartFlags(set *pflag.FlagSet) *startFlags {
	f := &startFlags{}
	set.StringVarP(&f.config, flagConfig, "c", "", "configuration `FILE`, JSON or YAML (env MOSN_CONFIG; none: the built-in demo)")
	set.VarP(&f.level, flagLogLevel, "l", "trace, debug, info, warning, error, critical or off: log nothing `BELOW` it, whatever the configuration says (env LOG_LEVEL)")
	set.IntVar(&f.drainSecs, flagDrain, defaultDrainSecs, "after SIGTERM, the most `SECONDS` that running requests may take; given, it wins over graceful_timeout of the configuration")
	set.BoolVar(&f.strict, "strict", false, "an unknown key in the configuration is an error, not a warning")
	for _, g := range ignoredFlags() {
		// A string each: the value is not looked at, so it is not judged either.
		set.StringArrayP(g.name, g.short, nil, g.usage)
		if g.name == "disable-hot-restart" {
			set.Lookup(g.name).NoOptDefVal = "true"
		}
		_ = set.MarkHidden(g.name) // fails only for a flag that does not exist
	}
	return f
}

// fromEnv fills flags that were not given from the environment, as MOSN does.
func fromEnv(set *pflag.FlagSet, getenv func(string) string) error {
	for flag, env := range map[string]string{flagConfig: "MOSN_CONFIG", flagLogLevel: "LOG_LEVEL"} {
		value := getenv(env)
		if value == "" || set.Lookup(flag) == nil || set.Changed(flag) {
			continue
		}
		if err := set.Set(flag, value); err != nil {
			return usageError(fmt.Errorf("environment variable %s, as %w", env, cmp.Or(valueMistake(err), err)))
		}
	}
	return nil
}

// ignored lists the settings that were given and mean nothing here, flags first.
func ignored(set *pflag.FlagSet, getenv func(string) string) []string {
	var names []string
	for _, g := range ignoredFlags() {
		switch {
		case set.Changed(g.name):
			names = append(names, "--"+g.name)
		case g.env != "" && getenv(g.env) != "":
			names = append(names, g.env)
		}
	}
	for _, env := range []string{"NETPOLL", "MOSN_LOGBASE", "MOSN_PROCS"} {
		if getenv(env) != "" {
			names = append(names, env)
		}
	}
	return names
}

// drainTime checks --drain-time-s.
func (f *startFlags) drainTime() (time.Duration, error) {
	if f.drainSecs < 0 || f.drainSecs > math.MaxInt32 {
		return 0, usageError(fmt.Errorf("--%s must be from 0 to %d seconds, not %d", flagDrain, math.MaxInt32, f.drainSecs))
	}
	return time.Duration(f.drainSecs) * time.Second, nil
}
