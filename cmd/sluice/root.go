package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot builds the tree of commands.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "A multi-protocol gateway",
		Long: `Sluice is a gateway: it accepts connections, chooses where each request goes, and forwards it.

It reads MOSN's configuration and answers on MOSN's admin paths. With flags and no command it starts, as MOSN does.`,
		Example: `  sluice start                      serve the built-in demo and print what to try
  sluice start -c config.json       serve a configuration (JSON or YAML)
  sluice check -c config.json       list every mistake in it, start nothing
  sluice stop  -c config.json       stop the process that serves it
  sluice proxy --listen :8080 --upstream 127.0.0.1:9000
                                    forward one port, no file needed`,
		Version:                    versionString(),
		SilenceErrors:              true, // run prints the error once
		SilenceUsage:               true,
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("sluice version: {{.Version}}\n")
	root.SetFlagErrorFunc(flagMistake)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		newStart(a),
		newCheck(a),
		newStop(a),
		newProxy(a),
		newVersion(a),
		newCompletion(a),
	)
	return root
}

// knownCommand refuses words that are no command, and names the ones that look alike.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usageError(fmt.Errorf("unknown command %q; did you mean %q?", args[0], strings.Join(near, `" or "`)))
	}
	return usageError(fmt.Errorf("unknown command %q; `sluice --help` lists the commands", args[0]))
}

// noWords refuses words behind a command that takes only flags.
func noWords(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := os.Stat(args[0]); err == nil && cmd.Flags().Lookup(flagConfig) != nil {
		return usageError(fmt.Errorf("a configuration is named with -c: `%s -c %s`", cmd.CommandPath(), args[0]))
	}
	return usageError(fmt.Errorf("`%s` takes no argument %q; `%s --help` lists the flags", cmd.CommandPath(), args[0], cmd.CommandPath()))
}
