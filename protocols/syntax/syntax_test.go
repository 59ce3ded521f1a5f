package syntax

import (
	"bytes"
	"testing"
)

// TestScansAgreeWithClasses: the scans of eight bytes find what looking at each byte finds, wherever it stands.
func TestScansAgreeWithClasses(t *testing.T) {
	for c := range 256 {
		for n := 1; n <= 20; n++ {
			for at := range n {
				b := bytes.Repeat([]byte("a"), n)
				b[at] = byte(c)
				if got, want := ScanValue(b, 0), Value.Scan(b, 0); got != want {
					t.Fatalf("ScanValue(%q) is %d, want %d", b, got, want)
				}
				if got, want := ScanTarget(b, 0), Target.Scan(b, 0); got != want {
					t.Fatalf("ScanTarget(%q) is %d, want %d", b, got, want)
				}
				if got, want := Value.All(b), Value.Scan(b, 0) == n; got != want {
					t.Fatalf("All(%q) is %v, want %v", b, got, want)
				}
			}
		}
	}
}

func TestSplitHost(t *testing.T) {
	for in, want := range map[string][2]string{
		"a": {"a", ""}, "a.b:80": {"a.b", "80"}, "[::1]": {"[::1]", ""}, "[::1]:443": {"[::1]", "443"}, "a:": {"a", ""},
	} {
		host, port, ok := SplitHost([]byte(in))
		if !ok || string(host) != want[0] || string(port) != want[1] {
			t.Errorf("%q: %q %q %v, want %q", in, host, port, ok, want)
		}
	}
	for _, in := range []string{"", ":80", "u@a", "a b", "a:80x", "a:65536", "a:123456", "[::1", "[x]", "a[b", "[::1]x", "a/b", "a,b", "a\x00"} {
		if host, port, ok := SplitHost([]byte(in)); ok {
			t.Errorf("%q: %q %q, want a refusal", in, host, port)
		}
	}
}

func TestIsProtocolName(t *testing.T) {
	for in, want := range map[string]bool{"websocket": true, "h2c": true, "a/1.1": true, "": false, "/": false, "a/": false, "/b": false,
		"a/b/c": false, "a b": false, "a,b": false} {
		if got := IsProtocolName([]byte(in)); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestEqualFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"Host", "hOST", true}, {"a", "ab", false}, {"[", "{", false}, {"@", "`", false}, {"", "", true}} {
		if got := EqualFold([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
