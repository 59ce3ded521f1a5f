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

// An index is a table with the means to find its entries, for an encoder. Entries whose hash falls into the same chain
// refer to each other by their numbers, from the newest to the oldest. Nothing is done when an entry is evicted: its
// successors in the chain are older and gone as well, so a chain ends where an entry is not older than the one before, or
// not in the table. (Its number may belong to a new entry by then; that one is compared like any other.)
type index struct {
	table
	fields [chains]uint8 // the newest entry of each chain, by the hash of the whole field
	names  [chains]uint8 // the same by the hash of the name
	// sights are the hashes of fields that were seen and not inserted.
	sights [sighted]uint16
}

// A subject is a field to be found or inserted.
type subject struct {
	known    known
	name     []byte // in lower case; not looked at if it is known
	value    []byte
	nameHash hash
	hash     hash // of the whole field, from hashField
}

// is reports whether e is s.
func (x *index) is(e *entry, s *subject) bool {
	return int(e.valueLen) == len(s.value) && x.isNamed(e, s) && string(x.valueBytes(e)) == string(s.value)
}

func (x *index) isNamed(e *entry, s *subject) bool {
	return e.name == s.known && (s.known != unknown || string(x.nameBytes(e)) == string(s.name))
}

// find returns the age of the entry that is s; 0 if there is none.
func (x *index) find(s *subject) int {
	last := 0
	for age := x.age(x.fields[s.hash.chain()]); age > last; {
		e := x.at(age)
		if e.hash == s.hash.mark() && x.is(e, s) {
			return age
		}
		last, age = age, x.age(e.older)
	}
	return 0
}

// latest returns the age of the newest entry with a known name if value is its value, and 0 otherwise: most fields have
// the value that they had last, and are found without a hash.
func (x *index) latest(k known, value []byte) int {
	age := x.age(x.names[nameHash(k).chain()])
	if age == 0 {
		return 0
	}
	if e := x.at(age); e.name != k || int(e.valueLen) != len(value) || string(x.valueBytes(e)) != string(value) {
		return 0
	}
	return age
}

// findName returns the age of the newest entry with the name of s; 0 if there is none.
func (x *index) findName(s *subject) int {
	last := 0
	for age := x.age(x.names[s.nameHash.chain()]); age > last; {
		e := x.at(age)
		if x.isNamed(e, s) {
			return age
		}
		last, age = age, x.age(e.olderName)
	}
	return 0
}

// age returns the age of an entry, 0 if the table has none of that number.
func (x *index) age(number uint8) int {
	age := int(uint8(x.next) - number)
	if age > x.count {
		return 0
	}
	return age
}

// add inserts s.
func (x *index) add(s *subject) {
	e := x.insert(s.known, s.name, s.value)
	if e == nil {
		return
	}
	field, name := &x.fields[s.hash.chain()], &x.names[s.nameHash.chain()]
	e.hash, e.older, e.olderName = s.hash.mark(), *field, *name
	number := uint8(x.next - 1)
	*field, *name = number, number
}

// seen reports whether s was seen not long ago, and remembers that it is seen now.
func (x *index) seen(s *subject) bool {
	sight := &x.sights[s.hash.chain()%sighted]
	if *sight == s.hash.mark() {
		return true
	}
	*sight = s.hash.mark()
	return false
}

// A hash has 16 bits that an entry keeps, and others that choose its chain.
type hash uint32

func (h hash) chain() uint  { return uint(h>>16) % chains }
func (h hash) mark() uint16 { return uint16(h) }

const (
	factor1 = 0x9e3779b97f4a7c15
	factor2 = 0xc2b2ae3d27d4eb4f
)

// nameHash is the hash of a known name. There are fewer than twice as many of those as chains.
func nameHash(k known) hash { return hash(k) << 16 }

// hashName sets the hash of the name; the bytes are looked at only if it is not known.
func (s *subject) hashName() {
	if s.known != unknown {
		s.nameHash = nameHash(s.known)
		return
	}
	s.nameHash = hashBytes(0, s.name)
}

// hashField sets the hash of the whole field; it needs that of the name.
func (s *subject) hashField() { s.hash = hashBytes(uint64(s.nameHash)*factor2, s.value) }

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
