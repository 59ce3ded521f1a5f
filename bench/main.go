package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the whole program: everything that it started has ended when it returns.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.quote {
		return quoteAll(stdout)
	}
	started := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(stderr, "%6.1fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
	}
	shop, err := newWorkshop(progress)
	if err != nil {
		return err
	}
	defer shop.close()
	if err := raiseFileLimit(); err != nil {
		return err
	}
	b := &bench{options: o, shop: shop, launch: newLauncher(), probed: map[rateKey][]float64{}, report: &report{Rounds: o.rounds, Seconds: o.seconds}}
	defer b.launch.stopAll()
	if o.install {
		return b.installPeers(ctx, stdout)
	}
	b.report.Environment = describe(ctx, o, args)
	if o.guard {
		return b.guard(ctx, stdout)
	}
	if err := b.run(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("interrupted: %w", cause)
		}
		return err
	}
	b.report.conclude(o.workloads)
	fmt.Fprint(stdout, b.report.text())
	if o.save != "" {
		base, err := b.report.save(o.save)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "\nsaved as %s.json, .md and .html\n", base)
	}
	if len(b.report.Wrong) > 0 {
		return errors.New("some answers were wrong (see above): these numbers prove nothing")
	}
	return nil
}

// raiseFileLimit lets every program have as many descriptors as the machine allows. Set explicitly, it is also what
// children inherit; left alone, the runtime would give them the low limit back.
func raiseFileLimit() error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	files.Cur = files.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("raise the limit of open files to %d: %w", files.Max, err)
	}
	return nil
}

// pinSelf moves this program's threads off the proxy's CPU.
func pinSelf(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(cpu)
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin to CPU %d: %w", cpu, err)
		}
	}
	return nil
}
