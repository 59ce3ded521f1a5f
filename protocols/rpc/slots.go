package rpc

import (
	"unsafe"

	"sluice/protocols"
)

// slotState is where a stream, or a frame of the codec's own, stands.
//
//	server:  open ──head, or ErrWait and its turn──> sending ──content──> sent ──End──> (free)
//	           ├──head of a local reply, any answer to a one-way──> dropping ──End──> (free)
//	           └──ErrWait──> waiting ──turn──> open
//	         owed ──the output is between two frames──> (free)
//	client:  sending ──content──> open ──end of the answer──> (free)
//	           └──end of the answer──> answered ──content──> (free)
type slotState uint8

const (
	slotFree     slotState = iota
	slotOpen               // server: no head of an answer was encoded; client: the request is complete
	slotWaiting            // its head had to wait; it is in conn.turns
	slotSending            // its frame is begun: outbound.slot
	slotSent               // its frame is complete, and the owner has not said so yet
	slotDropping           // nothing goes out for it; what is encoded is dropped
	slotAnswered           // the answer is complete before the request
	slotOwed               // a frame of the codec's own that waits in conn.frames
)

// A slot is a stream, or a frame of the codec's own that waits. The part behind next is a server's: what an answer
// repeats of its request.
type slot struct {
	owner   any
	id      protocols.StreamID
	owed    int32 // bytes that the sink has not taken
	next    int32 // in the free list or a queue: the index + 1
	peer    uint64
	mark    Mark
	status  uint16
	command Command
	reason  protocols.Reason
	state   slotState
	kind    Kind
}

const (
	slotBits = 12
	// maxSlots is how many streams a connection can have; of them spareSlots are for frames of the codec's own.
	maxSlots   = 1 << slotBits
	spareSlots = 96
	// maxSerial keeps ids positive for peers to which they are signed, and the upper half for the ids of pings.
	maxSerial = 1 << (31 - slotBits)

	firstSlots = 4 // a new table; each further one is 4 times as long
	// keptSlots is how long a table an idle connection may keep.
	keptSlots = 4
	// keptBytes bounds what each loop keeps of the tables of each length.
	keptBytes = 512 << 10
)

// A table holds the streams of one connection. A StreamID is `serial (19 bits) index (12 bits)`: finding a stream is an
// index and a compare, and the id of a stream that is over is no other one's until half a million streams later.
type table struct {
	shared *shared
	slots  []slot
	free   int32 // index + 1 of the first free slot below len(slots)
	used   int32
	serial uint32
}

// shared is what the codecs of one loop have in common: tables that nobody uses, and the frame that a call is about: a
// local one would escape to the heap through the Format.
type shared struct {
	head   protocols.Header // the one that Decode passes on; the Env's may be lent, and then has no storage to keep
	in     Frame            // of Decode, which does not run inside another Decode
	out    Frame            // of what writes, until it has written
	tables [maxClass + 1][][]slot
}

// maxClass is the class of the longest table: firstSlots<<(2*class) slots.
const maxClass = 5

// There must be a class for the longest table.
const _ = uint(firstSlots<<(2*maxClass) - maxSlots)

func sharedOf(spec *Spec, env *protocols.Env) *shared {
	s, ok := env.Shared[spec.ID].(*shared)
	if !ok {
		s = new(shared)
		env.Shared[spec.ID] = s
	}
	return s
}

func (s *shared) take(class int) []slot {
	if list := s.tables[class]; len(list) > 0 {
		t := list[len(list)-1]
		s.tables[class] = list[:len(list)-1]
		return t
	}
	return make([]slot, 0, firstSlots<<(2*class))
}

func (s *shared) give(t []slot) {
	clear(t) // no owner may stay behind
	class := classOf(cap(t))
	if bytes := (len(s.tables[class]) + 1) * cap(t) * int(unsafe.Sizeof(slot{})); bytes <= keptBytes {
		s.tables[class] = append(s.tables[class], t[:0])
	}
}

func classOf(length int) (class int) {
	for firstSlots<<(2*class) < length {
		class++
	}
	return class
}

// open takes a slot; i is negative when there is none.
func (t *table) open() (i int) {
	switch {
	case t.free != 0:
		i = int(t.free - 1)
		t.free = t.slots[i].next
	case len(t.slots) == maxSlots:
		return -1
	default:
		i = len(t.slots)
		if i == cap(t.slots) {
			t.grow()
		}
		t.slots = t.slots[:i+1]
	}
	if t.serial++; t.serial == maxSerial {
		t.serial = 1
	}
	s := &t.slots[i]
	s.id = protocols.StreamID(t.serial<<slotBits | uint32(i))
	s.next = 0
	s.state = slotOpen
	t.used++
	return i
}

func (t *table) grow() {
	class := 0
	if n := cap(t.slots); n > 0 {
		class = classOf(n) + 1
	}
	longer := append(t.shared.take(class), t.slots...)
	if t.slots != nil {
		t.shared.give(t.slots)
	}
	t.slots = longer
}

// lookup returns the index of a stream, or a negative number when it is over or never was.
func (t *table) lookup(id protocols.StreamID) int {
	i := int(id & (maxSlots - 1))
	if i < len(t.slots) && t.slots[i].id == id && t.slots[i].state != slotFree {
		return i
	}
	return -1
}

// release frees a slot, and the whole table when it was the last of a long one.
func (t *table) release(i int) {
	t.slots[i] = slot{next: t.free}
	t.free = int32(i + 1)
	if t.used--; t.used == 0 && cap(t.slots) > keptSlots {
		t.drop()
	}
}

// drop gives the table back.
func (t *table) drop() {
	if t.slots != nil {
		t.shared.give(t.slots)
	}
	t.slots, t.free, t.used = nil, 0, 0
}

// A queue is a list of slots, first in, first out: index + 1, or 0.
type queue struct{ first, last int32 }

func (t *table) push(q *queue, i int) {
	t.slots[i].next = 0
	if q.last == 0 {
		q.first = int32(i + 1)
	} else {
		t.slots[q.last-1].next = int32(i + 1)
	}
	q.last = int32(i + 1)
}

func (t *table) pop(q *queue) int {
	i := int(q.first - 1)
	if q.first = t.slots[i].next; q.first == 0 {
		q.last = 0
	}
	t.slots[i].next = 0
	return i
}

// unlink takes i out of q, wherever it stands.
func (t *table) unlink(q *queue, i int) {
	at, before := q.first, int32(0)
	for at != int32(i+1) {
		before, at = at, t.slots[at-1].next
	}
	next := t.slots[i].next
	if before == 0 {
		q.first = next
	} else {
		t.slots[before-1].next = next
	}
	if next == 0 {
		q.last = before
	}
	t.slots[i].next = 0
}
