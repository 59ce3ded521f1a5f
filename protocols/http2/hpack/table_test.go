package hpack

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// storage is what a table has allocated, in bytes.
func (t *table) storage() int { return cap(t.arena) + cap(t.entries)*int(unsafe.Sizeof(entry{})) }

// A connection pays for what is in its tables, and an idle one has room for no more than 6 KiB in all.
func TestStorage(t *testing.T) {
	if n := unsafe.Sizeof(entry{}); n != 12 {
		t.Errorf("an entry has %d bytes", n)
	}
	if d, e := unsafe.Sizeof(Decoder{}), unsafe.Sizeof(Encoder{}); d > 192 || e > 320 {
		t.Errorf("an unused decoder has %d bytes, an encoder %d", d, e)
	}
	var (
		e Encoder
		d Decoder
		s Scratch
	)
	if e.index.storage() != 0 || d.table.storage() != 0 {
		t.Error("an empty table has storage")
	}
	for i := range 10 {
		if _, err := decodeLines(&d, appendFields(&e, nil, request(i)), &s); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.index.storage() + d.table.storage(); n > 2<<10 {
		t.Errorf("ten requests of a browser leave %d bytes", n)
	}
}

func TestStorageOfAFullTable(t *testing.T) {
	for _, length := range []int{0, 1, 5, 30, 100, 300, 1000, 4000} {
		var tab table
		for i := range 5000 {
			value := []byte(strings.Repeat("v", length))
			if e := tab.insert(unknown, fmt.Appendf(nil, "%04d", i), value); e == nil || tab.at(1) != e {
				t.Fatalf("length %d: entry %d is not there", length, i)
			}
			if i%97 == 0 {
				if err := tab.check(); err != nil {
					t.Fatalf("length %d: entry %d: %v", length, i, err)
				}
			}
		}
		if got, want := tab.count, 4096/(4+length+32); got != want {
			t.Errorf("length %d: %d entries, want %d", length, got, want)
		}
		for age := 1; age <= tab.count; age++ {
			if got, want := string(tab.nameBytes(tab.at(age))), fmt.Sprintf("%04d", 5000-age); got != want {
				t.Fatalf("length %d: age %d is %s, want %s", length, age, got, want)
			}
		}
		if n := tab.storage(); n > 4096+1536 {
			t.Errorf("length %d: %d bytes", length, n)
		}
	}
}

func TestKnownNames(t *testing.T) {
	count := 0
	for k := range knownNames {
		name := knownNames[k].name
		if len(name) == 0 {
			continue
		}
		count++
		if got := lookupKnown(name); got != known(k) {
			t.Errorf("%s is %d, want %d", name, got, k)
		}
		if id := knownNames[k].id; id.String() != "" && id.String() != string(name) || k < 64 && int(id) != k {
			t.Errorf("%s has id %d", name, id)
		}
		if i := knownNames[k].index; i != 0 && staticTable[i-1].name != string(name) {
			t.Errorf("%s has index %d", name, i)
		}
	}
	if lookupKnown(nil) != unknown || lookupKnown([]byte("X")) != unknown || lookupKnown([]byte("Accept")) != unknown {
		t.Error("a name was found that is not there")
	}
	if count < staticLen-9 { // 52 names in 61 entries
		t.Errorf("%d known names", count)
	}
}
