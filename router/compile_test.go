package router

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestRuleMistakes(t *testing.T) {
	all := Match{Prefix: "/"}
	for _, tc := range []struct {
		rule Rule
		want string
	}{
		{Rule{Match: all}, "f:2: route: the rule does nothing"},
		{Rule{Match: all, Cluster: "a", Redirect: &Redirect{Path: "/x"}}, "f:2: route: the rule does several things"},
		{to("a", Match{Prefix: "api"}), `f:2: match.prefix: "api" can't match: a path starts with /`},
		{to("a", Match{Path: "/a?b"}), "without its query"},
		{to("a", Match{Path: "/a/../b"}), `"/a/../b" can't match`},
		{to("a", Match{Path: "/a/."}), `"/a/." can't match`},
		{to("a", Match{Prefix: "/a/./b"}), `"/a/./b" can't match`},
		{to("a", Match{Prefix: "/a//b"}), `"/a//b" can't match`},
		{to("a", Match{Prefix: "/a%00"}), `"/a%00" can't match: the path holds %00`},
		{to("a", Match{Regex: "a(?=b)"}), "f:2: match.regex: error parsing regexp"},
		{to("a", Match{Headers: []HeaderMatch{{Name: ":method", Value: "GET"}}}), `"method" matches the method`},
		{to("a", Match{Headers: []HeaderMatch{{Name: "x", Value: "[", Regex: true}}}), "f:2: match.headers.x: error parsing regexp"},
		{Rule{Match: all, Weighted: []WeightedCluster{{Cluster: "a"}, {Cluster: "b"}}}, "weights add up to zero"},
		{Rule{Match: all, Weighted: []WeightedCluster{{Weight: 1, Origin: "f:3"}}}, "f:3: route.weighted_clusters.cluster.name"},
		{Rule{Match: all, Direct: &DirectResponse{Status: 100}}, "direct_response.status: 100"},
		{Rule{Match: all, Redirect: &Redirect{Path: "/x", Code: 300}}, "redirect.response_code: 300"},
		{Rule{Match: all, Redirect: &Redirect{}}, "it would redirect to itself"},
		{Rule{Match: all, Redirect: &Redirect{Path: "x"}}, "must start with one /"},
		{Rule{Match: all, Redirect: &Redirect{Path: "//evil.com"}}, "must start with one /"},
		{Rule{Match: all, Redirect: &Redirect{Path: "/a b\r\nx"}}, "escape it (%20)"},
		{Rule{Match: all, Redirect: &Redirect{Host: "a/b"}}, "redirect.host_redirect"},
		{Rule{Match: all, Redirect: &Redirect{Scheme: "HTTPS"}}, "write it in lower case"},
		{Rule{Match: all, Redirect: &Redirect{Scheme: "javascript"}}, `must be "http" or "https"`},
		{Rule{Match: all, Cluster: "a", PrefixRewrite: "x"}, "must start with /"},
		{Rule{Match: all, Cluster: "a", PrefixRewrite: "/x?y"}, "query or fragment"},
		{Rule{Match: all, Cluster: "a", PrefixRewrite: "/x/../y"}, "has dot segments"},
		{Rule{Match: Match{Regex: "x"}, Cluster: "a", PrefixRewrite: "/x"}, "the rule has neither"},
		{Rule{Match: all, Cluster: "a", RegexRewrite: &RegexRewrite{}}, "the expression is missing"},
		{Rule{Match: all, Cluster: "a", RegexRewrite: &RegexRewrite{Regex: "(a)", Substitution: `\2`}}, "names group 2, but the expression has 1"},
		{Rule{Match: all, Cluster: "a", HostRewrite: "a b"}, "route.host_rewrite"},
		{Rule{Match: all, Cluster: "a", AutoHostRewriteHeader: "x y"}, "route.auto_host_rewrite_header"},
		{Rule{Match: all, Cluster: "a", Retry: RetryPolicy{Tries: -1}}, "-1 is negative"},
		{Rule{Match: all, Cluster: "a", Retry: RetryPolicy{StatusCodes: []int{5}}}, "5 is not an HTTP status"},
		{Rule{Match: all, Cluster: "a", Retry: RetryPolicy{GRPCStatuses: 1}}, "0 is not the grpc-status of a failed call"},
		{Rule{Match: all, Cluster: "a", Retry: RetryPolicy{GRPCStatuses: 1 << 17}}, "17 is not the grpc-status of a failed call"},
		{Rule{Match: all, Cluster: "a", Headers: HeaderOps{RequestAdd: []HeaderOp{{Name: "a b"}}}}, `"a b" is no header name`},
		{Rule{Match: all, Cluster: "a", Headers: HeaderOps{ResponseAdd: []HeaderOp{{Name: "a", Value: "x\r\ny"}}}}, "line break"},
		{Rule{Match: all, Cluster: "a", Headers: HeaderOps{RequestRemove: []string{"Content-Length"}}}, "belongs to the connection"},
		{Rule{Match: all, Cluster: "a", Headers: HeaderOps{RequestRemove: []string{"host"}}}, "belongs to the connection"},
		{Rule{Match: all, Cluster: "a", Headers: HeaderOps{ResponseAdd: []HeaderOp{{Name: "Transfer-Encoding", Value: "x"}}}}, "belongs to the connection"},
		{Rule{Match: all, Cluster: "a", Headers: HeaderOps{RequestAdd: []HeaderOp{{Name: "Host", Value: "a b"}}}}, `"a b" is no host`},
	} {
		tc.rule.Origin = "f:2"
		table, err := Compile(single(tc.rule))
		if err == nil || !strings.Contains(err.Error(), tc.want) || table != nil {
			t.Errorf("%+v: the error is %v, want %q in it", tc.rule, err, tc.want)
			continue
		}
		if strings.Count(err.Error(), "\n") != 0 {
			t.Errorf("one mistake, but several errors:\n%v", err)
		}
		var e *Error
		if !errors.As(err, &e) || e.Origin == "" || e.Key == "" {
			t.Errorf("%v is not an *Error with its place", err)
		}
	}
}

func TestAllMistakesAreReportedOnce(t *testing.T) {
	bad := HeaderOps{RequestRemove: []string{"a b"}}
	_, err := Compile(&Config{Origin: "f:1", Headers: bad, VirtualHosts: []VirtualHost{
		{Origin: "f:2", Headers: bad, Routes: []Rule{{Origin: "f:3"}, {Origin: "f:4"}}},
		{Origin: "f:5", Domains: []string{"a:b"}},
	}})
	var got []string
	for _, line := range strings.Split(err.Error(), "\n") {
		got = append(got, line[:3])
	}
	if want := "f:1 f:2 f:2 f:3 f:4 f:5"; strings.Join(got, " ") != want {
		t.Errorf("mistakes at %v, want %s:\n%v", got, want, err)
	}
}

func TestWeightedClustersAreExact(t *testing.T) {
	table := compile(t, single(Rule{Weighted: []WeightedCluster{
		{Cluster: "never", Weight: 0}, {Cluster: "a", Weight: 1}, {Cluster: "never2", Weight: 0}, {Cluster: "b", Weight: 2},
		{Cluster: "a", Weight: 5}, {Cluster: "never3", Weight: 0},
	}}))
	r := table.Routes()[0]
	if got := strings.Join(table.Clusters(), " "); got != "never a never2 b never3" {
		t.Errorf("the clusters are %s", got)
	}
	// Every eighth of the random numbers has its choice, up to its very ends.
	for eighth, want := range []string{"a", "b", "b", "a", "a", "a", "a", "a"} {
		first := uint64(eighth) << 61
		for _, random := range []uint64{first, first + 1, first | (1<<61 - 1)} {
			if got := table.Clusters()[r.Target(random).Cluster]; got != want {
				t.Errorf("random %#x chooses %s, want %s", random, got, want)
			}
		}
	}
}

func TestWeightedClustersWithManyWeights(t *testing.T) {
	var rule Rule
	rng := rand.New(rand.NewPCG(1, 1))
	sum := 0.0
	for i := range 20 {
		w := uint32(rng.IntN(100))
		sum += float64(w)
		rule.Weighted = append(rule.Weighted, WeightedCluster{Cluster: string(rune('a' + i)), Weight: w})
	}
	r := compile(t, single(rule)).Routes()[0]
	const n = 200_000
	counts := make([]float64, len(rule.Weighted))
	for range n {
		counts[r.Target(rng.Uint64()).Cluster]++
	}
	for i, w := range rule.Weighted {
		p := float64(w.Weight) / sum
		if d := math.Abs(counts[i] - n*p); d > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("cluster %s with a share of %.4f was chosen %v times of %d", w.Cluster, p, counts[i], n)
		}
	}
	if i := compile(t, single(Rule{Direct: &DirectResponse{Status: 200}})).Routes()[0].Target(1).Cluster; i != -1 {
		t.Errorf("a direct response has the cluster %d", i)
	}
}
