package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// normaliseArgs rewrites what MOSN's command line accepts and pflag does not: aliases of several letters (-sm, -pns) and
// long flags with one dash (-config, -log-level=debug). Values and everything behind "--" stay as they are.
func normaliseArgs(args []string, flags *pflag.FlagSet) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		flag := flagOf(arg, flags)
		if flag == nil {
			out = append(out, arg)
			continue
		}
		_, value, inline := strings.Cut(arg, "=")
		if inline {
			out = append(out, "--"+flag.Name+"="+value)
			continue
		}
		out = append(out, "--"+flag.Name)
		if flag.NoOptDefVal == "" && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out
}

// flagOf finds the flag that arg names in any of the accepted spellings; nil when it is a word or unknown.
func flagOf(arg string, flags *pflag.FlagSet) *pflag.Flag {
	name, _, _ := strings.Cut(arg, "=")
	if name = strings.TrimPrefix(name, "-"); name == "" || len(name) == len(arg) || arg[0] != '-' {
		return nil
	}
	name = strings.TrimPrefix(name, "-")
	if long := longName(name); long != "" {
		name = long
	}
	if len(name) == 1 {
		return flags.ShorthandLookup(name)
	}
	return flags.Lookup(name)
}

// longName resolves MOSN's aliases of more than one letter.
func longName(alias string) string {
	switch alias {
	case "sm":
		return "service-meta"
	case "sl":
		return "service-lables"
	case "domain":
		return "cluster-domain"
	case "pns":
		return "pod-namespace"
	case "pn":
		return "pod-name"
	case "pi":
		return "pod-ip"
	case "lf":
		return "log-format"
	case "lc":
		return "component-log-level"
	}
	return ""
}

// withDefaultCommand makes flags without a command mean `start`, as in MOSN.
func withDefaultCommand(args []string) []string {
	if len(args) == 0 || !strings.HasPrefix(args[0], "-") {
		return args
	}
	switch args[0] {
	case "-h", "--help", "-v", "--version", "--":
		return args
	}
	return append([]string{"start"}, args...)
}

// mosnArgs accepts a command line written for MOSN. Commands that MOSN does not have are left alone.
func mosnArgs(args []string) []string {
	args = withDefaultCommand(args)
	if len(args) == 0 || args[0] != "start" && args[0] != "stop" {
		return args
	}
	flags := pflag.NewFlagSet(args[0], pflag.ContinueOnError)
	addStartFlags(flags)
	return append(args[:1:1], normaliseArgs(args[1:], flags)...)
}
