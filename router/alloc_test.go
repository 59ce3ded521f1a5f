//go:build !race

package router

import (
	"testing"

	"sluice/protocols"
)

func TestTheRequestPathAllocatesNothing(t *testing.T) {
	table := compile(t, &Config{
		Headers: HeaderOps{RequestAdd: []HeaderOp{{Name: "X-A", Value: "b", Append: true}, {Name: "X-V", Value: "%v%"}}},
		VirtualHosts: []VirtualHost{
			{Domains: []string{"a.com", "*.b.com:80", "[::1]"}, Routes: []Rule{
				{Match: Match{Path: "/Exact"}, Weighted: []WeightedCluster{{Cluster: "a", Weight: 1}, {Cluster: "b", Weight: 2}}},
				{Match: Match{Headers: []HeaderMatch{{Name: "service", Value: "s"}}}, Cluster: "c", HostRewrite: "h"},
				{Match: Match{Headers: []HeaderMatch{{Name: "x-env", Value: "^t", Regex: true}, {Name: "method", Value: "GET"}}}, Cluster: "c"},
				{Match: Match{Regex: "[0-9]+$"}, Cluster: "c"},
				{Match: Match{Prefix: "/api/"}, Cluster: "c", PrefixRewrite: "/v2/", AutoHostRewrite: true},
				{Match: Match{Prefix: "/"}, Redirect: &Redirect{Scheme: "https", Host: "c.com"}},
			}},
		}})
	var heads []*protocols.Header
	for _, authority := range []string{"A.com:8080", "x.B.com:80", "[::1]:80"} {
		for _, target := range []string{"/eXact?q", "/api/x/y?q", "/x/../api/%61?q", "//n/42", "/", "*"} {
			heads = append(heads, request("GET", authority, target, "Accept", "*/*", "X-Env", "prod", "X-A", "a"))
		}
	}
	heads = append(heads, request("POST", "a.com", "/x", "Service", "s"), request("GET", "a.com", "/x", "X-Env", "test"))
	in, h, loc, v := &Input{}, &protocols.Header{}, make([]byte, 0, 256), &oneValue{b: []byte("v")}
	routes := map[int]bool{}
	allocs := testing.AllocsPerRun(5, func() {
		for k := range 1000 {
			h.CopyFrom(heads[k%len(heads)])
			in.Reset()
			in.Header, in.Random = h, uint64(k)<<54
			r, _, refused := table.Match(in)
			if refused != nil {
				t.Fatal(refused)
			}
			if r.Rule.Redirect != nil {
				loc = r.AppendLocation(loc[:0], h, "http")
			} else if r.Target(in.Random).Cluster < 0 {
				t.Fatal("no cluster")
			}
			r.EditRequest(h, v)
			if refused = r.RewritePath(in); refused != nil {
				t.Fatal(refused)
			}
			r.RewriteHost(h, "endpoint")
			routes[r.Index] = true
		}
	})
	if allocs != 0 {
		t.Errorf("1000 requests allocate %v times", allocs)
	}
	if len(routes) != len(table.Routes()) {
		t.Errorf("only the routes %v were used", routes)
	}
}

// oneValue gives the same value for each template.
type oneValue struct{ b []byte }

func (v *oneValue) Value(int) []byte { return v.b }
