package router

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"sluice/protocols"
)

func TestMatchKinds(t *testing.T) {
	table := compile(t, single(
		to("prefix", Match{Prefix: "/api"}),
		to("path", Match{Path: "/Exact/Path"}),
		to("regex", Match{Regex: `/items/[0-9]+$`}),
		to("header", Match{Prefix: "/h", Headers: []HeaderMatch{{Name: "X-Env", Value: "test"}}}),
		to("two", Match{Prefix: "/h", Headers: []HeaderMatch{{Name: "x-a", Value: "^1"}, {Name: "x-b", Value: "^b+$", Regex: true}}}),
		to("post", Match{Path: "/m", Headers: []HeaderMatch{{Name: "Method", Value: "POST"}}}),
		to("read", Match{Path: "/m", Headers: []HeaderMatch{{Name: "method", Value: "^(GET|HEAD)$", Regex: true}}}),
		to("encoded", Match{Prefix: "/sp%20ace/"}),
		to("dotfiles", Match{Prefix: "/."}),
	))
	for _, tc := range []struct {
		h    *protocols.Header
		want string
	}{
		{request("GET", "a", "/api"), "prefix"},
		{request("GET", "a", "/apiary/x?y"), "prefix"},
		{request("GET", "a", "/x/../api/x"), "prefix"},
		{request("GET", "a", "/%61pi"), "prefix"},
		{request("GET", "a", "/API"), "(no_route)"},
		{request("GET", "a", "/ap?/api"), "(no_route)"},
		{request("GET", "a", "/exact/PATH?q"), "path"},
		{request("GET", "a", "/exact/path/"), "(no_route)"},
		{request("GET", "a", "/shop/items/42?x"), "regex"},
		{request("GET", "a", "/shop/items/x"), "(no_route)"},
		{request("GET", "a", "/h", "x-env", "test"), "header"},
		{request("GET", "a", "/h", "x-env", "Test"), "(no_route)"},
		{request("GET", "a", "/h", "x-a", "^1", "X-B", "bbb"), "two"},
		{request("GET", "a", "/h", "x-a", "^1"), "(no_route)"},
		{request("POST", "a", "/m"), "post"},
		{request("HEAD", "a", "/m"), "read"},
		{request("PUT", "a", "/m", "method", "POST"), "(no_route)"},
		{request("GET", "a", "/sp%20ace/x"), "encoded"},
		{request("GET", "a", "/.git/config"), "dotfiles"},
		{request("GET", "a", "/../api"), "(protocol_error)"},
	} {
		if got := clusterOf(table, tc.h); got != tc.want {
			t.Errorf("%s %s goes to %s, want %s", tc.h.MethodBytes(), tc.h.Path(), got, tc.want)
		}
	}
}

func TestFirstInListOrderWins(t *testing.T) {
	table := compile(t, single(
		to("long", Match{Prefix: "/a/b/c"}),
		to("cond", Match{Prefix: "/", Headers: []HeaderMatch{{Name: "x", Value: "1"}}}),
		to("short", Match{Prefix: "/a"}),
		to("never", Match{Path: "/a/b"}),
		to("regex", Match{Regex: "z$"}),
		to("path", Match{Path: "/p"}),
		to("rpc", Match{Headers: []HeaderMatch{{Name: "y", Value: "1"}}}),
		to("path2", Match{Path: "/q"}),
		to("rest", Match{Prefix: "/"}),
		to("none", Match{}),
	))
	for _, tc := range []struct {
		h    *protocols.Header
		want string
	}{
		{request("GET", "a", "/a/b/cd"), "long"},
		{request("GET", "a", "/a/b/cd", "x", "1"), "long"},
		{request("GET", "a", "/a/b", "x", "1"), "cond"},
		{request("GET", "a", "/a/b"), "short"},
		{request("GET", "a", "/az"), "short"},
		{request("GET", "a", "/bz"), "regex"},
		{request("GET", "a", "/p", "y", "1"), "path"},
		{request("GET", "a", "/q", "y", "1"), "rpc"},
		{request("GET", "a", "/q", "y", "2"), "path2"},
		{request("GET", "a", "/other"), "rest"},
		{request("CONNECT", "a:443", ""), "rest"},
		{request("OPTIONS", "a", "*"), "rest"},
	} {
		if got := clusterOf(table, tc.h); got != tc.want {
			t.Errorf("%s goes to %s, want %s", tc.h.Path(), got, tc.want)
		}
	}
}

func TestServiceRules(t *testing.T) {
	table := compile(t, single(
		to("one", Match{Headers: []HeaderMatch{{Name: "service", Value: "com.a.One:1.0"}}}),
		to("both", Match{Headers: []HeaderMatch{{Name: "service", Value: ".*"}, {Name: "x", Value: "1"}}}),
		to("any", Match{Headers: []HeaderMatch{{Name: "service", Value: ".*"}}}),
	))
	for _, tc := range []struct{ service, want string }{
		{"com.a.One:1.0", "one"}, {"com.a.Two:1.0", "any"}, {"", "(no_route)"}, {".*", "any"},
	} {
		if got := clusterOf(table, request("", "", "", "service", tc.service)); got != tc.want {
			t.Errorf("service %q goes to %s, want %s", tc.service, got, tc.want)
		}
	}
	if got := clusterOf(table, request("", "", "")); got != "(no_route)" {
		t.Errorf("no service goes to %s", got)
	}
}

func TestMatchTellsTheVirtualHost(t *testing.T) {
	table := compile(t, &Config{VirtualHosts: []VirtualHost{
		{Name: "empty", Domains: []string{"a.com"}},
		{Name: "full", Domains: []string{"b.com"}, Routes: []Rule{to("x", Match{Path: "/x"}), to("y", Match{Path: "/y"})}},
	}})
	r, h, refused := table.Match(&Input{Header: request("GET", "a.com", "/")})
	if r != nil || h == nil || h.Name != "empty" || refused != errNoRule {
		t.Errorf("a.com: %v, %v, %v", r, h, refused)
	}
	r, h, refused = table.Match(&Input{Header: request("GET", "c.com", "/")})
	if r != nil || h != nil || refused != errNoHost {
		t.Errorf("c.com: %v, %v, %v", r, h, refused)
	}
	in := &Input{Header: request("GET", "b.com", "/%79")}
	r, h, refused = table.Match(in)
	if refused != nil || h != table.Hosts()[1] || r != table.Routes()[1] || r.Host != h || r.Index != 1 || h.Index != 1 {
		t.Errorf("b.com: %v, %v, %v", r, h, refused)
	}
	if string(in.Path()) != "/y" {
		t.Errorf("the path is %q, want /y", in.Path())
	}
}

// linear is the specification: the first rule of the list that matches, tried one by one.
func linear(rules []Rule, h *protocols.Header) int {
	path, err := NormalPath(nil, h.Path())
	if err != nil {
		return -1
	}
next:
	for i := range rules {
		m := &rules[i].Match
		switch {
		case m.Prefix != "":
			if !strings.HasPrefix(string(path), m.Prefix) {
				continue
			}
		case m.Path != "":
			if !strings.EqualFold(string(path), m.Path) {
				continue
			}
		case m.Regex != "":
			if !regexp.MustCompile(m.Regex).Match(path) {
				continue
			}
		}
		for _, hm := range m.Headers {
			v := h.Lookup(hm.Name)
			if v == nil || hm.Regex && !regexp.MustCompile(hm.Value).Match(v) || !hm.Regex && string(v) != hm.Value {
				continue next
			}
		}
		return i
	}
	return -1
}

func TestIndexAgreesWithTryingOneByOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, 1+rng.IntN(3))
		for i := range b {
			b[i] = "abAB"[rng.IntN(4)]
		}
		return string(b)
	}
	path := func() string {
		p := "/" + word()
		for range rng.IntN(3) {
			p += "/" + word()
		}
		return p
	}
	for range 200 {
		rules := make([]Rule, 1+rng.IntN(40))
		for i := range rules {
			var m Match
			switch rng.IntN(8) {
			case 0, 1, 2:
				m.Prefix = path()
			case 3, 4:
				m.Path = path()
			case 5:
				m.Regex = word()
			}
			for range rng.IntN(3) {
				m.Headers = append(m.Headers, HeaderMatch{Name: word()[:1], Value: word()[:1], Regex: rng.IntN(4) == 0})
			}
			if rng.IntN(2) == 0 && m.Prefix+m.Path+m.Regex != "" {
				m.Headers = nil
			}
			rules[i] = to(fmt.Sprint("c", i), m)
		}
		table := compile(t, single(rules...))
		in := &Input{}
		for range 50 {
			h := request("GET", "h", path())
			for range rng.IntN(4) {
				h.AddString(word()[:1], word())
			}
			in.Header = h
			got := -1
			if r, _, _ := table.Match(in); r != nil {
				got = r.Index
			}
			if want := linear(rules, h); got != want {
				t.Fatalf("%s %q gets rule %d, one by one %d, of %+v", h.Path(), h.AppendLines(nil), got, want, rules)
			}
		}
	}
}
