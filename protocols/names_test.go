package protocols

import (
	"strings"
	"testing"
)

func TestNamesAreFoundInAnyCaseAndShareNoSlot(t *testing.T) {
	for id := NameID(1); id < numNames; id++ {
		name := id.String()
		for _, s := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := LookupName([]byte(s)); got != id {
				t.Errorf("LookupName(%q) = %d (%q), want %d", s, got, got, id)
			}
		}
	}
	for id, want := range map[NameID]string{NameTE: "TE", NameXRequestID: "X-Request-Id", NameHost: "Host", NameGRPCStatus: "Grpc-Status"} {
		if got := id.Canonical(); got != want {
			t.Errorf("%q is written %q, want %q", id, got, want)
		}
	}
	for _, s := range []string{"", "x", "hosts", "hos", "h\x0fst", "content\rlength", "CONTENT_LENGTH", "connectioN\x00"} {
		if got := LookupName([]byte(s)); got != NameOther {
			t.Errorf("LookupName(%q) = %q, want none", s, got)
		}
	}
}

func TestEqualFoldOnlyFoldsLetters(t *testing.T) {
	if EqualFold([]byte("a@"), "a`") || EqualFold([]byte("[x"), "{x") {
		t.Error("@ and ` or [ and { differ by 0x20 but are not letters")
	}
	if !EqualFold([]byte("AbZ-9"), "aBz-9") {
		t.Error("AbZ-9 and aBz-9 should be equal")
	}
}
