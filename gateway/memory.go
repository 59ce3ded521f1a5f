package gateway

import (
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// The garbage collector's settings: a small heap may grow freely (its pages are few, and collecting costs CPU); a large
// one is kept close to what lives.
const (
	smallHeap        = 64 << 20
	smallHeapPercent = 400
	largeHeapPercent = 100
)

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
			debug.SetGCPercent(smallHeapPercent)
			watchHeap(smallHeapPercent)
		}
	})
}

// heapMark is collected in every cycle, which is when the size of the heap is known.
type heapMark struct{ _ [64]byte }

// watchHeap changes the collector's percentage when the live heap passes smallHeap in either direction. It runs once per
// collection, and so never in a process that is idle.
func watchHeap(percent int) {
	runtime.AddCleanup(&heapMark{}, func(percent int) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		want := smallHeapPercent
		if m.HeapAlloc > smallHeap {
			want = largeHeapPercent
		}
		if want != percent {
			debug.SetGCPercent(want)
		}
		watchHeap(want)
	}, percent)
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
