package http2

// table finds the streams of a connection by their number: open addressing with the number itself as the hash. Numbers
// follow each other in steps of two, so there is a gap behind each, and a removal, which looks as far as the next gap, is as
// cheap as a look-up.
type table struct {
	slots []*stream // a power of two of them, at most half in use
	n     int
}

const firstSlots = 8

func (t *table) home(id uint32) int { return int(id) & (len(t.slots) - 1) }

// get returns the stream with the number id, or nil.
func (t *table) get(id uint32) *stream {
	if t.n == 0 {
		return nil
	}
	for i := t.home(id); ; i = (i + 1) & (len(t.slots) - 1) {
		if s := t.slots[i]; s == nil || s.id == id {
			return s
		}
	}
}

// add adds s, whose number is not in the table.
func (t *table) add(s *stream, l *shared) {
	if t.n >= len(t.slots)/2 {
		t.grow(l)
	}
	t.put(s)
	t.n++
}

func (t *table) put(s *stream) {
	i := t.home(s.id)
	for t.slots[i] != nil {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = s
}

func (t *table) grow(l *shared) {
	old := t.slots
	t.slots = l.slots(max(firstSlots, 2*len(old)))
	for _, s := range old {
		if s != nil {
			t.put(s)
		}
	}
	l.dropSlots(old)
}

// remove takes s out. A table without streams gives its slots back, so that an idle connection holds none.
func (t *table) remove(s *stream, l *shared) {
	mask := len(t.slots) - 1
	i := t.home(s.id)
	for t.slots[i] != s {
		i = (i + 1) & mask
	}
	if t.n--; t.n == 0 {
		t.slots[i] = nil
		l.dropSlots(t.slots)
		t.slots = nil
		return
	}
	// What was put behind s because s was in its place moves up.
	for j := (i + 1) & mask; t.slots[j] != nil; j = (j + 1) & mask {
		if home := t.home(t.slots[j].id); (j-home)&mask >= (j-i)&mask {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = nil
}
