package hpack

// MaxTableSize is the largest dynamic table that this package keeps, in bytes as RFC 7541 section 4.1 counts them.
const MaxTableSize = 16 << 10

const (
	// defaultTableSize is the initial SETTINGS_HEADER_TABLE_SIZE (RFC 9113 section 6.5.2).
	defaultTableSize = 4096
	// entryOverhead is what an entry is charged beside its bytes (RFC 7541 section 4.1).
	entryOverhead = 32

	minEntries = 8
	minArena   = 128
)

// A table is a dynamic table (RFC 7541 section 2.3.2). It costs what is in it: 12 bytes for each entry and those of its
// strings, in two pieces of storage that grow by doubling up to what a full table needs. The zero table is empty and has
// the protocol's initial size.
//
// Entries are numbered from 0 in the order in which they were inserted; the age of an entry is 1 for the newest.
//
//	entries   a ring: entry n is at n % len, from next-count to next-1
//	arena     the strings in the order of the entries; those of evicted entries are at its beginning until it is full,
//	          when the rest moves there
type table struct {
	entries []entry
	arena   []byte
	next    uint32 // number of the next entry
	base    uint16 // where the arena begins; wraps
	count   int
	size    int // as RFC 7541 section 4.1 counts it
	missing int // by how much the maximum size is below defaultTableSize
}

// An entry is a field in a table. Offsets count from the first byte that was ever put into the arena, modulo 1<<16.
type entry struct {
	off       uint16 // of the name, or of the value if the name is known
	nameLen   uint16
	valueLen  uint16
	hash      uint16 // encoder: tells most fields apart
	name      known
	checked   bool  // decoder: the bytes are valid
	older     uint8 // encoder: the number of the entry before in the chain of the same hash, modulo 256
	olderName uint8 // encoder: the same for the name's hash
}

func (t *table) max() int { return defaultTableSize - t.missing }

// resize sets the maximum size and evicts what does not fit.
func (t *table) resize(n int) {
	t.missing = defaultTableSize - n
	t.shrink(n)
}

// shrink evicts entries until the size is n or less.
func (t *table) shrink(n int) {
	for t.size > n {
		e := t.at(t.count)
		t.size -= int(e.nameLen) + int(e.valueLen) + entryOverhead
		t.count--
	}
}

// at returns the entry of an age between 1 and count. It is valid until the next insertion.
func (t *table) at(age int) *entry {
	return &t.entries[(t.next-uint32(age))&uint32(len(t.entries)-1)]
}

// stored returns how many bytes of the arena e has.
func (e *entry) stored() int {
	if e.name != unknown {
		return int(e.valueLen)
	}
	return int(e.nameLen) + int(e.valueLen)
}

// nameBytes returns e's name; valid until the next insertion.
func (t *table) nameBytes(e *entry) []byte {
	if e.name != unknown {
		return knownNames[e.name].name
	}
	at := int(e.off - t.base)
	return t.arena[at : at+int(e.nameLen) : at+int(e.nameLen)]
}

// valueBytes returns e's value; valid until the next insertion.
func (t *table) valueBytes(e *entry) []byte {
	at := int(e.off - t.base)
	if e.name == unknown {
		at += int(e.nameLen)
	}
	return t.arena[at : at+int(e.valueLen) : at+int(e.valueLen)]
}

// insert adds an entry and evicts what it pushes out. name is not looked at if k is known. It returns nil for a field
// that is larger than the table, which is empty then (RFC 7541 section 4.4). Neither string may be in the arena.
func (t *table) insert(k known, name, value []byte) *entry {
	nameLen, stored := len(name), len(name)+len(value)
	if k != unknown {
		nameLen, stored = len(knownNames[k].name), len(value)
	}
	size := nameLen + len(value) + entryOverhead
	if size > t.max() {
		t.shrink(0)
		return nil
	}
	t.shrink(t.max() - size)
	if len(t.arena)+stored > cap(t.arena) {
		t.makeRoom(stored)
	}
	if t.count == len(t.entries) {
		t.growEntries()
	}
	off := t.base + uint16(len(t.arena))
	if k == unknown {
		t.arena = append(t.arena, name...)
	}
	t.arena = append(t.arena, value...)
	t.next++
	t.count++
	t.size += size
	e := t.at(1)
	*e = entry{off: off, nameLen: uint16(nameLen), valueLen: uint16(len(value)), name: k}
	return e
}

// makeRoom moves the strings to the beginning of the arena, or of a larger one where they would fill most of it.
func (t *table) makeRoom(n int) {
	start := len(t.arena)
	if t.count > 0 {
		start = int(t.at(t.count).off - t.base)
	}
	live := t.arena[start:]
	t.base += uint16(start)
	need := len(live) + n
	if size := cap(t.arena); need > size-size/4 && size < t.max() {
		size = max(size, minArena)
		for size-size/4 < need && size < t.max() {
			size *= 2
		}
		t.arena = append(make([]byte, 0, size), live...)
		return
	}
	t.arena = t.arena[:copy(t.arena[:cap(t.arena)], live)]
}

// growEntries doubles the ring.
func (t *table) growEntries() {
	old := t.entries
	t.entries = make([]entry, max(minEntries, 2*len(old)))
	for age := 1; age <= t.count; age++ {
		*t.at(age) = old[(t.next-uint32(age))&uint32(len(old)-1)]
	}
}
