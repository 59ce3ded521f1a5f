package protocols

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// lend returns a header as a decoder makes it: spans of a read buffer, with a start line of 5 bytes and lines that are
// clean where they have one space behind the colon and none at the end.
func lend(t *testing.T, head string) (*Header, []byte) {
	t.Helper()
	buf := []byte(head + "next request")
	h := new(Header)
	h.Lend(buf)
	for i := strings.Index(head, "\r\n") + 2; i < len(head)-2; {
		end := i + strings.Index(head[i:], "\r\n")
		line := head[i:end]
		colon := strings.Index(line, ":")
		value := strings.Trim(line[colon+1:], " ")
		off := i + colon + 1 + strings.Index(line[colon+1:], value)
		h.AddSpan(LookupNameString(line[:colon]), i, colon, off, len(value), line == line[:colon]+": "+value)
		i = end + 2
	}
	h.Trim(len(head))
	return h, buf
}

const sample = "start\r\nHost: a\r\nX-One: 1\r\nx-two:2\r\nX-One: 3\r\nAccept: */*\r\n\r\n"

func wantLines(t *testing.T, h *Header, want string) {
	t.Helper()
	if got := string(h.AppendLines(nil)); got != want {
		t.Errorf("lines are\n%q, want\n%q", got, want)
	}
}

func TestUnchangedLinesAreCopiedAsTheyCame(t *testing.T) {
	h, _ := lend(t, sample)
	wantLines(t, h, "Host: a\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\nAccept: */*\r\n")
	if got := string(h.AppendLines([]byte("before "))); !strings.HasPrefix(got, "before Host: a\r\n") {
		t.Errorf("AppendLines does not append: %q", got)
	}
	if h.RawLen() != len(sample) {
		t.Errorf("RawLen = %d, want %d", h.RawLen(), len(sample))
	}
}

func TestGetters(t *testing.T) {
	h, _ := lend(t, sample)
	for name, want := range map[string]string{"host": "a", "HOST": "a", "x-one": "1", "X-TWO": "2", "accept": "*/*"} {
		if got := h.Lookup(name); string(got) != want {
			t.Errorf("Lookup(%q) = %q, want %q", name, got, want)
		}
	}
	if h.Lookup("x-three") != nil || h.Lookup("") != nil || h.Get(NameCookie) != nil || h.Has(NameCookie) {
		t.Error("a field that is absent was found")
	}
	if string(h.Get(NameAccept)) != "*/*" || !h.Has(NameHost) {
		t.Error("a field that is present was not found")
	}
	set, repeated := h.Present()
	if set != NameSetOf(NameHost, NameAccept) || repeated != 0 {
		t.Errorf("Present = %b, %b", set, repeated)
	}
	h.AddString("ACCEPT", "x")
	if _, repeated = h.Present(); repeated != NameSetOf(NameAccept) || !repeated.Has(NameAccept) || repeated.Has(NameHost) {
		t.Errorf("repeated = %b", repeated)
	}
	h.Del(NameAccept)
	if set, _ = h.Present(); set.Has(NameAccept) {
		t.Error("a deleted field is present")
	}
	h.AddString("Empty", "")
	if v := h.Lookup("empty"); v == nil || len(v) != 0 {
		t.Errorf("an empty value is %v, want empty and not nil", v)
	}
}

// What a getter returned must be safe to append to: it may not reach into its neighbour.
func TestSlicesEndWhereTheyEnd(t *testing.T) {
	h, buf := lend(t, sample)
	before := string(buf)
	_, name, value, _ := h.Field(0)
	_ = append(name, "XXXX"...)
	_ = append(value, "XXXX"...)
	_ = append(h.Get(NameHost), "XXXX"...)
	_ = append(h.Lookup("x-one"), "XXXX"...)
	if string(buf) != before {
		t.Errorf("appending to a getter's slice changed the bytes: %q", buf)
	}
}

func TestChangesKeepTheReadBuffer(t *testing.T) {
	for name, change := range map[string]func(h *Header){
		"Add":      func(h *Header) { h.AddString("new", "value") },
		"Set":      func(h *Header) { h.SetString("host", "other") },
		"SetPath":  func(h *Header) { h.SetPath([]byte("/other")) },
		"Del":      func(h *Header) { h.Del(NameHost) },
		"DelName":  func(h *Header) { h.DelName("x-one") },
		"SetInt":   func(h *Header) { h.AddInt("n", -5) },
		"Take":     func(h *Header) { new(Header).Take(h) },
		"CopyFrom": func(h *Header) { new(Header).CopyFrom(h) },
		"Reset":    func(h *Header) { h.Reset(); h.AddString("a", "b") },
	} {
		h, buf := lend(t, sample)
		before := string(buf)
		change(h)
		if string(buf) != before {
			t.Errorf("%s wrote into the lent bytes: %q", name, buf)
		}
	}
}

func TestSetReplacesInPlaceAndDeletesTheRest(t *testing.T) {
	h, _ := lend(t, sample)
	h.SetString("x-one", "new")
	wantLines(t, h, "Host: a\r\nx-one: new\r\nx-two: 2\r\nAccept: */*\r\n")
	h.Set("X-Three", []byte("3"))
	wantLines(t, h, "Host: a\r\nx-one: new\r\nx-two: 2\r\nAccept: */*\r\nX-Three: 3\r\n")
	h.Set("host", h.Get(NameAccept)) // a slice of h itself
	wantLines(t, h, "host: */*\r\nx-one: new\r\nx-two: 2\r\nAccept: */*\r\nX-Three: 3\r\n")
	if got := h.Get(NameHost); string(got) != "*/*" {
		t.Errorf("Get behind Set = %q", got)
	}
}

func TestDeletedFieldsAreGone(t *testing.T) {
	h, _ := lend(t, sample)
	h.Delete(0)
	h.DelName("X-ONE")
	wantLines(t, h, "x-two: 2\r\nAccept: */*\r\n")
	if _, _, _, ok := h.Field(0); ok {
		t.Error("Field(0) is there though it was deleted")
	}
	if h.Len() != 5 {
		t.Errorf("Len = %d: the other indices must stay", h.Len())
	}
	h.AddString("host", "b")
	if string(h.Get(NameHost)) != "b" {
		t.Errorf("Get finds the deleted field: %q", h.Get(NameHost))
	}
}

// A slice that a getter returned stays as it was until the header is reset or grows.
func TestGettersSurviveChanges(t *testing.T) {
	h, _ := lend(t, sample)
	own := new(Header)
	own.Take(h)
	host := own.Get(NameHost)
	own.SetString("host", "b")
	own.SetString("accept", "x")
	if string(host) != "a" {
		t.Errorf("an old slice changed to %q", host)
	}
}

func TestTakeCopiesLentBytesAndEmptiesTheSource(t *testing.T) {
	h, buf := lend(t, sample)
	h.SpanMethod(0, 5)
	h.Status, h.ContentLength, h.Proto = 200, 7, ProtocolHTTP1
	stream := new(Header)
	stream.Take(h)
	clear(buf)
	wantLines(t, stream, "Host: a\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\nAccept: */*\r\n")
	if string(stream.MethodBytes()) != "start" || stream.Status != 200 || stream.ContentLength != 7 || stream.Proto != ProtocolHTTP1 {
		t.Errorf("Take lost a part: %+v", stream)
	}
	if h.Len() != 0 || h.RawLen() != 0 || h.ContentLength != -1 || h.Status != 0 {
		t.Errorf("the source still holds %d fields, %d bytes", h.Len(), h.RawLen())
	}
	// Owned headers swap their storage.
	other := new(Header)
	other.Take(stream)
	wantLines(t, other, "Host: a\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\nAccept: */*\r\n")
	if stream.Len() != 0 || stream.ContentLength != -1 {
		t.Error("the source of the swap is not empty")
	}
	stream.AddString("a", "b")
	wantLines(t, other, "Host: a\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\nAccept: */*\r\n")
	wantLines(t, stream, "a: b\r\n")
}

func TestCopyFromIsIndependent(t *testing.T) {
	h, buf := lend(t, sample)
	h.SpanPath(1, 2)
	c := new(Header)
	c.CopyFrom(h)
	clear(buf)
	wantLines(t, c, "Host: a\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\nAccept: */*\r\n")
	if string(c.Path()) != "ta" {
		t.Errorf("Path = %q", c.Path())
	}
	c2 := new(Header)
	c2.CopyFrom(c)
	c2.SetString("host", "z")
	if string(c.Get(NameHost)) != "a" {
		t.Error("changing a copy changed the original")
	}
	// Over a lent header: the read buffer must not become the copy's storage.
	lent, lentBuf := lend(t, sample)
	before := string(lentBuf)
	lent.CopyFrom(c2)
	if string(lentBuf) != before {
		t.Error("CopyFrom wrote into the bytes that the destination had borrowed")
	}
}

func TestParts(t *testing.T) {
	h := new(Header)
	h.Reset()
	h.SetMethod([]byte("POST"))
	h.SetPath([]byte("/p?q"))
	h.SetScheme([]byte("https"))
	h.SetAuthority([]byte("a:1"))
	h.SetUpgrade([]byte("websocket"))
	h.SetPath(h.Path()[:2]) // a slice of h itself
	if h.Method != MethodPost || string(h.MethodBytes()) != "POST" || string(h.Path()) != "/p" ||
		string(h.Scheme()) != "https" || string(h.Authority()) != "a:1" || string(h.Upgrade()) != "websocket" ||
		len(h.ReasonPhrase()) != 0 {
		t.Errorf("parts: %q %q %q %q %q", h.MethodBytes(), h.Path(), h.Scheme(), h.Authority(), h.Upgrade())
	}
	if len(h.AppendLines(nil)) != 0 {
		t.Error("parts are no fields")
	}
	// Parts that are stored between two fields keep them two runs.
	h.AddString("a", "1")
	h.SetPath([]byte("/between"))
	h.AddString("b", "2")
	wantLines(t, h, "a: 1\r\nb: 2\r\n")
}

func TestSetAnswer(t *testing.T) {
	var h Header
	h.SetAnswer(503, "text/plain", 12)
	wantLines(t, &h, "content-type: text/plain\r\ncontent-length: 12\r\n")
	h.SetAnswer(302, "", 0)
	h.AddString("location", "/x")
	wantLines(t, &h, "content-length: 0\r\nlocation: /x\r\n")
	if h.Status != 302 || h.ContentLength != 0 {
		t.Errorf("status %d, length %d", h.Status, h.ContentLength)
	}
}

func TestReuseAllocatesNothing(t *testing.T) {
	buf := []byte(sample)
	var scratch, stream Header
	dst := make([]byte, 0, 256)
	use := func() {
		scratch.Lend(buf)
		scratch.AddSpan(NameHost, 7, 4, 13, 1, true)
		stream.Take(&scratch)
		stream.SetString("x-forwarded-for", "10.0.0.1")
		stream.SetPath(stream.Get(NameHost))
		dst = stream.AppendLines(dst[:0])
		stream.SetAnswer(404, "text/plain", 9)
		dst = stream.AppendLines(dst[:0])
	}
	use()
	if n := testing.AllocsPerRun(10, func() {
		for range 100 {
			use()
		}
	}); n != 0 {
		t.Errorf("%v allocations in 100 uses", n)
	}
	if !bytes.Equal(buf, []byte(sample)) {
		t.Error("the read buffer changed")
	}
}

// Reset, Lend and Take name what they empty one by one: no field of a Header may be missing.
func TestEmptiedHeadersHoldNothing(t *testing.T) {
	full := func() *Header {
		h := new(Header)
		v := reflect.ValueOf(h).Elem()
		for i := range v.NumField() {
			f := v.Field(i)
			f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
			switch f.Kind() {
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Slice:
				f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			case reflect.Struct:
				f.Set(reflect.ValueOf(span{1, 1}))
			default:
				f.Set(reflect.ValueOf(1).Convert(f.Type()))
			}
		}
		return h
	}
	for name, empty := range map[string]func(h *Header){
		"Reset":                    func(h *Header) { h.Reset() },
		"Take":                     func(h *Header) { new(Header).Take(h) },
		"Lend":                     func(h *Header) { h.Lend(nil); h.lent = false },
		"Take of what is not lent": func(h *Header) { h.lent = false; new(Header).Take(h) },
	} {
		h := full()
		empty(h)
		if len(h.raw) != 0 || len(h.fields) != 0 {
			t.Errorf("%s leaves bytes or fields", name)
		}
		h.raw, h.fields = nil, nil
		if want := (Header{ContentLength: -1}); !reflect.DeepEqual(*h, want) {
			t.Errorf("%s leaves %+v", name, *h)
		}
	}
}
