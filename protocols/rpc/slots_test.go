package rpc

import (
	"testing"
	"unsafe"

	"sluice/protocols"
)

func TestTableFindsWhatIsOpen(t *testing.T) {
	tb := table{shared: new(shared)}
	ids := map[protocols.StreamID]int{}
	for range maxSlots {
		i := tb.open()
		id := tb.slots[i].id
		if _, twice := ids[id]; twice || i < 0 {
			t.Fatalf("slot %d has the id %d again", i, id)
		}
		ids[id] = i
	}
	if tb.open() >= 0 {
		t.Error("more slots than there are ids")
	}
	for id, i := range ids {
		if tb.lookup(id) != i {
			t.Fatalf("lookup(%d) = %d, want %d", id, tb.lookup(id), i)
		}
		tb.release(i)
		if tb.lookup(id) >= 0 {
			t.Fatal("a released slot is found")
		}
	}
	if tb.used != 0 || tb.slots != nil || tb.lookup(0) >= 0 || tb.lookup(1<<32-1) >= 0 {
		t.Errorf("%d used, table of %d", tb.used, cap(tb.slots))
	}
	// The table goes on counting, and takes its storage back from the loop.
	if i := tb.open(); ids[tb.slots[i].id] != 0 || cap(tb.slots) != firstSlots {
		t.Errorf("id %d again, table of %d", tb.slots[i].id, cap(tb.slots))
	}
}

func TestSerialsWrap(t *testing.T) {
	tb := table{shared: new(shared), serial: maxSerial - 2}
	for _, want := range []uint32{maxSerial - 1, 1, 2} {
		i := tb.open()
		if got := uint32(tb.slots[i].id) >> slotBits; got != want {
			t.Errorf("serial %d, want %d", got, want)
		}
	}
}

func TestQueue(t *testing.T) {
	tb := table{shared: new(shared)}
	var q queue
	for range 6 {
		tb.push(&q, tb.open())
	}
	for _, i := range []int{0, 3, 5} {
		tb.unlink(&q, i)
	}
	tb.push(&q, 3)
	for _, want := range []int{1, 2, 4, 3} {
		if got := tb.pop(&q); got != want {
			t.Errorf("pop = %d, want %d", got, want)
		}
	}
	if q != (queue{}) {
		t.Errorf("the queue is %+v behind its last", q)
	}
	tb.push(&q, 1)
	tb.unlink(&q, 1)
	if q != (queue{}) {
		t.Errorf("the queue is %+v behind its only one", q)
	}
}

// What a loop keeps of tables is bounded.
func TestSharedTablesAreBounded(t *testing.T) {
	s := new(shared)
	for class := range s.tables {
		for range 5000 {
			s.give(make([]slot, 0, firstSlots<<(2*class)))
		}
		kept := 0
		for _, tb := range s.tables[class] {
			kept += cap(tb) * int(unsafe.Sizeof(slot{}))
		}
		if kept > keptBytes || len(s.tables[class]) == 0 {
			t.Errorf("class %d keeps %d bytes", class, kept)
		}
	}
}

// An idle connection owns a codec, a short table, and nothing else.
func TestCodecsAreSmall(t *testing.T) {
	const most = 480
	table := uintptr(keptSlots) * unsafe.Sizeof(slot{})
	if s, c := unsafe.Sizeof(Server{})+table, unsafe.Sizeof(Client{})+table; s > most || c > most {
		t.Errorf("server %d, client %d bytes with their tables, want at most %d", s, c, most)
	} else {
		t.Logf("server %d, client %d bytes with their tables", s, c)
	}
}
