package hpack

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sluice/protocols"
)

// What a decoder must refuse, and what it must not.
func TestRules(t *testing.T) {
	long := strings.Repeat("61", 200)
	for _, c := range []struct {
		name, block string
		want        *protocols.Error
	}{
		{"empty block", "", nil},
		{"index 0", "80", errIndexZero},
		{"last static entry", "bd", nil},
		{"behind the static table", "be", errIndex},
		{"far behind the tables", "ffe0ffffff0e", errIndex},
		{"name behind the tables", "7e0161", errIndex},
		{"name behind the tables, not indexed", "0f2f0161", errIndex},
		{"integer of 33 bits", "ff80ffffff10", errInteger},
		{"integer of 32 bits", "ff80ffffff0f", errIndex},
		{"5 continuation bytes with zeros", "ff8080808000", errIndex},
		{"6 continuation bytes with zeros", "ff808080808000", errInteger},
		{"5 continuation bytes and no end", "ff8080808080", errInteger},
		{"integer without end", "ff80", errTruncated},
		{"integer without a byte", "ff", errTruncated},
		{"name without a byte", "40", errTruncated},
		{"value without a byte", "400161", errTruncated},
		{"value of an indexed name without a byte", "41", errTruncated},
		{"length without end", "417f80", errTruncated},
		{"name longer than the block", "40036100", errStringLength},
		{"value longer than the block", "41026100", nil},
		{"value longer than the block by 1", "410361", errStringLength},
		{"length of 33 bits", "417f80ffffff10", errInteger},
		{"length of 32 bits", "417f80ffffff0f61", errStringLength},
		{"empty name and value", "400000", nil},
		{"Huffman: empty", "4180", nil},
		{"Huffman: a, padded", "41811f", nil},
		{"Huffman: a, padded with a zero", "41811e", errPadding},
		{"Huffman: a, padded with 11 bits", "41821fff", errPadding},
		{"Huffman: 8 bits of padding only", "4181ff", errPadding},
		{"Huffman: half a symbol", "4181fe", errPadding},
		{"Huffman: EOS", "4184ffffffff", errEOS},
		{"Huffman: EOS behind a symbol, more behind it", "41861fffffffffff", errEOS},
		{"Huffman: a code of 30 bits", "4184fffffff3", nil},
		{"Huffman: a code of 30 bits, cut", "4183fffffc", errPadding},
		{"update to the maximum", "3fe11f", nil},
		{"update above the maximum", "3fe21f", errUpdateTooLarge},
		{"two updates", "203fe11f82", nil},
		{"update at the end", "8220", errUpdateLate},
		{"update between fields", "822082", errUpdateLate},
		{"update without end", "3f", errTruncated},
		{"update behind the first field of a table", "400161016120", errUpdateLate},
		{"200 bytes", "417f49" + long, nil},
	} {
		var (
			d Decoder
			s Scratch
		)
		_, err := decodeLines(&d, unhex(t, c.block), &s)
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// RFC 7541 section 4.2, and section 4.3 about what an update does.
func TestAllowedTableSize(t *testing.T) {
	const insert = "40016101 61" // a: a
	for _, c := range []struct {
		name    string
		allowed []int
		block   string
		want    *protocols.Error
		entries int // behind the block, of 1 before
	}{
		{"nothing changed", nil, "be", nil, 1},
		{"raised", []int{8192}, "be", nil, 1},
		{"raised and used", []int{8192}, "3fe13f be", nil, 1},
		{"used without being raised", nil, "3fe13f be", errUpdateTooLarge, 0},
		{"above MaxTableSize", []int{1 << 20}, "3fe17f be", nil, 1},
		{"lowered, no update", []int{100}, "be", errUpdateMissing, 0},
		{"lowered, an empty block", []int{100}, "", nil, 1},
		{"lowered, updated", []int{100}, "3f45 be", nil, 1},
		{"lowered, updated below", []int{100}, "3e be", errIndex, 0},
		{"lowered, updated above", []int{100}, "3f46", errUpdateTooLarge, 0},
		{"lowered and raised, no update", []int{10, 4096}, "be", errUpdateMissing, 0},
		{"lowered and raised, only the last", []int{10, 4096}, "3fe11f be", errUpdateMissing, 0},
		{"lowered and raised, both", []int{10, 4096}, "2a 3fe11f 82", nil, 0},
		{"to nothing", []int{0}, "20 " + insert, nil, 0},
		{"lowered twice", []int{200, 100}, "3f45 be", nil, 1},
		{"lowered twice, the first", []int{100, 200}, "3fa901 be", errUpdateMissing, 0},
	} {
		var (
			d Decoder
			s Scratch
		)
		if _, err := decodeLines(&d, unhex(t, insert), &s); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.allowed {
			d.SetAllowed(n)
		}
		_, err := decodeLines(&d, unhex(t, c.block), &s)
		switch {
		case c.want != nil:
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case d.table.count != c.entries:
			t.Errorf("%s: %d entries, want %d", c.name, d.table.count, c.entries)
		}
	}
}

func TestUpdateIsDueOnce(t *testing.T) {
	var (
		d Decoder
		s Scratch
	)
	d.SetAllowed(100)
	for _, block := range []string{"3f45 82", "82"} {
		if _, err := decodeLines(&d, unhex(t, block), &s); err != nil {
			t.Errorf("%s: %v", block, err)
		}
	}
}

func TestHuffmanLimit(t *testing.T) {
	const limit = 1000
	for n := limit - 20; n < limit+20; n++ {
		s := Scratch{Max: limit}
		plain := bytes.Repeat([]byte("a"), n)
		got, err := s.huffman(appendHuffman(nil, plain))
		if n <= limit && (err != nil || !bytes.Equal(got, plain)) || n > limit && !errors.Is(err, ErrTooLong) {
			t.Errorf("%d of at most %d bytes: %v", n, limit, err)
		}
	}
	// The storage does not grow with what comes.
	s := Scratch{Max: limit}
	if _, err := s.huffman(bytes.Repeat([]byte{0}, 1<<20)); !errors.Is(err, ErrTooLong) || cap(s.buf) > 2*limit {
		t.Errorf("a string of 1.6 MiB: %v, %d bytes of storage", err, cap(s.buf))
	}
	// Without a limit of its user's there is one.
	s = Scratch{}
	if _, err := s.huffman(bytes.Repeat([]byte{0}, 1<<20)); !errors.Is(err, ErrTooLong) {
		t.Errorf("without Max: %v", err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	var (
		d Decoder
		s Scratch
	)
	_, err := decodeLines(&d, []byte{0x80}, &s)
	if e, ok := errors.AsType[*protocols.Error](err); !ok || e.Reason != protocols.ReasonProtocolError ||
		!strings.Contains(e.Detail, "HPACK: index 0 (RFC 7541") {
		t.Errorf("the error is %v", err)
	}
}
