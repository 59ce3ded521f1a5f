package gateway

import (
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
)

// The garbage collector may let half as much garbage come together as what lives, or garbageAllowed if that is more, but not
// more than mostPercent of what lives: a small heap is collected rarely, and a process never grows far beyond what it needs.
const (
	garbageAllowed = 48 << 20
	mostPercent    = 400
	leastPercent   = 50
)

// gcPercent is GOGC for a heap of which live bytes are in use.
func gcPercent(live uint64) int {
	return int(min(max(garbageAllowed*100/max(live, 1), leastPercent), mostPercent))
}

var memoryPolicy sync.Once

// setMemoryPolicy tunes the collector for a process that allocates next to nothing per request. GOGC and GOMEMLIMIT in
// the environment win.
func setMemoryPolicy(log *slog.Logger) {
	memoryPolicy.Do(func() {
		if os.Getenv("GOMEMLIMIT") == "" {
			if limit := cgroupLimit(); limit > 0 {
				debug.SetMemoryLimit(limit / 10 * 9)
				log.Debug("memory limit set from the control group", "bytes", limit/10*9)
			}
		}
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(mostPercent)
			watchHeap(mostPercent)
		}
	})
}

// heapMark is collected in every cycle, which is when it is known what lives.
type heapMark struct{ _ [64]byte }

// watchHeap changes the collector's percentage with what lives. It runs once per collection, and so hardly ever in a process
// that is idle.
func watchHeap(percent int) {
	runtime.AddCleanup(&heapMark{}, func(percent int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		want := gcPercent(live[0].Value.Uint64())
		if want*10 < percent*9 || want*9 > percent*10 { // changing it stops the world
			debug.SetGCPercent(want)
			percent = want
		}
		watchHeap(percent)
	}, percent)
}

// shares are what one of a process's loops may keep for others: holds (hold.go) and the lobby (lobby.go).
type shares struct{ held, lobby int }

// A loop keeps mostHeldOnLoop of holds at most. Together, loops keep no more than a part of the memory that the process may have,
// but at least enough to work with.
const (
	mostHeldOnLoop  = 256 << 20
	leastHeldOnLoop = 8 << 20
	heldPart        = 4  // of the memory
	lobbyPart       = 16 // of the memory
)

// sharesOf divides memory bytes, 0 for no limit, among loops.
func sharesOf(memory int64, loops int) shares {
	s := shares{held: mostHeldOnLoop, lobby: lobbyOfProcess / loops}
	if memory > 0 {
		s.held = min(s.held, max(int(memory/heldPart)/loops, leastHeldOnLoop))
		s.lobby = min(s.lobby, int(memory/lobbyPart)/loops)
	}
	s.lobby = max(s.lobby, lobbyAtLeast)
	return s
}

// memoryLimit is how much memory the process may have, as GOMEMLIMIT or its control group says; 0 for no limit.
func memoryLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 { // it only asks
		return limit
	}
	return cgroupLimit()
}

// cgroupLimit is the memory limit of the process's control group (version 2 or 1), 0 for none.
func cgroupLimit() int64 {
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && n < math.MaxInt64/2 {
			return n
		}
	}
	return 0
}
