package hpack

import (
	"strings"
	"testing"

	"sluice/protocols"
)

// fieldsOf decodes a block; the fields' bytes are copies.
func fieldsOf(t *testing.T, d *Decoder, block []byte, check bool) (all []Field) {
	t.Helper()
	var s Scratch
	d.Begin(block, &s)
	for {
		f, more, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return all
		}
		if check && !f.Checked {
			d.MarkChecked()
		}
		c := *f
		c.Name, c.Value = []byte(string(f.Name)), []byte(string(f.Value))
		all = append(all, c)
	}
}

func TestNamesAreRecognised(t *testing.T) {
	for _, c := range []struct {
		name    string
		id      protocols.NameID
		pseudo  Pseudo
		checked bool
	}{
		{"user-agent", protocols.NameUserAgent, PseudoNone, true},
		{"x-request-id", protocols.NameXRequestID, PseudoNone, true},
		{"accept-language", protocols.NameOther, PseudoNone, true}, // in the static table
		{"x-none", protocols.NameOther, PseudoNone, false},
		{"User-Agent", protocols.NameOther, PseudoNone, false},
		{"", protocols.NameOther, PseudoNone, false},
		{":path", protocols.NameOther, PseudoPath, true},
		{":protocol", protocols.NameOther, PseudoProtocol, true},
		{":Path", protocols.NameOther, PseudoUnknown, false},
		{":", protocols.NameOther, PseudoUnknown, false},
		{":other", protocols.NameOther, PseudoUnknown, false},
	} {
		var d Decoder
		literal := appendPlain(appendPlain([]byte{literalIndex}, []byte(c.name)), []byte("v"))
		huffman := append([]byte{literalNoIndex, huffmanFlag | byte(huffmanSize([]byte(c.name)))}, appendHuffman(nil, []byte(c.name))...)
		block := append(literal, huffman...) // by its name
		block = append(block, 0, 0x80|62)    // and out of the table
		block = appendPlain(appendInt(block, literalIndex, 6, 62), []byte("w"))
		for i, f := range fieldsOf(t, &d, block, false) {
			if f.ID != c.id || f.Pseudo != c.pseudo || f.NameChecked != c.checked || f.Checked || string(f.Name) != c.name {
				t.Errorf("%q, field %d: %+v", c.name, i, f)
			}
		}
	}
}

func TestStaticFieldsAreChecked(t *testing.T) {
	var d Decoder
	f := fieldsOf(t, &d, []byte{0x82}, false)[0]
	if !f.Checked || !f.NameChecked || f.Pseudo != PseudoMethod || string(f.Value) != "GET" {
		t.Errorf(":method GET is %+v", f)
	}
}

func TestMarkChecked(t *testing.T) {
	var d Decoder
	block := unhex(t, "4001610162 be 4001630164 400002")
	block = append(block, "xx"...)
	first := fieldsOf(t, &d, block[:len(block)-5], true) // a: b, then out of the table, then c: d
	if first[0].Checked || !first[1].Checked || !first[1].NameChecked || first[2].Checked {
		t.Errorf("in the first block: %+v", first)
	}
	second := fieldsOf(t, &d, unhex(t, "be bf 7e0165 0f300166"), false) // c: d, a: b, name c with e, name a with f
	for i, f := range second {
		if f.Checked != (i < 2) || !f.NameChecked {
			t.Errorf("in the second block, field %d: %+v", i, f)
		}
	}
	// A field that is in no table has no entry to mark, and marks no other.
	var other Decoder
	fields := fieldsOf(t, &other, unhex(t, "4001610162 0001630164 82"), false)
	other.Begin(unhex(t, "0001630164 be"), new(Scratch))
	_, _, _ = other.Next()
	other.MarkChecked()
	f, _, err := other.Next()
	if err != nil || f.Checked || fields[0].Checked {
		t.Errorf("%+v, %v", f, err)
	}
	// An entry that was evicted as soon as it came.
	other.MarkChecked()
	other.Begin(append(unhex(t, "4001617f811f"), strings.Repeat("v", 4096)...), new(Scratch))
	if _, _, err := other.Next(); err != nil || other.table.count != 0 {
		t.Errorf("%v, %d entries", err, other.table.count)
	}
	other.MarkChecked()
}

// RFC 7541 section 4.4: a new entry may take its name from the entry that it pushes out.
func TestNameOfAnEvictedEntry(t *testing.T) {
	var d Decoder
	d.table.resize(200)
	name := strings.Repeat("n", 60)
	block := appendPlain(appendPlain([]byte{literalIndex}, []byte(name)), []byte("first"))
	for i := range 20 {
		block = appendPlain(appendInt(block, literalIndex, 6, 62), []byte(strings.Repeat("v", 50+i)))
	}
	for i, f := range fieldsOf(t, &d, block, false)[1:] {
		if string(f.Name) != name || string(f.Value) != strings.Repeat("v", 50+i) {
			t.Fatalf("field %d is %q: %q", i, f.Name, f.Value)
		}
	}
	// One that does not fit even into an empty table takes its name from an entry that is gone, too.
	block = appendPlain(appendInt(nil, literalIndex, 6, 62), []byte(strings.Repeat("v", 300)))
	f := fieldsOf(t, &d, block, false)[0]
	if string(f.Name) != name || len(f.Value) != 300 || d.table.count != 0 {
		t.Errorf("%q with %d bytes, %d entries", f.Name, len(f.Value), d.table.count)
	}
}

func TestNeverIsReported(t *testing.T) {
	var d Decoder
	for i, f := range fieldsOf(t, &d, unhex(t, "1001610162 0001610162 4001610162 be 82 1f0f 0163"), false) {
		if f.Never != (i == 0 || i == 5) {
			t.Errorf("field %d: %+v", i, f)
		}
	}
}
