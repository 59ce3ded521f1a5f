package metrics

import (
	"slices"
	"time"
)

// A Series is one set of label values of one family, summed over all loops at one moment.
type Series struct {
	Name   string
	Help   string
	Kind   Kind
	Labels []string // names; shared with the registry: not to be changed
	Values []string // as many as Labels

	Value float64 // of a counter or gauge

	// Of a histogram: how many durations fell into each bucket (not cumulative; Bounds gives the upper bounds, the last
	// bucket has none), their sum, and the shortest and the longest since the process started.
	Buckets  []uint64
	Count    uint64
	Sum      time.Duration
	Min, Max time.Duration
}

// Snapshot gathers every series: families in the order of declaration, series in the order of creation. It waits for
// the loops, at most Limits.Wait, and must not be called on one. A series with an
// enumerated label that is zero is left out.
func (r *Registry) Snapshot() []Series {
	r.gathering.Lock()
	defer r.gathering.Unlock()
	shards := r.update()

	var out []Series
	r.mu.Lock()
	for _, f := range r.families {
		for _, s := range f.series {
			one := Series{Name: f.name, Help: f.help, Kind: f.kind, Labels: f.labels, Values: s.values}
			if f.kind == KindHistogram {
				one.mergeHistogram(shards, s.cell)
			} else {
				one.Value = float64(sum(shards, s.cell))
				if f.enums > 0 && one.Value == 0 {
					continue
				}
			}
			out = append(out, one)
		}
	}
	sources := r.sources[:len(r.sources):len(r.sources)]
	r.mu.Unlock()

	for _, s := range sources {
		out = s.append(out, r.limits.Series)
	}
	return out
}

func (s *source) append(out []Series, limit int) []Series {
	n := 0
	s.read(func(v float64, labels ...string) {
		if len(labels) != len(s.labels) || limit > 0 && n >= limit {
			return
		}
		n++
		values := make([]string, len(labels))
		for i, l := range labels {
			values[i] = cleanLabel(l)
		}
		out = append(out, Series{Name: s.name, Help: s.help, Kind: s.kind, Labels: s.labels, Values: values, Value: v})
	})
	return out
}

// update collects, removes the series of what is gone, and recycles their cells, one gathering later: the loops zero them in
// between. Copies that are not all fresh decide nothing. gathering is held.
func (r *Registry) update() []*Shard {
	asOf := r.now()
	r.mu.Lock()
	dirty := slices.Clone(r.dirty)
	r.mu.Unlock()
	shards, fresh := r.collect(dirty)
	if !fresh {
		return shards
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recycle(dirty)
	for _, g := range r.groups {
		r.expire(g, shards, asOf)
	}
	return shards
}

// collect brings the copies of all shards up to date and returns them, and whether all of them are fresh and have zeroed dirty;
// gathering is held. A shard whose loop does not answer in time gives its last copy; a loop that is stuck is not asked again
// before it has answered.
func (r *Registry) collect(dirty []freeCell) (shards []*Shard, fresh bool) {
	r.mu.Lock()
	shards = r.shards[:len(r.shards):len(r.shards)]
	r.mu.Unlock()
	fresh = true
	for _, s := range shards {
		if s.asked || s.final.Load() != nil {
			fresh = false
		} else if len(dirty) > 0 {
			s.clean(dirty)
		}
		s.ask()
	}
	var deadline <-chan time.Time
	if r.limits.Wait > 0 {
		t := time.NewTimer(r.limits.Wait)
		defer t.Stop()
		deadline = t.C
	}
	late := false
	for _, s := range shards {
		fresh = fresh && s.asked
		if !s.receive(deadline, &late) {
			r.stale.Add(1)
			fresh = false
		}
	}
	return shards, fresh
}

// ask makes the loop copy its cells, unless it has been asked already or has stopped.
func (s *Shard) ask() {
	if final := s.final.Load(); final != nil {
		s.last, s.asked = *final, false
		return
	}
	if !s.asked {
		s.asked = s.post(s.copyOut)
	}
}

// receive takes the copy that was asked for. Once late it only takes what is there. It reports whether the copy came.
func (s *Shard) receive(deadline <-chan time.Time, late *bool) bool {
	if !s.asked {
		return true
	}
	if !*late {
		select {
		case cells := <-s.copied:
			s.take(cells)
			return true
		case <-deadline:
			*late = true
		}
	}
	select {
	case cells := <-s.copied:
		s.take(cells)
		return true
	default:
		return false
	}
}

func (s *Shard) take(cells []int64) {
	s.spare, s.last, s.asked = s.last, cells, false
}

func sum(shards []*Shard, cell uint32) (n int64) {
	for _, s := range shards {
		if int(cell) < len(s.last) {
			n += s.last[cell]
		}
	}
	return n
}

func (o *Series) mergeHistogram(shards []*Shard, cell uint32) {
	o.Buckets = make([]uint64, numBuckets)
	var longest, shortest int64
	for _, s := range shards {
		if int(cell)+histogramCells > len(s.last) {
			continue
		}
		c := s.last[cell : cell+histogramCells]
		for i := range o.Buckets {
			o.Buckets[i] += uint64(c[i])
			o.Count += uint64(c[i])
		}
		o.Sum += time.Duration(c[cellSum])
		longest = max(longest, c[cellMax])
		shortest = max(shortest, c[cellMin])
	}
	if o.Count > 0 {
		o.Min, o.Max = time.Duration(minBias-shortest), time.Duration(longest)
	}
}
