package router

import (
	"strings"
	"testing"
)

// hosts makes a table in which each domain is a virtual host named after it.
func hosts(t testing.TB, domains ...string) *Table {
	cfg := &Config{}
	for _, d := range domains {
		cfg.VirtualHosts = append(cfg.VirtualHosts, VirtualHost{Name: d, Domains: []string{d}})
	}
	return compile(t, cfg)
}

func hostOf(table *Table, authority string) string {
	_, h, _ := table.Match(&Input{Header: request("GET", authority, "/")})
	if h == nil {
		return ""
	}
	return h.Name
}

func TestVirtualHostOrder(t *testing.T) {
	all := []string{"*", "A.com", "a.com:80", "a.com:*", "*.a.com", "*.a.com:80", "*.a.com:*", "*.x.a.com", "b.com", "c.com:*",
		"*.d.com:*", "*.y.d.com", "*-e.com", "*:9000", "[::1]", "[::2]:80", "::3", "127.0.0.1:81"}
	table := hosts(t, all...)
	for _, tc := range []struct{ authority, want string }{
		{"a.com", "A.com"},
		{"A.COM", "A.com"},
		{"a.com.", "A.com"},
		{"a.com:80", "a.com:80"},
		{"a.com.:80", "a.com:80"},
		{"a.com:81", "a.com:*"},
		{"a.com:", "A.com"},
		{"w.a.com", "*.a.com"},
		{"v.w.A.com", "*.a.com"},
		{"w.a.com:80", "*.a.com:80"},
		{"w.a.com:81", "*.a.com:*"},
		{"w.x.a.com", "*.x.a.com"},
		{"w.x.a.com:80", "*.a.com:80"},
		{"w.x.a.com:81", "*.a.com:*"},
		{"x.a.com", "*.a.com"},
		{".a.com", "*"},
		{"b.com", "b.com"},
		{"b.com:8080", "b.com"},
		{"c.com", "c.com:*"},
		{"c.com:1", "c.com:*"},
		{"w.y.d.com", "*.y.d.com"},
		{"w.y.d.com:1", "*.d.com:*"},
		{"w.d.com", "*.d.com:*"},
		{"a-e.com:1", "*-e.com"},
		{"-e.com", "*"},
		{"nowhere", "*"},
		{"nowhere:9000", "*:9000"},
		{"[::1]", "[::1]"},
		{"[::1]:8080", "[::1]"},
		{"[::2]:80", "[::2]:80"},
		{"[::2]", "*"},
		{"[::3]:1", "::3"},
		{"127.0.0.1:81", "127.0.0.1:81"},
		{"", "*"},
		{":80", "*"},
		{"[::1", "*"},
		{"a.com:99999", "A.com"},
		{"a.com:x", "A.com"},
		{strings.Repeat("w.", 200) + "a.com", "*"},
	} {
		if got := hostOf(table, tc.authority); got != tc.want {
			t.Errorf("%q goes to %q, want %q", tc.authority, got, tc.want)
		}
	}
}

func TestOnlyTheDefaultIgnoresTheHost(t *testing.T) {
	if got := hostOf(hosts(t, "*"), "\x00["); got != "*" {
		t.Errorf("the host went to %q", got)
	}
	if got := hostOf(hosts(t, "a.com"), ""); got != "" {
		t.Errorf("no host went to %q", got)
	}
}

func TestDomainMistakes(t *testing.T) {
	for _, tc := range []struct {
		domains []string
		want    string
	}{
		{nil, "no domain"},
		{[]string{""}, "the host is missing"},
		{[]string{":80"}, "the host is missing"},
		{[]string{"a.com:0"}, "must be a port"},
		{[]string{"a.com:65536"}, "must be a port"},
		{[]string{"a.com:http"}, "must be a port"},
		{[]string{"a.*.com"}, "a star stands at the beginning"},
		{[]string{"www.*"}, "a star stands at the beginning"},
		{[]string{"bücher.de"}, "xn--"},
		{[]string{"http://a.com"}, "must be a port"},
		{[]string{"a.com/x"}, "only the host goes here"},
		{[]string{"[a.com]"}, "IPv6"},
		{[]string{"[::1"}, "IPv6"},
		{[]string{strings.Repeat("a", 256)}, "255 bytes"},
		{[]string{"a.com", "b.com", "A.com."}, `"A.com." appears twice`},
		{[]string{"*", "*:*"}, `"*:*" appears twice`},
		{[]string{"*.a.com:80", "*.A.com:80"}, "appears twice: it is also at f:1"},
		{[]string{"::1", "[::1]"}, "appears twice"},
	} {
		cfg := &Config{VirtualHosts: []VirtualHost{{Origin: "f:1", Domains: tc.domains}}}
		if _, err := Compile(cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: the error is %v, want %q in it", tc.domains, err, tc.want)
		} else if !strings.HasPrefix(err.Error(), "f:1: domains: ") {
			t.Errorf("%q: the error %q does not begin with its place", tc.domains, err)
		}
	}
}
