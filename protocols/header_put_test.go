package protocols

import "testing"

func TestAddFieldAndJoin(t *testing.T) {
	var h Header
	h.Reset()
	h.AddField(NameCookie, []byte("cookie"), []byte("a=1"))
	h.AddField(NameOther, []byte("x-a"), []byte(""))
	h.AddField(NameCookie, []byte("cookie"), []byte("b=2"))
	h.AddField(NameCookie, []byte("cookie"), []byte(""))
	h.Join(NameCookie, "; ")
	h.Join(NameAccept, ", ")
	if got, want := string(h.AppendLines(nil)), "Cookie: a=1; b=2; \r\nx-a: \r\n"; got != want {
		t.Errorf("the lines are %q, want %q", got, want)
	}
	if got := string(h.Lookup("X-A")); got != "" || !h.Has(NameCookie) || string(h.Get(NameCookie)) != "a=1; b=2; " {
		t.Errorf("the fields are %q and %q", got, h.Get(NameCookie))
	}
	if _, repeated := h.Present(); repeated != 0 {
		t.Error("a joined field is there twice")
	}
}

// A header that is lent from a read buffer is not written to.
func TestJoinOfLentBytes(t *testing.T) {
	b := []byte("Cookie: a\r\nCookie: b\r\n\r\nmore")
	var h Header
	h.Lend(b)
	h.AddSpan(NameCookie, 0, 6, 8, 1, true)
	h.AddSpan(NameCookie, 11, 6, 19, 1, true)
	h.Trim(22)
	h.Join(NameCookie, "; ")
	if got := string(h.AppendLines(nil)); got != "Cookie: a; b\r\n" || string(b) != "Cookie: a\r\nCookie: b\r\n\r\nmore" {
		t.Errorf("the lines are %q, the buffer %q", got, b)
	}
}
