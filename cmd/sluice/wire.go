package main

import (
	"fmt"
	"io"

	"sluice/gateway"
	"sluice/gateway/config"
	"sluice/gateway/config/mosn"
)

// loadConfig reads the file at path, or the embedded default when there is none. The Config is nil when it is refused;
// the Problems then say why.
func (a *app) loadConfig(path string, strict bool) (*config.Config, config.Problems) {
	if path == "" {
		return a.parseConfig(config.DefaultSource, config.DefaultJSON())
	}
	cfg, problems, _ := mosn.Load(path, mosn.Options{Strict: strict, Getenv: a.getenv})
	return cfg, problems
}

// parseConfig reads a configuration that is in no file.
func (a *app) parseConfig(name string, doc []byte) (*config.Config, config.Problems) {
	cfg, problems, _ := mosn.Parse(name, doc, mosn.Options{Getenv: a.getenv})
	return cfg, problems
}

// refused prints problems and says in one line that nothing was done.
func refused(w io.Writer, file string, problems config.Problems, done string) error {
	if err := config.Format(w, problems); err != nil {
		return err
	}
	return fmt.Errorf("%s: %s; %s", file, count(severe(problems, config.Error), "mistake"), done)
}

// severe counts the problems of one severity.
func severe(problems config.Problems, severity config.Severity) (n int) {
	for _, p := range problems {
		if p.Severity == severity {
			n++
		}
	}
	return n
}

// openGateway makes a gateway that serves cfg once it is started.
func openGateway(cfg *config.Config, o gateway.Options) (server, error) {
	g, err := gateway.New(cfg, o)
	if err != nil {
		return nil, err // a nil *Gateway in the interface would not be nil
	}
	return g, nil
}
