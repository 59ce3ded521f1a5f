package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"sluice/gateway"
	"sluice/gateway/config"
)

// version is set by the linker (see the Makefile).
var version string

func main() {
	a := &app{
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		getenv:  os.Getenv,
		runDir:  runtimeDir(),
		open:    openGateway,
		signals: notifySignals,
	}
	os.Exit(a.run(os.Args[1:]))
}

// An app is what the command takes from its surroundings, so that tests can replace each part.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	runDir         string // for pid files that no configuration names
	open           func(*config.Config, gateway.Options) (server, error)
	signals        func() (<-chan os.Signal, func())
}

// run executes one command line and returns the exit code.
func (a *app) run(args []string) int {
	root := newRoot(a)
	root.SetArgs(append([]string{}, mosnArgs(args)...)) // nil would mean the process's own
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(a.stderr, "sluice: "+err.Error())
	return exitCode(err)
}

// notifySignals subscribes to the signals that a running gateway understands. The channel holds more than a person can
// type before it is read.
func notifySignals() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 16)
	// The reader of our stdout may go away; the gateway must not die of it.
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	return ch, func() { signal.Stop(ch) }
}

// versionString is what the linker set, else what the module system knows.
func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
