package hpack

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sluice/protocols"
)

// wantBlock encodes one field and compares its first byte, under a mask, with what the representation has.
func wantBlock(t *testing.T, what string, got []byte, first, mask byte) {
	t.Helper()
	if len(got) == 0 || got[0]&mask != first {
		t.Errorf("%s: %x does not begin with %02x (mask %02x)", what, got, first, mask)
	}
}

const (
	indexedMask = 0x80
	literalMask = 0xf0
)

func TestPolicyIndex(t *testing.T) {
	var e Encoder
	for i := range 3 {
		for _, agent := range []string{"a", "b", "c"} {
			got := e.Append(nil, protocols.NameUserAgent, nil, []byte(agent), PolicyIndex)
			if i == 0 {
				wantBlock(t, agent, got, literalIndex, 0xc0)
			} else {
				wantBlock(t, agent, got, 0x80, indexedMask)
			}
		}
	}
	if e.index.count != 3 {
		t.Errorf("%d entries", e.index.count)
	}
	// A large field would push out everything else.
	wantBlock(t, "large", e.Append(nil, protocols.NameUserAgent, nil, bytes.Repeat([]byte("v"), 3000), PolicyIndex), literalNoIndex, literalMask)
	if e.index.count != 3 {
		t.Errorf("%d entries behind a large field", e.index.count)
	}
}

func TestPolicyRepeat(t *testing.T) {
	var e Encoder
	path := func(s string) []byte { return e.AppendPseudo(nil, PseudoPath, []byte(s)) }
	for i := range 50 {
		wantBlock(t, "a path of its own", path(fmt.Sprint("/unique/", i)), literalNoIndex, literalMask)
	}
	wantBlock(t, "the first sight", path("/pkg.Service/Method"), literalNoIndex, literalMask)
	wantBlock(t, "the second sight", path("/pkg.Service/Method"), literalIndex, 0xc0)
	wantBlock(t, "the third sight", path("/pkg.Service/Method"), 0x80, indexedMask)
	if e.index.count != 1 {
		t.Errorf("%d entries", e.index.count)
	}
	// The first field of a name that no table has, for the name.
	other := func(v string) []byte {
		return e.Append(nil, protocols.NameOther, []byte("x-other"), []byte(v), PolicyRepeat)
	}
	wantBlock(t, "the first of its name", other("1"), literalIndex, 0xc0)
	for i := range 50 {
		got := other(fmt.Sprint("value ", i))
		wantBlock(t, "the name is known", got, literalNoIndex, literalMask)
		if bytes.Contains(got, []byte("x-other")) || got[0] == literalNoIndex {
			t.Fatalf("the name is written out: %q", got)
		}
	}
}

func TestPolicyNoIndex(t *testing.T) {
	var e Encoder
	id := func(v string) []byte { return e.Append(nil, protocols.NameXRequestID, nil, []byte(v), PolicyNoIndex) }
	wantBlock(t, "the first of its name", id("1"), literalIndex, 0xc0)
	for range 3 {
		if got, want := id("2"), []byte("\x0f\x2f\x012"); !bytes.Equal(got, want) {
			t.Errorf("x-request-id is %x, want %x", got, want)
		}
	}
	if got, want := e.Append(nil, protocols.NameContentLength, nil, []byte("12"), PolicyNoIndex), []byte("\x0f\x0d\x0212"); !bytes.Equal(got, want) {
		t.Errorf("content-length is %x, want %x", got, want)
	}
	wantBlock(t, "an unknown name", e.Append(nil, 0, []byte("x-other"), []byte("1"), PolicyNoIndex), literalNoIndex, literalMask)
	if e.index.count != 1 {
		t.Errorf("%d entries", e.index.count)
	}
}

func TestPolicyNever(t *testing.T) {
	var e Encoder
	secret := []byte("Basic dXNlcjpwYXNz")
	for range 3 {
		wantBlock(t, "authorization", e.Append(nil, protocols.NameAuthorization, nil, secret, DefaultPolicy(protocols.NameAuthorization)), literalNever, literalMask)
		wantBlock(t, "unknown", e.Append(nil, 0, []byte("X-Api-Key"), secret, PolicyNever), literalNever, literalMask)
		wantBlock(t, "long", e.Append(nil, 0, []byte(strings.Repeat("X-", 100)), secret, PolicyNever), literalNever, literalMask)
		for _, p := range []Policy{PolicyIndex, PolicyRepeat, PolicyNoIndex, PolicyNever} {
			wantBlock(t, "short cookie", e.Append(nil, protocols.NameCookie, nil, []byte("pin=1234"), p), literalNever, literalMask)
			wantBlock(t, "short cookie", e.Append(nil, 0, []byte("Cookie"), []byte("pin=1234"), p), literalNever, literalMask)
		}
	}
	wantBlock(t, "cookie", e.Append(nil, protocols.NameCookie, nil, bytes.Repeat(secret, 2), DefaultPolicy(protocols.NameCookie)), literalNoIndex, literalMask)
	if e.index.count != 0 {
		t.Errorf("%d entries: %q", e.index.count, e.index.contents())
	}
}

func TestDefaultPolicies(t *testing.T) {
	for id, want := range map[protocols.NameID]Policy{
		protocols.NameUserAgent: PolicyIndex, protocols.NameAccept: PolicyIndex, protocols.NameContentType: PolicyIndex,
		protocols.NameVia: PolicyIndex, protocols.NameServer: PolicyIndex, protocols.NameXForwardedProto: PolicyIndex,
		protocols.NameContentLength: PolicyNoIndex, protocols.NameXRequestID: PolicyNoIndex, protocols.NameDate: PolicyNoIndex,
		protocols.NameETag: PolicyNoIndex, protocols.NameCookie: PolicyNoIndex, protocols.NameSetCookie: PolicyNoIndex,
		protocols.NameTraceparent: PolicyNoIndex, protocols.NameGRPCTimeout: PolicyNoIndex, protocols.NameLocation: PolicyNoIndex,
		protocols.NameAuthorization: PolicyNever, protocols.NameProxyAuthorization: PolicyNever,
		protocols.NameOther: PolicyRepeat, protocols.NameID(200): PolicyRepeat,
	} {
		if got := DefaultPolicy(id); got != want {
			t.Errorf("%s (%d): %d, want %d", id, id, got, want)
		}
	}
}

func TestNamesAreLowered(t *testing.T) {
	long := strings.Repeat("Long-Name-", 20)
	for _, name := range []string{"X-Custom", "X", "ALL-UPPER-CASE-NAME", "x-a[Z]@`{", "\xc1\xda-Z", "Accept-Language", "A" + long, long} {
		var (
			e Encoder
			d Decoder
			s Scratch
		)
		f := testField{name: []byte(name), value: []byte("Value")}
		before := string(f.name)
		block := e.Append(nil, 0, f.name, f.value, PolicyRepeat)
		block = e.Append(block, 0, []byte(lowered(f.name)), f.value, PolicyRepeat)
		got, err := decodeLines(&d, block, &s)
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, name, got, []string{f.String(), f.String()})
		if string(f.name) != before {
			t.Errorf("the caller's name became %q", f.name)
		}
	}
	// With an id the name is not looked at.
	var e Encoder
	if got := e.Append(nil, protocols.NameAccept, []byte("other"), []byte("a"), PolicyNoIndex); !bytes.Equal(got, []byte("\x0f\x04\x01a")) {
		t.Errorf("accept is %x", got)
	}
}

func TestTableSizeUpdates(t *testing.T) {
	for _, c := range []struct {
		name string
		max  []int
		want string
	}{
		{"nothing", nil, ""},
		{"the same", []int{4096}, ""},
		{"more than we use", []int{65536}, ""},
		{"less", []int{100}, "3f45"},
		{"nothing at all", []int{0}, "20"},
		{"negative", []int{-1}, "20"},
		{"less and more", []int{100, 4096}, "3f45 3fe11f"},
		{"less and still less", []int{100, 10}, "2a"},
		{"the smallest and the last", []int{100, 10, 2000, 50}, "2a 3f13"},
		{"more and less", []int{8192, 100}, "3f45"},
	} {
		var e Encoder
		for _, n := range c.max {
			e.SetMax(n)
		}
		if got := e.Begin(nil); !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%s: %x, want %s", c.name, got, c.want)
		}
		if got := e.Begin(nil); len(got) != 0 {
			t.Errorf("%s: %x in the second block", c.name, got)
		}
	}
}

func TestWithoutTable(t *testing.T) {
	var e Encoder
	e.SetMax(0)
	e.Begin(nil)
	for range 3 {
		for _, p := range []Policy{PolicyIndex, PolicyRepeat, PolicyNoIndex} {
			wantBlock(t, "via", e.Append(nil, protocols.NameVia, nil, []byte("1.1 a"), p), literalNoIndex, literalMask)
			wantBlock(t, "x-forwarded-for", e.Append(nil, protocols.NameXForwardedFor, nil, []byte("::1"), p), literalNoIndex, literalMask)
			wantBlock(t, "other", e.Append(nil, 0, []byte("x-other"), []byte("1"), p), literalNoIndex, literalMask)
		}
	}
	if e.index.count != 0 || e.index.arena != nil {
		t.Errorf("%d entries, %d bytes", e.index.count, cap(e.index.arena))
	}
}

func TestStaticFieldsTakeAByte(t *testing.T) {
	var e Encoder
	for i, f := range staticTable {
		if f.value == "" {
			continue
		}
		field := fieldOf(f.name, f.value)
		if got := field.append(&e, nil, PolicyIndex); !bytes.Equal(got, []byte{0x80 | byte(i+1)}) {
			t.Errorf("%s: %s is %x", f.name, f.value, got)
		}
	}
}
