package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// options are what a run is told. They do not change after parseOptions.
type options struct {
	workloads         []workload
	peers             []peer
	rounds            int
	seconds, warmup   float64
	quick             bool
	save              string // the directory for results; "": not saved
	profile           string // where sluice's CPU profile goes; "": none
	sluice            string // a binary to measure instead of building one
	noInstall         bool
	install           bool // only install the peers
	guard             bool // compare with the numbers of the tree
	record            bool // ... or make them
	quote             bool // only make the tables of the documents anew
	proxyCPU, loadCPU int
	cpus              []int // that this program was allowed at its start
}

const usageText = `usage: go run ./bench [flags]

Compares sluice with other proxies. A full run takes 40 minutes with five peers, 100 with nine,
of an otherwise quiet machine with two CPUs.

  --quick            fewer workloads, fewer and shorter rounds: two minutes, less certain
  --workload NAMES   only these, separated by commas: %s
  --peer NAMES       only these, separated by commas: %s
  --rounds N         interleaved rounds per workload (9; quick: 3)
  --seconds S        length of one measurement (2; quick: 0.5)
  --save             write results/<date>.json, .md and .html (with plots) below bench/
  --out DIR          write them there instead (implies --save)
  --profile FILE     save sluice's CPU profile under tiny, or else the first closed loop that --workload names; read it with
                     go tool pprof
  --sluice FILE      measure this binary instead of building ./cmd/sluice
  --proxy-cpu N      the CPU of the proxy (the first that this process may use)
  --load-cpu N       the CPU of load and backend (the second)
  --install          install all peers (Debian's packages; others into bin/peers), and measure nothing
  --guard            compare what is stable with bench/guard.json; fails when it is more than 10 %% worse
  --record           with --guard: write bench/guard.json instead
  --quote            make the tables in README.md and docs/performance.md anew from the newest bench/results, and measure nothing
  --no-install       do not install missing peers with apt-get

examples:
  go run ./bench --quick --workload tiny
  go run ./bench --workload tiny,open --peer sluice,nginx --rounds 21
  go run ./bench --workload h2-h2 --peer sluice --rounds 3 --seconds 5 --profile cpu.pprof
`

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var names, wanted string
	var save bool
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, usageText, namesOf(workloads(), workloadName), namesOf(peers(), peerName))
	}
	flags.BoolVar(&o.quick, "quick", false, "")
	flags.StringVar(&names, "workload", "", "")
	flags.StringVar(&wanted, "peer", "", "")
	flags.IntVar(&o.rounds, "rounds", 0, "")
	flags.Float64Var(&o.seconds, "seconds", 0, "")
	flags.BoolVar(&save, "save", false, "")
	flags.StringVar(&o.save, "out", "", "")
	flags.StringVar(&o.profile, "profile", "", "")
	flags.StringVar(&o.sluice, "sluice", "", "")
	flags.IntVar(&o.proxyCPU, "proxy-cpu", -1, "")
	flags.IntVar(&o.loadCPU, "load-cpu", -1, "")
	flags.BoolVar(&o.guard, "guard", false, "")
	flags.BoolVar(&o.quote, "quote", false, "")
	flags.BoolVar(&o.record, "record", false, "")
	flags.BoolVar(&o.install, "install", false, "")
	flags.BoolVar(&o.noInstall, "no-install", false, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	var err error
	if o.workloads, err = choose("workload", workloads(), workloadName, split(names)); err != nil {
		return o, err
	}
	if o.quick && names == "" {
		o.workloads = slices.DeleteFunc(o.workloads, func(w workload) bool { return !w.quick })
	}
	if o.peers, err = choose("peer", peers(), peerName, split(wanted)); err != nil {
		return o, err
	}
	if save && o.save == "" {
		root, err := moduleRoot()
		if err != nil {
			return o, fmt.Errorf("--save: %w; or name a directory with --out", err)
		}
		o.save = root + "/bench/results"
	}
	if o.guard {
		o = guardOptions(o)
	}
	o.defaults()
	return o, o.validate()
}

func (o *options) defaults() {
	rounds, seconds := 9, 2.0
	o.warmup = 0.3
	switch {
	case o.guard && o.record:
		rounds, seconds, o.warmup = 9, 0.5, 0.2
	case o.guard:
		rounds, seconds, o.warmup = 3, 0.25, 0.1
	}
	if o.quick {
		rounds, seconds, o.warmup = 3, 0.5, 0.2
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.seconds == 0 {
		o.seconds = seconds
	}
	cpus := allowedCPUs()
	o.cpus = cpus
	if o.proxyCPU < 0 {
		o.proxyCPU = cpus[0]
	}
	if o.loadCPU < 0 {
		o.loadCPU = cpus[min(1, len(cpus)-1)]
	}
}

func (o *options) validate() error {
	const mostRounds, mostSeconds = 1000, 300
	if o.install && o.noInstall {
		return errors.New("--install and --no-install contradict each other")
	}
	if o.record && !o.guard {
		return errors.New("--record is part of --guard")
	}
	if o.rounds < 1 || o.rounds > mostRounds {
		return fmt.Errorf("--rounds %d: must be from 1 to %d", o.rounds, mostRounds)
	}
	if o.seconds < 0.05 || o.seconds > mostSeconds {
		return fmt.Errorf("--seconds %g: must be from 0.05 to %d", o.seconds, mostSeconds)
	}
	if o.profile != "" && !slices.ContainsFunc(o.peers, func(p peer) bool { return p.name == subject }) {
		return errors.New("--profile is of sluice, which --peer leaves out")
	}
	if o.profile != "" && o.profiled() == "" {
		return errors.New("--profile is taken under a closed loop, and --workload names none")
	}
	return nil
}

// proxyCPUs are the CPUs of a proxy with n workers: its own, and the next ones after it, the load's last.
func (o *options) proxyCPUs(n int) []int {
	cpus := []int{o.proxyCPU}
	for _, cpu := range append(slices.DeleteFunc(slices.Clone(o.cpus), func(cpu int) bool { return cpu == o.loadCPU }), o.loadCPU) {
		if len(cpus) < n && cpu != o.proxyCPU {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// allowedCPUs lists the CPUs that this process may use; there is at least one.
func allowedCPUs() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return []int{0}
	}
	var cpus []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

func workloadName(w workload) string { return w.name }
func peerName(p peer) string         { return p.name }

func namesOf[T any](all []T, name func(T) string) string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = name(v)
	}
	return strings.Join(names, ", ")
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
