package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseBenchmarks(t *testing.T) {
	const text = `goos: linux
pkg: sluice/router
BenchmarkMatch/prefix-2   	    1000	        61.30 ns/op	       0 B/op	       0 allocs/op
BenchmarkMatch/a-b-2      	    1000	        61.30 ns/op	 100.00 MB/s	      16 B/op	       2 allocs/op
PASS
BenchmarkXNetDecode-2   	    1000	        61.30 ns/op	       0 B/op	       9 allocs/op
ok  	sluice/router	0.011s
pkg: sluice/loop
BenchmarkEvent 	    1000	        61.30 ns/op	       0 B/op	       1 allocs/op
BenchmarkNoMemory-2 	    1000	        61.30 ns/op
`
	got, err := parseBenchmarks(text)
	want := numbers{
		"sluice/router BenchmarkMatch/prefix: allocations": 0, "sluice/router BenchmarkMatch/a-b: allocations": 2,
		"sluice/loop BenchmarkEvent: allocations": 1,
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestRegressions(t *testing.T) {
	was := numbers{"same": 1, "better": 2, "a little": 1, "worse": 1, "from nothing": 0, "timer": 0, "nothing": 0, "gone": 3}
	is := numbers{"same": 1, "better": 1, "a little": 1.10, "worse": 1.12, "from nothing": 1, "timer": 0.004, "nothing": 0, "added": 5}
	table, worse := regressions(was, is)
	verdicts := map[string]string{}
	for _, row := range table.rows {
		verdicts[row[0]] = row[len(row)-1]
	}
	want := map[string]string{
		"same": "ok", "better": "ok", "a little": "ok", "worse": "WORSE", "from nothing": "WORSE", "timer": "ok", "added": "new", "gone": "not measured",
	}
	if worse != 2 || table.foot != "1 more numbers were 0 and are 0" || !maps.Equal(verdicts, want) {
		t.Errorf("%d worse, %v; want 2, %v", worse, verdicts, want)
	}
}

func TestGuardedNumbersOfAReport(t *testing.T) {
	got := measured().guardedNumbers()
	wanted := numbers{
		"tiny: CPU per request / forwarder": 1.059, "h2-h2: CPU per request / nghttpx": 0.5, "tiny: system calls for data per request": 4,
	}
	for name, want := range wanted {
		if got[name] != want {
			t.Errorf("%s: %g, want %g", name, got[name], want)
		}
	}
}

func TestRecordedNumbersAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guard.json")
	if err := recordNumbers(path, numbers{"b": 1.5, "a": 0}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "{\n \"a\": 0,\n \"b\": 1.5\n}\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestGuardRunsWhatItCompares(t *testing.T) {
	o := guardOptions(options{})
	names := strings.Split(namesOf(o.workloads, workloadName), ", ")
	for workload, to := range guardRatios() {
		if !slices.Contains(names, workload) || !slices.ContainsFunc(o.peers, func(p peer) bool { return p.name == to }) {
			t.Errorf("%s against %s is guarded, and not run", workload, to)
		}
	}
	if len(names) != len(guardRatios()) {
		t.Errorf("%v are run, %d guarded", names, len(guardRatios()))
	}
}

func TestPackagesWithBenchmarks(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	packages, err := withBenchmarks(root)
	if err != nil || !slices.Contains(packages, "./router") || slices.Contains(packages, "./cmd/sluice") || len(slices.Compact(slices.Clone(packages))) != len(packages) {
		t.Errorf("%q, %v", packages, err)
	}
}

// TestWorseNumbersAreMeasuredAgain, and only those.
func TestWorseNumbersAreMeasuredAgain(t *testing.T) {
	b := &bench{options: guardOptions(options{})}
	was := numbers{guardedRatio(tiny): 1, guardedRatio("tcp"): 1, "tiny: system calls for data per request": 4}
	is := numbers{guardedRatio(tiny): 1.05, guardedRatio("tcp"): 1.2, "tiny: system calls for data per request": 5, guardedRatio("16k"): 9}
	if again := namesOf(b.looksWorse(was, is), workloadName); again != "tiny, tcp" {
		t.Errorf("%s is measured again, want tiny and tcp", again)
	}
}
