package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/gateway/config"
)

// flagMistake says what is wrong with the flags of a command, and what to write instead.
func flagMistake(cmd *cobra.Command, err error) error {
	if mistake := valueMistake(err); mistake != nil {
		return usageError(mistake)
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := config.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return usageError(fmt.Errorf("%w; did you mean --%s? `%s --help` lists the flags", err, near, cmd.CommandPath()))
		}
	}
	return usageError(fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath()))
}

// valueMistake says what a flag takes when err is about a value; else it returns nil.
func valueMistake(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return nil
	}
	expected := map[string]string{
		"bool": "true or false", "int": "a whole number", "duration": "a time such as 30s or 5m",
	}[invalid.GetFlag().Value.Type()]
	if expected == "" {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	}
	return fmt.Errorf("--%s: expected %s, not %q", invalid.GetFlag().Name, expected, invalid.GetValue())
}
