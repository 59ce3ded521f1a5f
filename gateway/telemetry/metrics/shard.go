package metrics

import (
	"sync/atomic"
	"time"
)

// A Counter is the handle of a number that only grows. The zero Counter is valid and counts into nothing.
type Counter uint32

// A Gauge is the handle of a number that goes up and down; what is shown is the sum over all loops. The zero Gauge is
// valid and counts into nothing.
type Gauge uint32

// A Histogram is the handle of a distribution of durations. The zero Histogram is valid and counts into nothing.
type Histogram uint32

// The cells of a histogram, from its handle on: the buckets, the sum in nanoseconds, the longest duration, and minBias
// minus the shortest one (so that zero means "none yet" and merging is taking the larger, for both).
const (
	cellSum        = numBuckets
	cellMax        = numBuckets + 1
	cellMin        = numBuckets + 2
	histogramCells = numBuckets + 3

	minBias = 1 << 62
)

// reservedCells at the start of every shard take what is counted with a zero handle.
const reservedCells = histogramCells

// minShardCells makes the first allocation a whole number of pages, so that no two loops' cells share a cache line.
const minShardCells = 512

// A Shard is one loop's share of every number. All methods but Registry's own belong to that loop.
type Shard struct {
	cells []int64
	reg   *Registry
	post  func(func()) bool

	// copyOut fills spare with the cells, on the loop, and sends it to copied, which has room for one: the gatherer
	// posts it again only after it has received the last copy, and touches spare only in between.
	copyOut func()
	copied  chan []int64
	spare   []int64

	// final is set when the loop has stopped.
	final atomic.Pointer[[]int64]

	// The gatherer's, under Registry.gathering: whether a copy is on its way, and the newest one.
	asked bool
	last  []int64
}

func newShard(r *Registry, post func(func()) bool) *Shard {
	s := &Shard{reg: r, post: post, copied: make(chan []int64, 1)}
	s.copyOut = func() { s.send(append(s.spare[:0], s.cells...)) }
	s.Grow()
	return s
}

// Grow makes room for every handle that exists now. A loop calls it when it gets a snapshot with new handles, so that
// counting finds the room ready; a handle that comes without it makes the shard grow on its first use.
func (s *Shard) Grow() {
	n := int(s.reg.numCells.Load())
	if n <= len(s.cells) {
		return
	}
	cells := make([]int64, max(n+n/4, minShardCells))
	copy(cells, s.cells)
	s.cells = cells
}

// grown is the slow path of a handle that the shard has not grown to yet.
//
//go:noinline
func (s *Shard) grown() []int64 {
	s.Grow()
	return s.cells
}

// Inc adds one.
func (s *Shard) Inc(c Counter) {
	cells := s.cells
	if int(c) >= len(cells) {
		cells = s.grown()
	}
	cells[c]++
}

// Add adds n, which must not be negative.
func (s *Shard) Add(c Counter, n int64) {
	cells := s.cells
	if int(c) >= len(cells) {
		cells = s.grown()
	}
	cells[c] += n
}

// AddGauge adds n, which may be negative, to this loop's share.
func (s *Shard) AddGauge(g Gauge, n int64) {
	cells := s.cells
	if int(g) >= len(cells) {
		cells = s.grown()
	}
	cells[g] += n
}

// SetGauge makes n this loop's share.
func (s *Shard) SetGauge(g Gauge, n int64) {
	cells := s.cells
	if int(g) >= len(cells) {
		cells = s.grown()
	}
	cells[g] = n
}

// Observe counts one duration; a negative one counts as zero.
func (s *Shard) Observe(h Histogram, d time.Duration) {
	cells := s.cells
	if int(h)+histogramCells > len(cells) {
		cells = s.grown()
	}
	d = max(d, 0)
	c := cells[h : h+histogramCells : h+histogramCells]
	c[findBucket(d)]++
	c[cellSum] += int64(d)
	c[cellMax] = max(c[cellMax], int64(d))
	c[cellMin] = max(c[cellMin], minBias-int64(d))
}

// Retire takes this loop's last numbers before it stops, so that no sum falls when it has. It is called on the loop,
// once, and nothing may be counted afterwards.
func (s *Shard) Retire() {
	s.final.Store(&s.cells)
	s.send(s.cells)
}

// send never blocks: the channel is full only when the shard has retired with a copy on its way.
func (s *Shard) send(cells []int64) {
	select {
	case s.copied <- cells:
	default:
	}
}
