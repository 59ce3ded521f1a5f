package hpack

import (
	"encoding/binary"
	"math/bits"
)

const (
	// There are as many chains as a full table has fields of a usual size.
	chains  = 64
	sighted = 32
)

// An index finds the entries of an encoder's table. Entries whose hash falls into the same chain refer to each other by
// their numbers, from the newest to the oldest. Nothing is done when an entry is evicted: its successors in the chain
// are older and gone as well, so a chain ends where an entry is not older than the one before, or not in the table.
// (Its number may belong to a new entry by then; that one is compared like any other.)
type index struct {
	fields [chains]uint8 // the newest entry of each chain, by the hash of the whole field
	names  [chains]uint8 // the same by the hash of the name
	// sights are the hashes of fields that were seen and not inserted.
	sights [sighted]uint16
}

// A hash has 16 bits that entries keep, and others that choose a chain.
type hash uint32

func (h hash) chain() uint  { return uint(h>>16) % chains }
func (h hash) mark() uint16 { return uint16(h) }

// find returns the age of the entry that is name (of a name that is not known: its bytes) and value; 0 if there is none.
func (x *index) find(t *table, h hash, k known, name, value []byte) int {
	last := 0
	for age := x.age(t, x.fields[h.chain()]); age > last; {
		e := t.at(age)
		if e.hash == h.mark() && e.name == k && int(e.valueLen) == len(value) && string(t.valueBytes(e)) == string(value) &&
			(k != unknown || string(t.nameBytes(e)) == string(name)) {
			return age
		}
		last, age = age, x.age(t, e.older)
	}
	return 0
}

// findName returns the age of the newest entry with that name; 0 if there is none.
func (x *index) findName(t *table, h hash, k known, name []byte) int {
	last := 0
	for age := x.age(t, x.names[h.chain()]); age > last; {
		e := t.at(age)
		if e.name == k && (k != unknown || string(t.nameBytes(e)) == string(name)) {
			return age
		}
		last, age = age, x.age(t, e.olderName)
	}
	return 0
}

// age returns the age of an entry, 0 if the table has none of that number.
func (x *index) age(t *table, number uint8) int {
	age := int(uint8(t.next) - number)
	if age > t.count {
		return 0
	}
	return age
}

// add puts the newest entry of t into its chains.
func (x *index) add(t *table, e *entry, field, name hash) {
	f, n := &x.fields[field.chain()], &x.names[name.chain()]
	e.hash, e.older, e.olderName = field.mark(), *f, *n
	number := uint8(t.next - 1)
	*f, *n = number, number
}

// seen reports whether a field was seen not long ago, and remembers that it is seen now.
func (x *index) seen(h hash) bool {
	slot := &x.sights[uint(h>>16)%sighted]
	if *slot == h.mark() {
		return true
	}
	*slot = h.mark()
	return false
}

const (
	factor1 = 0x9e3779b97f4a7c15
	factor2 = 0xc2b2ae3d27d4eb4f
)

// hashName is the hash of a name: of its bytes only if it is not known.
func hashName(k known, name []byte) hash {
	if k != unknown {
		return hash(k) * 0x9e3779b1
	}
	return hashBytes(factor2, name)
}

// hashField is the hash of a field whose name has the hash name.
func hashField(name hash, value []byte) hash { return hashBytes(uint64(name)*factor2, value) }

func hashBytes(seed uint64, b []byte) hash {
	x := seed ^ uint64(len(b))*factor1
	for ; len(b) > 8; b = b[8:] {
		x = bits.RotateLeft64((x^binary.LittleEndian.Uint64(b))*factor1, 29)
	}
	var tail uint64
	switch {
	case len(b) == 8:
		tail = binary.LittleEndian.Uint64(b)
	case len(b) >= 4:
		tail = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))<<32
	case len(b) > 0:
		tail = uint64(b[0]) | uint64(b[len(b)/2])<<8 | uint64(b[len(b)-1])<<16
	}
	x = (x ^ tail) * factor1
	x = (x ^ x>>32) * factor2
	return hash(x >> 32)
}
