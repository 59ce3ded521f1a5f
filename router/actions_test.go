package router

import (
	"strings"
	"testing"

	"sluice/protocols"
)

func TestRewritePath(t *testing.T) {
	prefix := func(p, to string) Rule { return Rule{Match: Match{Prefix: p}, Cluster: "c", PrefixRewrite: to} }
	regex := func(re, to string) Rule {
		return Rule{Match: Match{Prefix: "/"}, Cluster: "c", RegexRewrite: &RegexRewrite{re, to}}
	}
	for _, tc := range []struct {
		rule         Rule
		target, want string
	}{
		{prefix("/a", "/b"), "/a/x?q=/a", "/b/x?q=/a"},
		{prefix("/a", "/b"), "/a", "/b"},
		{prefix("/a", "/b"), "/abc", "/bbc"},
		{prefix("/a", "/"), "/a/x", "/x"},
		{prefix("/a", "/"), "/a", "/"},
		{prefix("/a/", "/"), "/a/x", "/x"},
		{prefix("/a/", "/b"), "/a/x", "/bx"},
		{prefix("/", "/v1/"), "/x", "/v1/x"},
		{prefix("/", "/v1"), "/x", "/v1x"},
		{prefix("/a", "/a"), "/a/x", "/a/x"},
		{prefix("/a", "/b c%20d%"), "/a/x", "/b%20c%20d%25/x"},
		{prefix("/a", "/b"), "/a/x%2Fy%20z", "/b/x%2Fy%20z"}, // what follows stays as it came
		{prefix("/a", "/b"), "/a//x", "/b//x"},               //
		{prefix("/a", "/b"), "/%61/x%2Fy%20z", "/b/x/y%20z"}, // found by decoding: rewritten in normal form
		{prefix("/a", "/b"), "//a/x", "/b/x"},                //
		{prefix("/a", "/b"), "/z/../a/x%3F?q", "/b/x%3F?q"},  //
		{prefix("/a", "/b"), "/a/../a/x", "/b/x"},            // the literal prefix is not the one that counts
		{prefix("/a%20b", "/c"), "/a%20b/x", "/c/x"},         //
		{Rule{Match: Match{Path: "/A"}, Cluster: "c", PrefixRewrite: "/b"}, "/a?q", "/b?q"},
		{regex("^/a/([^/]+)/(.*)$", `/b/\2/\1`), "/a/x/y/z?q", "/b/y/z/x?q"},
		{regex("^/a/([^/]+)$", "/b/$1x"), "/a/1", "/b/1x"},
		{regex("^/a/(?P<id>[0-9]+)$", "/b/${id}/$0"), "/a/1", "/b/1//a/1"},
		{regex("a", "b"), "/a/a", "/b/b"},
		{regex("^/a", "b"), "/a/x", "/b/x"},
		{regex("^.*$", ""), "/a", "/"},
		{regex("x", "y"), "/a", "/a"},
		{regex("^/a", `/c\$1\\`), "/a", `/c$1%5C`},
		{regex(" ", "-"), "/a%20b", "/a-b"},
		{prefix("/", "/b"), "*", "*"},
		{prefix("/", "/b"), "", ""},
	} {
		table := compile(t, single(tc.rule))
		in := &Input{Header: request("GET", "a", tc.target)}
		r, _, refused := table.Match(in)
		if refused != nil {
			t.Errorf("%s: %v", tc.target, refused)
			continue
		}
		if refused = r.RewritePath(in); refused != nil {
			t.Errorf("%s: %v", tc.target, refused)
		}
		if got := string(in.Header.Path()); got != tc.want {
			t.Errorf("%+v: %s becomes %s, want %s", tc.rule.Match, tc.target, got, tc.want)
		}
		original, want := string(in.Header.Lookup("X-Mosn-Original-Path")), ""
		if tc.target != tc.want {
			want, _, _ = strings.Cut(tc.target, "?")
		}
		if original != want {
			t.Errorf("%s: the original path is %q, want %q", tc.target, original, want)
		}
	}
}

func TestRewritesMakeNoDotSegments(t *testing.T) {
	for _, tc := range []struct {
		rule   Rule
		target string
	}{
		{Rule{Match: Match{Prefix: "/img"}, PrefixRewrite: "/files/"}, "/img../secret"},
		{Rule{Match: Match{Prefix: "/img"}, PrefixRewrite: "/"}, "/img.."},
		{Rule{Match: Match{Prefix: "/img"}, PrefixRewrite: "/"}, "/img%2e%2e/secret"},
		{Rule{Match: Match{Prefix: "/img"}, PrefixRewrite: "/"}, "/%69mg../secret"},
		{Rule{Match: Match{Prefix: "/img"}, PrefixRewrite: "/files/"}, "/img./x"},
		{Rule{Match: Match{Prefix: "/"}, RegexRewrite: &RegexRewrite{"^/img(.*)$", `/files/\1`}}, "/img../secret"},
	} {
		tc.rule.Cluster = "c"
		table := compile(t, single(tc.rule))
		in := &Input{Header: request("GET", "a", tc.target)}
		r, _, refused := table.Match(in)
		if refused != nil {
			t.Errorf("%s: %v", tc.target, refused)
			continue
		}
		if refused = r.RewritePath(in); refused != errRewrittenDots || refused.Reason.Status() != 400 {
			t.Errorf("%s becomes %s (%v), want a refusal", tc.target, in.Header.Path(), refused)
		}
		if got := string(in.Header.Path()); got != tc.target || in.Header.Lookup("x-mosn-original-path") != nil {
			t.Errorf("%s was refused, but became %s", tc.target, got)
		}
	}
}

func TestPrefixRewriteBeatsRegexRewrite(t *testing.T) {
	table := compile(t, single(Rule{Match: Match{Prefix: "/a"}, Cluster: "c", PrefixRewrite: "/p",
		RegexRewrite: &RegexRewrite{Regex: "a", Substitution: "r"}}))
	in := &Input{Header: request("GET", "a", "/a", "x-mosn-original-path", "/forged")}
	if refused := table.Routes()[0].RewritePath(in); refused != nil {
		t.Error(refused)
	}
	if got := string(in.Header.Path()); got != "/p" {
		t.Errorf("the path is %s", got)
	}
	if got := string(in.Header.AppendLines(nil)); got != "x-mosn-original-path: /a\r\n" {
		t.Errorf("the header is %q", got)
	}
}

func TestRewriteHost(t *testing.T) {
	for _, tc := range []struct {
		rule     Rule
		endpoint string
		want     string
	}{
		{Rule{}, "e", "client"},
		{Rule{HostRewrite: "h:80", AutoHostRewrite: true, AutoHostRewriteHeader: "x-host"}, "e", "h:80"},
		{Rule{AutoHostRewrite: true, AutoHostRewriteHeader: "x-host"}, "e", "from-header"},
		{Rule{AutoHostRewrite: true, AutoHostRewriteHeader: "x-none"}, "e", "e"},
		{Rule{AutoHostRewrite: true, AutoHostRewriteHeader: "x-bad"}, "e", "e"},
		{Rule{AutoHostRewrite: true}, "", "client"},
		{Rule{AutoHostRewriteHeader: "x-bad"}, "e", "client"},
	} {
		tc.rule.Cluster = "c"
		r := compile(t, single(tc.rule)).Routes()[0]
		h := request("GET", "client", "/", "X-Host", "from-header", "X-Bad", "a/b, c")
		r.RewriteHost(h, tc.endpoint)
		if got := string(h.Authority()); got != tc.want {
			t.Errorf("%+v: the host is %s, want %s", tc.rule, got, tc.want)
		}
	}
}

func TestAppendLocation(t *testing.T) {
	for _, tc := range []struct {
		to                        Redirect
		scheme, authority, target string
		want                      string
	}{
		{Redirect{Path: "/new"}, "http", "a.com", "/old?q=1", "http://a.com/new?q=1"},
		{Redirect{Path: "/new?x"}, "http", "a.com", "/old?q=1", "http://a.com/new?x"},
		{Redirect{Path: "/new"}, "http", "a.com:8080", "/old", "http://a.com:8080/new"},
		{Redirect{Host: "b.com"}, "https", "a.com:8443", "/x%2Fy?q", "https://b.com/x%2Fy?q"},
		{Redirect{Host: "b.com:81"}, "http", "a.com", "/", "http://b.com:81/"},
		{Redirect{Scheme: "https"}, "http", "a.com:80", "/x", "https://a.com/x"},
		{Redirect{Scheme: "http"}, "https", "[::1]:443", "/x", "http://[::1]/x"},
		{Redirect{Scheme: "https"}, "http", "a.com:8080", "/x", "https://a.com:8080/x"},
		{Redirect{Scheme: "http", Path: "/x"}, "http", "a.com:80", "/", "http://a.com:80/x"},
		{Redirect{Scheme: "https"}, "http", "", "//evil.com/x?q", "/evil.com/x?q"},
		{Redirect{Scheme: "https"}, "http", "", `/\evil.com`, `\evil.com`},
		{Redirect{Path: "/x"}, "http", "a.com", "*", "http://a.com/x"},
		{Redirect{Host: "b.com"}, "http", "a.com", "", "http://b.com/"},
	} {
		r := compile(t, single(Rule{Redirect: &tc.to})).Routes()[0]
		got := string(r.AppendLocation([]byte(">"), request("GET", tc.authority, tc.target), tc.scheme))
		if got != ">"+tc.want {
			t.Errorf("%+v of %s%s: %s, want %s", tc.to, tc.authority, tc.target, got, tc.want)
		}
	}
	r := compile(t, single(Rule{Redirect: &Redirect{Scheme: "https"}})).Routes()[0]
	h := request("GET", "a.com:443", "/")
	h.SetScheme([]byte("HTTPS"))
	if got := string(r.AppendLocation(nil, h, "http")); got != "HTTPS://a.com:443/" {
		t.Errorf("the scheme that the request names: %s", got)
	}
	if got := r.RedirectCode(); got != 301 {
		t.Errorf("the code is %d", got)
	}
}

// values gives fixed values.
type values []string

func (v values) Value(i int) []byte {
	if v[i] == "" {
		return nil
	}
	return []byte(v[i])
}

func TestHeaderSteps(t *testing.T) {
	set := func(name, value string) HeaderOp { return HeaderOp{Name: name, Value: value} }
	add := func(name, value string) HeaderOp { return HeaderOp{Name: name, Value: value, Append: true} }
	cfg := single(
		Rule{Match: Match{Path: "/1"}, Cluster: "c", Headers: HeaderOps{
			RequestAdd: []HeaderOp{set("A", "route"), add("List", "route"), set("Gone", "x"), set("Dyn", "%v1%"), add("List", "%v2%"),
				set("Nil", "%nil%"), set("Evil", "%evil%"), set("Percent", "50% of 100%")},
			RequestRemove:  []string{"Gone", "Client"},
			ResponseAdd:    []HeaderOp{add("Set-Cookie", "b=2"), set("Server", "x")},
			ResponseRemove: []string{"X-Powered-By"},
		}},
		Rule{Match: Match{Path: "/2"}, Cluster: "c"},
		Rule{Match: Match{Path: "/3"}, Cluster: "c", Headers: HeaderOps{RequestAdd: []HeaderOp{set("Host", "set.com")}}},
		Rule{Match: Match{Path: "/4"}, Cluster: "c", Headers: HeaderOps{RequestAdd: []HeaderOp{set("host", "%v1%")}}},
	)
	cfg.VirtualHosts[0].Headers = HeaderOps{RequestAdd: []HeaderOp{set("A", "host"), add("List", "host")}, RequestRemove: []string{"Dyn2"}}
	cfg.Headers = HeaderOps{RequestAdd: []HeaderOp{add("List", "global"), set("Dyn2", "%v1%")}, ResponseAdd: []HeaderOp{set("Via", "g")}}
	table := compile(t, cfg)
	var texts []string
	for _, tpl := range table.Templates() {
		texts = append(texts, tpl.Text)
	}
	if got := strings.Join(texts, " "); got != "%v1% %v2% %nil% %evil%" {
		t.Fatalf("the templates are %s", got)
	}
	v := values{"one", "two", "", "a\r\nb"}
	h := request("GET", "a", "/1", "List", "client", "Client", "x", "a", "client", "A", "again")
	table.Routes()[0].EditRequest(h, v)
	want := "List: client,route,two,host,global\r\nA: host\r\nDyn: one\r\nPercent: 50% of 100%\r\nDyn2: one\r\n"
	if got := string(h.AppendLines(nil)); got != want {
		t.Errorf("route 1 makes of the request\n%q, want\n%q", got, want)
	}
	h = request("", "", "", "Set-Cookie", "a=1", "x-powered-by", "php", "server", "old")
	table.Routes()[0].EditResponse(h, v)
	want = "Set-Cookie: a=1\r\nServer: x\r\nSet-Cookie: b=2\r\nVia: g\r\n"
	if got := string(h.AppendLines(nil)); got != want {
		t.Errorf("route 1 makes of the answer\n%q, want\n%q", got, want)
	}
	h = request("GET", "a", "/2")
	table.Routes()[1].EditRequest(h, nil)
	if got := string(h.AppendLines(nil)); got != "A: host\r\nList: host,global\r\n" {
		t.Errorf("route 2 without values makes %q", got)
	}
	for i, want := range map[int]string{2: "set.com", 3: "one"} {
		h = request("GET", "a", "/")
		table.Routes()[i].EditRequest(h, v)
		if got := string(h.Authority()); got != want {
			t.Errorf("route %d makes the host %q, want %q", i+1, got, want)
		}
		if h.Has(protocols.NameHost) {
			t.Errorf("route %d adds a host field", i+1)
		}
	}
}
