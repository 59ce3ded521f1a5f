package protocols

import "testing"

// binary is a head of another wire form: a class, and the fields a=1 and b=2.
const binary = "..Cls..a1b2"

func lendBinary() (*Header, []byte) {
	buf := []byte(binary + "content")
	h := new(Header)
	h.Lend(buf)
	h.Trim(len(binary))
	h.SpanWire(len(binary))
	h.SpanClass(2, 3)
	h.AddSpan(NameOther, 7, 1, 8, 1, false)
	h.AddSpan(NameOther, 9, 1, 10, 1, false)
	return h, buf
}

func TestWireIsTheSameUntilAPartIsChanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *Header)
		same   bool
		lines  string
		class  string
	}{
		"nothing":        {func(*Header) {}, true, "a: 1\r\nb: 2\r\n", "Cls"},
		"Take":           {func(h *Header) { var o Header; o.Take(h); h.Take(&o) }, true, "a: 1\r\nb: 2\r\n", "Cls"},
		"CopyFrom":       {func(h *Header) { var o Header; o.CopyFrom(h); h.Take(&o) }, true, "a: 1\r\nb: 2\r\n", "Cls"},
		"SetPath":        {func(h *Header) { h.SetPath([]byte("/x")) }, true, "a: 1\r\nb: 2\r\n", "Cls"},
		"Add":            {func(h *Header) { h.AddString("c", "3") }, false, "a: 1\r\nb: 2\r\nc: 3\r\n", "Cls"},
		"Set the first":  {func(h *Header) { h.SetString("a", "9") }, false, "a: 9\r\nb: 2\r\n", "Cls"},
		"Set the last":   {func(h *Header) { h.SetString("b", "9") }, false, "a: 1\r\nb: 9\r\n", "Cls"},
		"Append":         {func(h *Header) { h.AppendString("a", "9") }, false, "a: 1,9\r\nb: 2\r\n", "Cls"},
		"Put":            {func(h *Header) { h.PutString(NameService, "s") }, false, "a: 1\r\nb: 2\r\nService: s\r\n", "Cls"},
		"DelName":        {func(h *Header) { h.DelName("a") }, false, "b: 2\r\n", "Cls"},
		"Delete":         {func(h *Header) { h.Delete(1) }, false, "a: 1\r\n", "Cls"},
		"SetClass":       {func(h *Header) { h.SetClass([]byte("Other")) }, false, "a: 1\r\nb: 2\r\n", "Other"},
		"SetClass empty": {func(h *Header) { h.SetClass(nil) }, false, "a: 1\r\nb: 2\r\n", ""},
	} {
		h, buf := lendBinary()
		c.change(h)
		b, same := h.Wire()
		if string(b) != binary || same != c.same {
			t.Errorf("%s: Wire = %q, %v", name, b, same)
		}
		wantLines(t, h, c.lines)
		if string(h.Class()) != c.class {
			t.Errorf("%s: class %q, want %q", name, h.Class(), c.class)
		}
		if string(buf) != binary+"content" {
			t.Errorf("%s wrote into the read buffer: %q", name, buf)
		}
	}
}

func TestWireIsGoneBehindReset(t *testing.T) {
	h, _ := lendBinary()
	h.SetClass([]byte("x"))
	h.SetAnswer(503, "", 0)
	if b, same := h.Wire(); b != nil || same || len(h.Class()) != 0 {
		t.Errorf("Wire = %q, %v, class %q", b, same, h.Class())
	}
	h, _ = lendBinary()
	h.Lend([]byte("GET"))
	if b, _ := h.Wire(); b != nil {
		t.Errorf("Wire behind Lend = %q", b)
	}
	h, _ = lendBinary()
	var o Header
	o.Take(h)
	if b, _ := h.Wire(); b != nil {
		t.Errorf("Wire of what was taken = %q", b)
	}
}

// Fields whose names are not on the wire are found, leave the wire form the same, and keep the storage of a Header in use.
func TestNamedFieldsOfAWireForm(t *testing.T) {
	var h, owner Header
	fill := func() {
		h.CopyWire([]byte("..a1b2"))
		h.AddNamed(NameService, "service", 2, 2)
		h.AddNamed(NameOther, "method", 4, 2)
	}
	fill()
	if b, same := h.Wire(); string(b) != "..a1b2" || !same || string(h.Get(NameService)) != "a1" || string(h.Lookup("Method")) != "b2" {
		t.Errorf("%q %v, %q, %q", b, same, h.Get(NameService), h.Lookup("Method"))
	}
	if got := string(h.AppendLines(nil)); got != "service: a1\r\nmethod: b2\r\n" {
		t.Errorf("as lines %q", got)
	}
	h.SetString("method", "c3")
	if b, same := h.Wire(); string(b) != "..a1b2" || same || string(h.Lookup("method")) != "c3" {
		t.Errorf("%q %v behind a change", b, same)
	}
	owner.Take(&h)
	fill()
	owner.Take(&h)
	if n := testing.AllocsPerRun(100, func() { fill(); owner.Take(&h) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
