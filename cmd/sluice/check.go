package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sluice/gateway/config"
)

func newCheck(a *app) *cobra.Command {
	var file string
	var strict bool
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "List every mistake in a configuration; start nothing",
		Long: `List every mistake in a configuration, each with file, line, column and what was expected; start nothing.

The exit code is 0 when it can be served and 1 when it cannot. Warnings alone leave it at 0, unless --strict makes
unknown keys errors.`,
		Example: `  sluice check -c config.json
  sluice check -c config.yaml --strict`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), a.getenv); err != nil {
				return err
			}
			if file == "" {
				return usageError(errors.New("which file? `sluice check -c FILE`"))
			}
			return a.check(file, strict)
		},
	}
	cmd.Flags().StringVarP(&file, flagConfig, "c", "", "configuration `FILE`, JSON or YAML (env MOSN_CONFIG)")
	cmd.Flags().BoolVar(&strict, "strict", false, "an unknown key is an error, not a warning")
	return cmd
}

// check prints what is wrong with a file, or what it holds.
func (a *app) check(file string, strict bool) error {
	cfg, problems := a.loadConfig(file, strict)
	if cfg == nil {
		return refused(a.stderr, file, problems, "it cannot be served")
	}
	if err := config.Format(a.stderr, problems); err != nil {
		return err
	}
	verdict := "ok"
	if n := severe(problems, config.Warning); n > 0 {
		verdict += ", with " + count(n, "warning")
	}
	_, err := fmt.Fprintf(a.stdout, "%s: %s: %s, %s, %s\n", file, verdict,
		count(len(cfg.Listeners), "listener"), count(len(cfg.Routers), "router"), count(len(cfg.Clusters), "cluster"))
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
