package router

import (
	"bytes"
	"strings"
	"testing"

	"sluice/protocols"
)

func TestNormalPath(t *testing.T) {
	for _, tc := range []struct{ target, want string }{
		{"/", "/"},
		{"", "/"},
		{"*", "/"},
		{"/a/b?x=/../y%2f", "/a/b"},
		{"/?", "/"},
		{"/.well-known/x", "/.well-known/x"},
		{"/a/...", "/a/..."},
		{"/a/..b/.c", "/a/..b/.c"},
		{"/a.b/c..d", "/a.b/c..d"},
		{"//a///b//", "/a/b/"},
		{"/./a/./b/.", "/a/b/"},
		{"/a/..", "/"},
		{"/a/../", "/"},
		{"/a/b/../c", "/a/c"},
		{"/a/b/../../c/", "/c/"},
		{"/public/../admin", "/admin"},
		{"/public/%2e%2E/admin", "/admin"},
		{"/public/.%2e/admin", "/admin"},
		{"/%61dmin", "/admin"},
		{"/a%20b%c3%A9", "/a b\xc3\xa9"},
		{"/a%2Fb", "/a/b"},
		{"/a/%2Fb", "/a/b"},
		{"/a%252e%252e/b", "/a%2e%2e/b"},
		{"/100%", "/100%"},
		{"/100%2", "/100%2"},
		{"/100%zz", "/100%zz"},
		{"/a%23b%3Fc", "/a#b?c"},
		{`/a\b%5cc`, `/a\b\c`},
		{"/a%01", "/a\x01"},
		{"/.;x/a", "/.;x/a"},
	} {
		got, err := NormalPath(make([]byte, 0, 4), []byte(tc.target))
		if err != nil || string(got) != tc.want {
			t.Errorf("NormalPath(%q) = %q, %v, want %q", tc.target, got, err, tc.want)
		}
	}
}

func TestNormalPathRefusesWhatServersReadDifferently(t *testing.T) {
	for _, tc := range []struct {
		target string
		want   *protocols.Error
	}{
		{"/..", errPathClimbs},
		{"/../a", errPathClimbs},
		{"/a/../../b", errPathClimbs},
		{"/a/../..", errPathClimbs},
		{"/%2e%2e/a", errPathClimbs},
		{"/./..", errPathClimbs},
		{"/public/..%2fadmin", errPathDots},
		{"/public%2f../admin", errPathDots},
		{"/public%2f..%2Fadmin", errPathDots},
		{`/public/..\admin`, errPathDots},
		{`/public\..\admin`, errPathDots},
		{`/public\../admin`, errPathDots},
		{"/public/..%5Cadmin", errPathDots},
		{`/x/public\..`, errPathDots},
		{"/a/b//../admin", errPathDots},
		{"/a/../b%2fc", errPathDots},
		{"/public/..;/admin", errPathDots},
		{"/public/..;a=b/admin", errPathDots},
		{"/public/..;", errPathDots},
		{"/public/%2e.%3b/admin", errPathDots},
		{"/a#b", errPathFragment},
		{"/a/#/../b", errPathFragment},
		{"/a%00.html", errPathNUL},
		{"/a\x01", errPathNUL},
		{"/a\x7f", errPathNUL},
		{"a/b", errPathStart},
		{"http://a/", errPathStart},
		{"**", errPathStart},
	} {
		if got, err := NormalPath(nil, []byte(tc.target)); err != tc.want {
			t.Errorf("NormalPath(%q) = %q, %v, want the error %v", tc.target, got, err, tc.want)
		}
	}
}

func TestNormalPathReturnsANormalTargetItself(t *testing.T) {
	target := []byte("/a/b.c?d")
	got, err := NormalPath(nil, target)
	if err != nil || &got[0] != &target[0] {
		t.Errorf("NormalPath copied %q (%v)", target, err)
	}
}

// FuzzNormalPath checks that the result is a fixed point (but for its percent signs) with no dot segment in it.
func FuzzNormalPath(f *testing.F) {
	for _, s := range []string{"/a/../b", "//a", "/%2e%2e/", "/a%2fb", `/a\..`, "/..;/", "/a/./", "*", "/%", "/%2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		before := bytes.Clone(target)
		got, err := NormalPath(nil, target)
		if !bytes.Equal(before, target) {
			t.Fatalf("the target %q became %q", before, target)
		}
		if err != nil {
			return
		}
		if len(got) == 0 || got[0] != '/' {
			t.Fatalf("NormalPath(%q) = %q does not start with /", target, got)
		}
		for _, s := range strings.Split(string(got), "/") {
			if s == "." || s == ".." {
				t.Fatalf("NormalPath(%q) = %q has a dot segment", target, got)
			}
		}
		if bytes.Contains(got, []byte("//")) {
			t.Fatalf("NormalPath(%q) = %q has an empty segment", target, got)
		}
		again, err := NormalPath(nil, appendEscaped(nil, got))
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("NormalPath(%q) = %q, which escaped normalises to %q, %v", target, got, again, err)
		}
	})
}
