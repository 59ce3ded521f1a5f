package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The guard compares what hardly depends on the machine with what the tree holds in bench/guard.json: allocations of the
// benchmarks beside the code, system calls per request, and CPU per request as a part of another program's in the same
// rounds (the forwarder's; nghttpx's for HTTP/2). More than guardSlack above the number in the tree is a regression.

const guardSlack = 0.10

// numbers are what the guard compares, by name.
type numbers map[string]float64

// guardFile is where the numbers of the tree are.
func guardFile() (string, error) {
	root, err := moduleRoot()
	return filepath.Join(root, "bench", "guard.json"), err
}

// guardRatios are the CPU ratios that are guarded: a workload, and whom it is compared with.
func guardRatios() map[string]string {
	return map[string]string{tiny: floor, "16k": floor, "post4k": floor, "tcp": floor, boltOne: floor, boltMany: floor, h2h1: "nghttpx", h2h2: "nghttpx"}
}

// guardOptions are a short run of what is guarded.
func guardOptions(o options) options {
	o.noInstall = true // it is part of every change's checks, and must not change the machine
	o.workloads = slices.DeleteFunc(workloads(), func(w workload) bool { return guardRatios()[w.name] == "" })
	o.peers = slices.DeleteFunc(peers(), func(p peer) bool { return !slices.Contains([]string{floor, subject, "nghttpx"}, p.name) })
	return o
}

// guardedRatio names the CPU ratio of a workload.
func guardedRatio(workload string) string {
	return fmt.Sprintf("%s: CPU per request / %s", workload, guardRatios()[workload])
}

// guardedNumbers are what this run measured.
func (r *report) guardedNumbers() numbers {
	out := numbers{}
	for workload, to := range guardRatios() {
		s, _ := r.summaryOf(workload, subject)
		if ratio, ok := s.CPURatios[to]; ok && s.Foreign <= noisy {
			out[guardedRatio(workload)] = rounded(ratio.Median)
		}
	}
	for _, c := range r.Syscalls {
		if c.Peer == subject {
			out["tiny: system calls for data per request"] = rounded(c.data())
			out["tiny: other system calls per request"] = rounded(c.rest())
		}
	}
	return out
}

// noisy is the part of the proxy's CPU that others may use before a ratio of CPU proves nothing.
const noisy = 0.10

// allocations runs every benchmark of the module briefly, and returns the allocations per operation.
func allocations(ctx context.Context) (numbers, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	packages, err := withBenchmarks(root)
	if err != nil {
		return nil, err
	}
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "200x"}, packages...)
	text, err := output(ctx, root, "go", args...)
	if err != nil {
		return nil, fmt.Errorf("run the benchmarks: %w", err)
	}
	return parseBenchmarks(text)
}

// withBenchmarks are the packages that have any: to link the tests of all others takes most of a minute.
func withBenchmarks(root string) ([]string, error) {
	var packages []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("\nfunc Benchmark")) {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if dir = "./" + filepath.ToSlash(dir); err == nil && !slices.Contains(packages, dir) {
			packages = append(packages, dir)
		}
		return err
	})
	return packages, err
}

// parseBenchmarks reads what go test -bench prints, but for those of other people's code (BenchmarkXNet...):
//
//	pkg: sluice/router
//	BenchmarkMatch/prefix-2   	    1000	       61.3 ns/op	       0 B/op	       0 allocs/op
func parseBenchmarks(text string) (numbers, error) {
	out := numbers{}
	pkg := ""
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		line := scanner.Text()
		if name, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = name
		}
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(line, "Benchmark") || strings.HasPrefix(line, "BenchmarkXNet") || fields[len(fields)-1] != "allocs/op" {
			continue
		}
		n, err := strconv.ParseFloat(fields[len(fields)-2], 64)
		if err != nil {
			return nil, fmt.Errorf("a benchmark's line: %q: %w", line, err)
		}
		name := fields[0]
		if dash := strings.LastIndexByte(name, '-'); dash > 0 { // the number of CPUs
			name = name[:dash]
		}
		out[fmt.Sprintf("%s %s: allocations", pkg, name)] = n
	}
	return out, scanner.Err()
}

// regressions compares; a line of the table is one number, and those that stay at nothing are only counted. A number that the
// tree does not have is new, and passes.
func regressions(was, is numbers) (table, int) {
	t := table{title: "guard: against bench/guard.json", header: []string{"number", "was", "is", "change", "verdict"}}
	worse, nothing := 0, 0
	for _, name := range slices.Sorted(maps.Keys(is)) {
		before, known := was[name]
		now := is[name]
		switch {
		case known && before == 0 && now == 0:
			nothing++
		case !known:
			t.add(name, "-", fmt.Sprintf("%.3f", now), "", "new")
		case isWorse(before, now):
			worse++
			t.add(name, fmt.Sprintf("%.3f", before), fmt.Sprintf("%.3f", now), change(before, now), "WORSE")
		default:
			t.add(name, fmt.Sprintf("%.3f", before), fmt.Sprintf("%.3f", now), change(before, now), "ok")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, ok := is[name]; !ok {
			t.add(name, fmt.Sprintf("%.3f", was[name]), "-", "", "not measured")
		}
	}
	t.foot = fmt.Sprintf("%d more numbers were 0 and are 0", nothing)
	return t, worse
}

// isWorse allows a little beside the part, for numbers about zero: what happens a few times a second is not a regression.
func isWorse(before, now float64) bool { return now > before*(1+guardSlack)+none }

func change(before, now float64) string {
	if before == 0 {
		return ""
	}
	return fmt.Sprintf("%+.0f %%", (now/before-1)*100)
}

// guard runs the comparison, or with record writes the numbers into the tree. A number that looks worse is measured once more with
// three times the rounds before it counts: the first look is a short one. Ratios of CPU count only when the proxy had its CPU to
// itself.
func (b *bench) guard(ctx context.Context, stdout io.Writer) error {
	path, err := guardFile()
	if err != nil {
		return err
	}
	was := numbers{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	if err != nil && (!b.options.record || !errors.Is(err, os.ErrNotExist)) {
		return fmt.Errorf("the numbers to compare with: %w; --guard --record makes them", err)
	}
	b.shop.progress("allocations of the benchmarks")
	is, err := allocations(ctx)
	if err != nil {
		return err
	}
	if err := b.measureGuarded(ctx, is); err != nil {
		return err
	}
	t, worse := regressions(was, is)
	if again := b.looksWorse(was, is); len(again) > 0 && !b.options.record {
		b.shop.progress("%s: worse at first sight; once more, longer", namesOf(again, workloadName))
		b.options.workloads = again
		b.options.rounds *= 3
		if err := b.measureGuarded(ctx, is); err != nil {
			return err
		}
		t, worse = regressions(was, is)
	}
	fmt.Fprint(stdout, t.text(), b.report.remarks())
	for _, s := range b.skipped {
		fmt.Fprintf(stdout, "\nskipped: %s\n", s)
	}
	if b.options.record {
		return recordNumbers(path, is)
	}
	if worse > 0 {
		return fmt.Errorf("%d numbers are more than %.0f %% worse than in bench/guard.json; if that is meant, record them: go run ./bench --guard --record",
			worse, guardSlack*100)
	}
	return nil
}

// looksWorse are the workloads with a number that is worse than the tree's.
func (b *bench) looksWorse(was, is numbers) []workload {
	return slices.DeleteFunc(slices.Clone(b.options.workloads), func(w workload) bool {
		for name, now := range is {
			if before, known := was[name]; known && strings.HasPrefix(name, w.name+": ") && isWorse(before, now) {
				return false
			}
		}
		return true
	})
}

// measureGuarded runs the short comparison afresh, and adds its numbers. What others disturbed is left out, and said.
func (b *bench) measureGuarded(ctx context.Context, to numbers) error {
	b.report = &report{Rounds: b.options.rounds, Seconds: b.options.seconds, Environment: b.report.Environment}
	b.done, b.all = 0, 0
	err := b.run(ctx)
	b.launch.stopAll()
	if err != nil {
		return err
	}
	b.report.conclude(b.options.workloads)
	if len(b.report.Wrong) > 0 {
		return fmt.Errorf("wrong answers: %s", strings.Join(b.report.Wrong, "; "))
	}
	b.skipped = b.report.Skipped
	for _, w := range b.options.workloads {
		ours, ok := b.report.summaryOf(w.name, subject)
		if ok && ours.Foreign > noisy {
			b.skipped = append(b.skipped, fmt.Sprintf("%s: CPU per request: others used %.0f %% of the proxy's CPU; repeat on a quiet machine", w.name, ours.Foreign*100))
			delete(to, guardedRatio(w.name))
		}
	}
	maps.Copy(to, b.report.guardedNumbers())
	return nil
}

func recordNumbers(path string, is numbers) error {
	text, err := json.MarshalIndent(is, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
