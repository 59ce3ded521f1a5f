package hpack

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
)

// A testField is a field as a codec knows it.
type testField struct {
	id     protocols.NameID
	pseudo Pseudo
	name   []byte
	value  []byte
}

func fieldOf(name, value string) testField {
	f := testField{id: protocols.LookupNameString(name), name: []byte(name), value: []byte(value)}
	for p := PseudoMethod; p < PseudoUnknown; p++ {
		if p.String() == name {
			f.pseudo = p
		}
	}
	return f
}

func (f testField) append(e *Encoder, dst []byte, p Policy) []byte {
	if f.pseudo != PseudoNone {
		return e.AppendPseudo(dst, f.pseudo, f.value)
	}
	return e.Append(dst, f.id, f.name, f.value, p)
}

func (f testField) String() string { return lowered(f.name) + ": " + string(f.value) }

// lowered is a name with its ASCII letters in lower case.
func lowered(name []byte) string {
	b := bytes.Clone(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// lines are fields as text.
func lines(fields []testField) (all []string) {
	for _, f := range fields {
		all = append(all, f.String())
	}
	return all
}

// appendFields encodes a block with the policies that a gateway has.
func appendFields(e *Encoder, dst []byte, fields []testField) []byte {
	dst = e.Begin(dst)
	for i := range fields {
		dst = fields[i].append(e, dst, DefaultPolicy(fields[i].id))
	}
	return dst
}

// decodeLines reads a whole block.
func decodeLines(d *Decoder, block []byte, s *Scratch) (all []string, err error) {
	d.Begin(block, s)
	for {
		f, more, err := d.Next()
		if err != nil || !more {
			return all, err
		}
		all = append(all, string(f.Name)+": "+string(f.Value))
	}
}

// contents are the entries of t, the newest first.
func (t *table) contents() (all []string) {
	for age := 1; age <= t.count; age++ {
		e := t.at(age)
		all = append(all, string(t.nameBytes(e))+": "+string(t.valueBytes(e)))
	}
	return all
}

// check says what is wrong with t itself.
func (t *table) check() error {
	size, stored := 0, 0
	for age := 1; age <= t.count; age++ {
		e := t.at(age)
		if int(e.nameLen) != len(t.nameBytes(e)) {
			return fmt.Errorf("entry %d has a name of %d bytes, says %d", age, len(t.nameBytes(e)), e.nameLen)
		}
		size += len(t.nameBytes(e)) + len(t.valueBytes(e)) + 32
		stored += e.stored()
	}
	if size != t.size || size > t.max() {
		return fmt.Errorf("size is %d, the entries have %d, the maximum is %d", t.size, size, t.max())
	}
	if stored > len(t.arena) || cap(t.arena) > max(2*minArena, 4096, t.max()) {
		return fmt.Errorf("%d bytes in an arena of %d, capacity %d", stored, len(t.arena), cap(t.arena))
	}
	return nil
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
