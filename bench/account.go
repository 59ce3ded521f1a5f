package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what the kernel has on its books for a set of processes.
type usage struct {
	CPU          time.Duration // scheduler run time of all threads, alive and ended
	User, System time.Duration // the same CPU, split as the ticks sampled it
	Switches     uint64        // voluntary context switches of the living threads: how often they slept
}

func (u usage) minus(v usage) usage {
	d := usage{CPU: u.CPU - v.CPU, User: u.User - v.User, System: u.System - v.System}
	if u.Switches > v.Switches { // a thread that ended took its count along
		d.Switches = u.Switches - v.Switches
	}
	return d
}

// scaled makes the tick-sampled parts add up to the exact total, as /proc/PID/stat does, but without its 10 ms steps.
func (u usage) scaled() usage {
	if ticks := u.User + u.System; ticks > 0 {
		u.User = time.Duration(float64(u.CPU) * float64(u.User) / float64(ticks))
	}
	u.System = u.CPU - u.User
	return u
}

// The kinds of a process's CPU clock, as the kernel numbers them (include/linux/posix-timers.h).
const (
	cpuClockProf  = 0 // user + system, by ticks
	cpuClockVirt  = 1 // user, by ticks
	cpuClockSched = 2 // run time, exact
)

// processClock reads a CPU clock of any process: the clock's id is made of the process id, see clock_getcpuclockid(3).
func processClock(pid, kind int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|kind), &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// usageOf sums the books of processes.
func usageOf(pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		cpu, err := processClock(pid, cpuClockSched)
		if err != nil {
			return usage{}, err
		}
		ticks, errProf := processClock(pid, cpuClockProf)
		user, errVirt := processClock(pid, cpuClockVirt)
		switches, errStatus := switchesOf(pid)
		if err := errors.Join(errProf, errVirt, errStatus); err != nil {
			return usage{}, err
		}
		sum.CPU += cpu
		sum.User += user
		sum.System += ticks - user
		sum.Switches += switches
	}
	return sum, nil
}

// switchesOf sums the voluntary context switches of a process's threads.
func switchesOf(pid int) (uint64, error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum uint64
	for _, task := range tasks {
		text, err := os.ReadFile(dir + "/" + task.Name() + "/status")
		if err != nil {
			continue // the thread ended meanwhile
		}
		n, err := statusField(string(text), "voluntary_ctxt_switches")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// memory is what processes hold in RAM, in bytes. Resident counts pages of files (code) too, Anonymous does not.
type memory struct {
	Resident  int64 `json:"resident"`
	Anonymous int64 `json:"anonymous"`
}

func memoryOf(pids []int) (memory, error) {
	var sum memory
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return memory{}, err
		}
		resident, errR := statusField(string(text), "VmRSS")
		anonymous, errA := statusField(string(text), "RssAnon")
		if err := errors.Join(errR, errA); err != nil {
			return memory{}, fmt.Errorf("process %d: %w", pid, err)
		}
		sum.Resident += int64(resident) << 10 // the file says kB and means KiB
		sum.Anonymous += int64(anonymous) << 10
	}
	return sum, nil
}

// statusField reads one number of a /proc/PID/status file.
func statusField(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			break
		}
		return strconv.ParseUint(fields[0], 10, 64)
	}
	return 0, fmt.Errorf("/proc status has no number for %s", name)
}

// parentOf reads the parent from a /proc/PID/stat line. The command's name may hold spaces and parentheses.
func parentOf(stat string) (int, error) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("/proc stat has no command")
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 2 {
		return 0, errors.New("/proc stat ends after the command")
	}
	return strconv.Atoi(fields[1])
}

// familyOf lists a process and its descendants.
func familyOf(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		parent, err := parentOf(string(stat))
		if err != nil {
			return nil, err
		}
		children[parent] = append(children[parent], pid)
	}
	family := []int{root}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family, nil
}

// busyOf reads how long a CPU has worked, for anybody, from /proc/stat. Its ticks are 10 ms.
func busyOf(cpu int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text), cpu)
}

func parseBusy(stat string, cpu int) (time.Duration, error) {
	const (
		idle, iowait, steal = 3, 4, 7
		tick                = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go has
	)
	for line := range strings.Lines(stat) {
		rest, ok := strings.CutPrefix(line, fmt.Sprintf("cpu%d ", cpu))
		if !ok {
			continue
		}
		var sum uint64
		for i, field := range strings.Fields(rest) {
			n, err := strconv.ParseUint(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat: %w", err)
			}
			// What follows steal (guest time) is counted in user time already.
			if i != idle && i != iowait && i <= steal {
				sum += n
			}
		}
		return time.Duration(sum) * tick, nil
	}
	return 0, fmt.Errorf("/proc/stat has no cpu%d", cpu)
}
