package metrics

import (
	"slices"
	"time"
)

// A group is families that tell of the same kind of thing, which comes and goes: their labels that are not enumerated are the
// same, and name one. Its fields belong to the registry's lock.
//
//	absent ──join──> used ──leave──> left ──(Limits.Linger, and a gathering)──> absent
//	                   ^──────join─────┘
//
// The series of a thing that has left go when nothing of it is in progress (its gauges are zero). Their cells are zeroed on
// every loop before another thing gets them.
type group struct {
	families []*family
	members  map[string]*member // by the joined label values
}

// A member is one thing of a group.
type member struct {
	users int       // who has its handles
	left  time.Time // when the last of them said that it is done with them; while users is zero
}

// newGroup joins families of the registry.
func (r *Registry) newGroup(families ...*family) *group {
	g := &group{families: families, members: make(map[string]*member)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = append(r.groups, g)
	return g
}

// join says that somebody is about to ask for handles of the thing with these label values.
func (r *Registry) join(g *group, values ...string) {
	key := thingKey(values)
	r.mu.Lock()
	defer r.mu.Unlock()
	m := g.members[key]
	if m == nil {
		m = new(member)
		g.members[key] = m
	}
	m.users++
}

// leave takes a join back: whoever said it counts no more with the handles that it got.
func (r *Registry) leave(g *group, values ...string) {
	key := thingKey(values)
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := g.members[key]; m != nil && m.users > 0 {
		m.users--
		m.left = r.now()
	}
}

// thingKey is the key of values in family.things.
func thingKey(values []string) string {
	clean := make([]string, len(values))
	for i, v := range values {
		clean[i] = cleanLabel(v)
	}
	return join(clean)
}

// expire removes the series of things that have left long enough ago and count nothing that is in progress. shards have copies
// that were taken after the time asOf; mu is held.
func (r *Registry) expire(g *group, shards []*Shard, asOf time.Time) {
	var gone map[string]struct{}
	for key, m := range g.members {
		if m.users > 0 || asOf.Sub(m.left) < max(r.limits.Linger, 0) || g.busy(key, shards) {
			continue
		}
		if gone == nil {
			gone = make(map[string]struct{})
		}
		gone[key] = struct{}{}
		delete(g.members, key)
	}
	if gone == nil {
		return
	}
	for _, f := range g.families {
		r.dirty = append(r.dirty, f.forget(gone)...)
	}
}

// busy reports whether a gauge of the thing is not zero.
func (g *group) busy(key string, shards []*Shard) bool {
	for _, f := range g.families {
		if f.kind != KindGauge {
			continue
		}
		if i, ok := f.index[key]; ok && sum(shards, f.series[i].cell) != 0 {
			return true
		}
	}
	return false
}

// forget removes the series of the things, and returns their cells.
func (f *family) forget(things map[string]struct{}) (cells []freeCell) {
	f.series = slices.DeleteFunc(f.series, func(s series) bool {
		_, gone := things[join(s.values[:len(s.values)-f.enums])]
		if gone {
			cells = append(cells, freeCell{s.cell, f.kind == KindHistogram})
		}
		return gone
	})
	if cells == nil {
		return nil
	}
	for key := range things {
		delete(f.things, key)
	}
	clear(f.index)
	for i := range f.series {
		f.index[join(f.series[i].values)] = i
	}
	return cells
}

// A freeCell is the cell of a series that is gone; wide when it was a histogram's.
type freeCell struct {
	cell uint32
	wide bool
}

func (c freeCell) width() uint32 {
	if c.wide {
		return histogramCells
	}
	return 1
}

// clean posts the zeroing of dirty cells to the loops, in front of the copies that a gathering asks for.
func (s *Shard) clean(dirty []freeCell) {
	s.post(func() {
		for _, c := range dirty {
			if end := c.cell + c.width(); int(end) <= len(s.cells) {
				clear(s.cells[c.cell:end])
			}
		}
	})
}

// recycle makes cells that every shard has zeroed available again; mu is held.
func (r *Registry) recycle(clean []freeCell) {
	for _, c := range clean {
		if c.wide {
			r.freeWide = append(r.freeWide, c.cell)
		} else {
			r.freeNarrow = append(r.freeNarrow, c.cell)
		}
	}
	r.dirty = r.dirty[len(clean):]
}
