package protocols

import "testing"

func TestAppendJoinsTheLastField(t *testing.T) {
	var h Header
	h.Reset()
	h.AppendString("X-List", "a")
	h.AddString("Other", "o")
	h.AddString("x-list", "b")
	h.Append("X-LIST", []byte("c"))
	h.AddString("Empty", "")
	h.AppendString("Empty", "e")
	h.AddString("Set-Cookie", "k=v")
	h.AppendString("Set-Cookie", "l=w")
	want := "X-List: a\r\nOther: o\r\nX-LIST: b,c\r\nEmpty: e\r\nSet-Cookie: k=v\r\nSet-Cookie: l=w\r\n"
	if got := string(h.AppendLines(nil)); got != want {
		t.Errorf("lines are\n%q, want\n%q", got, want)
	}
}

func TestAppendLeavesTheLentBytesAlone(t *testing.T) {
	wire := []byte("a: 1\r\nnext request")
	var h Header
	h.Lend(wire[:6])
	h.AddSpan(NameOther, 0, 1, 3, 1, true)
	h.AppendString("a", "2")
	h.SetAuthorityString("host")
	if string(wire) != "a: 1\r\nnext request" {
		t.Errorf("the read buffer became %q", wire)
	}
	if got := string(h.Lookup("a")); got != "1,2" {
		t.Errorf("a is %q, want 1,2", got)
	}
	if got := string(h.Authority()); got != "host" {
		t.Errorf("authority is %q, want host", got)
	}
}
