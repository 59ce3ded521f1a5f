package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// stopWait is how long stop waits for the process to end, as MOSN's does.
const stopWait = 10 * time.Second

func newStop(a *app) *cobra.Command {
	var file, pid string
	cmd := &cobra.Command{
		Use:   "stop [-c FILE | --pid PID]",
		Short: "Stop a running gateway at once",
		Long: `Stop a running gateway at once (SIGINT) and wait up to 10 s until it has ended.

The process is found by the pid file of its configuration (key "pid"), or by the one that start makes when the
configuration names none. Without -c it is the built-in demo that is stopped.
To let running requests finish, send SIGTERM instead: kill -TERM PID.`,
		Example: `  sluice stop
  sluice stop -c config.json
  sluice stop --pid 4711
  sluice stop --pid /run/sluice.pid`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if pid == "" {
				if err := fromEnv(cmd.Flags(), a.getenv); err != nil {
					return err
				}
			} else if cmd.Flags().Changed(flagConfig) {
				return usageError(errors.New("-c and --pid both say what to stop; give one"))
			}
			number, err := a.findPid(pid, file)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), stopWait)
			defer cancel()
			if err := stopProcess(ctx, number); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "stopped process %d\n", number)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, flagConfig, "c", "", "configuration `FILE` that the process was started with (env MOSN_CONFIG)")
	cmd.Flags().StringVar(&pid, "pid", "", "the process `NUMBER`, or its pid file")
	return cmd
}

// findPid finds the process to stop: by number, by pid file, or by the configuration that it serves.
func (a *app) findPid(pid, configFile string) (int, error) {
	if number, err := strconv.Atoi(pid); err == nil {
		if number <= 0 {
			return 0, usageError(fmt.Errorf("--pid: %d is not the number of a process", number))
		}
		return number, nil
	}
	if pid != "" {
		return runningPid(pid)
	}
	path := ""
	if configFile != "" {
		cfg, problems := a.loadConfig(configFile, false)
		if cfg == nil {
			return 0, refused(a.stderr, configFile, problems, "it does not tell the pid file, give --pid")
		}
		path = cfg.PidFile
	}
	if path == "" {
		var err error
		if path, err = defaultPidFile(a.runDir, configFile); err != nil {
			return 0, fmt.Errorf("no pid file, use --pid: %w", err)
		}
	}
	return runningPid(path)
}

// stopProcess interrupts a process and waits until it has ended or ctx is over.
func stopProcess(ctx context.Context, pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	switch err := process.Signal(syscall.SIGINT); {
	case errors.Is(err, os.ErrProcessDone):
		return fmt.Errorf("%w: there is no process %d", errNotRunning, pid)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("process %d belongs to another user; stop it as that user or as root", pid)
	case err != nil:
		return fmt.Errorf("process %d: %w", pid, err)
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if err := process.Signal(syscall.Signal(0)); errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d has not ended %s after SIGINT; `kill -KILL %d` ends it by force", pid, stopWait, pid)
		}
	}
}
