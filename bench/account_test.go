package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

func TestStatusField(t *testing.T) {
	const status = "Name:\tnginx\nVmRSS:\t    5124 kB\nRssAnon:\t    1024 kB\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t7\nEmpty:\n"
	for name, want := range map[string]uint64{"VmRSS": 5124, "RssAnon": 1024, "voluntary_ctxt_switches": 12, "nonvoluntary_ctxt_switches": 7} {
		if got, err := statusField(status, name); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"VmSwap", "Empty", "Name"} {
		if got, err := statusField(status, name); err == nil {
			t.Errorf("%s: %d and no error", name, got)
		}
	}
}

func TestParentOf(t *testing.T) {
	for _, c := range []struct {
		stat string
		want int
	}{
		{"12 (nginx) S 7 12 12 0", 7},
		{"12 (a b) c) d) R 99 12", 99},
		{"12 (nginx) S", -1},
		{"12 nginx", -1},
	} {
		got, err := parentOf(c.stat)
		if (err != nil) != (c.want < 0) || (err == nil && got != c.want) {
			t.Errorf("%q: %d, %v; want %d", c.stat, got, err, c.want)
		}
	}
}

func TestParseBusy(t *testing.T) {
	const stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 1 20 5000 77 3 4 2 50 50\ncpu1 1 0 0 9 0 0 0 0 0 0\ncpu10 5 0 0 0 0 0 0 0 0 0\n"
	// Everything but idle (5000), iowait (77) and guest time (50, 50), which is in user time already.
	if got, err := parseBusy(stat, 0); err != nil || got != 1300*time.Millisecond {
		t.Errorf("cpu0: %v, %v; want 1.3s", got, err)
	}
	if got, err := parseBusy(stat, 1); err != nil || got != 10*time.Millisecond {
		t.Errorf("cpu1: %v, %v; want 10ms", got, err)
	}
	if _, err := parseBusy(stat, 2); err == nil {
		t.Error("cpu2 does not exist, and there is no error")
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	pids := []int{os.Getpid()}
	before, err := usageOf(pids)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 20 * time.Millisecond
	for {
		now, err := usageOf(pids)
		if err != nil {
			t.Fatal(err)
		}
		if used := now.minus(before); used.CPU >= enough {
			return // the clock moves with the work; the test ends by its own use of the CPU
		}
	}
}

func TestScaledUsageAddsUp(t *testing.T) {
	u := usage{CPU: 1000, User: 10, System: 30}.scaled()
	if u.User != 250 || u.System != 750 {
		t.Errorf("user %d, system %d of 1000; want 250, 750", u.User, u.System)
	}
	// Too short for a single tick: it is all called system time, and the total stays right.
	if u := (usage{CPU: 1000}).scaled(); u.User+u.System != 1000 {
		t.Errorf("user %d + system %d is not 1000", u.User, u.System)
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	m, err := memoryOf([]int{os.Getpid()})
	if err != nil || m.Anonymous <= 0 || m.Resident < m.Anonymous {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestFamilyOf(t *testing.T) {
	family, err := familyOf(os.Getppid())
	if err != nil || !slices.Contains(family, os.Getpid()) || family[0] != os.Getppid() {
		t.Errorf("the family of my parent is %v, %v, without me (%d)", family, err, os.Getpid())
	}
}
