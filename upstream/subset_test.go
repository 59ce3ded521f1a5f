package upstream

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/protocols"
)

// A subsetRig is a cluster on a loop of which only choices are made: nobody connects.
type subsetRig struct {
	l        *looptest.Loop
	manager  *Manager
	fellBack int
}

func newSubsetRig(t testing.TB, cfg ClusterConfig) *subsetRig {
	r := &subsetRig{l: looptest.New(t)}
	r.manager = NewManager([]loop.Loop{r.l}, Hooks{FellBack: func(loop.Loop, *Cluster) { r.fellBack++ }})
	r.update(cfg)
	return r
}

func (r *subsetRig) update(cfg ClusterConfig) {
	cfg.Name = "c"
	r.manager.Update([]ClusterConfig{cfg})
	r.l.Run()
}

func (r *subsetRig) local() *Local { return r.manager.Cluster("c").On(r.l) }

// choices are the ports of the hosts that n choices give, each once; 0 stands for none.
func (r *subsetRig) choices(n int, metadata map[string]string) string {
	seen := map[int]bool{}
	request := &Request{Subset: NewCriteria(metadata)}
	r.l.Do(func() {
		for range n {
			h := r.local().choose(request)
			if h == nil {
				seen[0] = true
				continue
			}
			seen[int(h.endpoint.Addr.AddrPort.Port())] = true
		}
	})
	return strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(seen))), "[]")
}

// hostsOf makes hosts on the ports 1, 2 ... with metadata such as "version=1 zone=a".
func hostsOf(metadata ...string) (hosts []HostConfig) {
	for i, text := range metadata {
		m := map[string]string{}
		for _, field := range strings.Fields(text) {
			k, v, _ := strings.Cut(field, "=")
			m[k] = v
		}
		hosts = append(hosts, HostConfig{Address: fmt.Sprintf("10.0.0.1:%d", i+1), Metadata: m})
	}
	return hosts
}

func TestSubsets(t *testing.T) {
	cfg := ClusterConfig{
		Hosts: hostsOf("version=1 zone=a", "version=1 zone=b", "version=2 zone=a", "version=2", "", "zone=a"),
		Subsets: &SubsetConfig{Selectors: [][]string{{"version"}, {"zone", "version"}, {"version", "zone", "zone"}},
			Default: map[string]string{"zone": "a"}},
	}
	type metadata = map[string]string
	for _, policy := range []Policy{RoundRobin, Random, WeightedRoundRobin, LeastRequest} {
		cfg.Policy = policy
		for fallback, rest := range map[SubsetFallback]string{FallbackNone: "0", FallbackAny: "1 2 3 4 5 6", FallbackDefault: "1 3 6"} {
			cfg.Subsets.Fallback = fallback
			r := newSubsetRig(t, cfg)
			for _, tt := range []struct {
				metadata metadata
				want     string
			}{
				{metadata{"version": "1"}, "1 2"},
				{metadata{"version": "2"}, "3 4"},
				{metadata{"version": "2", "zone": "a"}, "3"},
				{metadata{"version": "1", "zone": "b"}, "2"},
				{metadata{"version": "2", "zone": "b"}, rest},              // no host
				{metadata{"zone": "a"}, rest},                              // no selector, though hosts have it
				{metadata{"version": "1", "zone": "a", "stage": ""}, rest}, // more than a selector
				{metadata{"version": ""}, rest},
				{nil, rest},
			} {
				r.fellBack = 0
				// All of a few hosts are met in 300 choices but for once in 10^20.
				if got := r.choices(300, tt.metadata); got != tt.want {
					t.Errorf("%v, fallback %d, %v: hosts %s, want %s", policy, fallback, tt.metadata, got, tt.want)
				}
				if want := tt.want == rest && rest != "0"; r.fellBack != 300 && want || r.fellBack != 0 && !want {
					t.Errorf("%v, fallback %d, %v: fell back %d times", policy, fallback, tt.metadata, r.fellBack)
				}
			}
		}
	}
}

// Requests for subsets that take turns do not make a round robin skip hosts.
func TestSubsetsTakeTurnsOfTheirOwn(t *testing.T) {
	r := newSubsetRig(t, ClusterConfig{Hosts: hostsOf("s=a", "s=a", "s=b", "s=b"),
		Subsets: &SubsetConfig{Selectors: [][]string{{"s"}}, Fallback: FallbackAny}})
	count := map[uint16]int{}
	a, b := &Request{Subset: NewCriteria(map[string]string{"s": "a"})}, &Request{Subset: NewCriteria(map[string]string{"s": "b"})}
	r.l.Do(func() {
		for range 100 {
			for _, request := range []*Request{a, b} {
				count[r.local().choose(request).endpoint.Addr.AddrPort.Port()]++
			}
		}
	})
	for port := uint16(1); port <= 4; port++ {
		if count[port] != 50 {
			t.Errorf("host %d was chosen %d times, want 50", port, count[port])
		}
	}
}

// What failed is not tried again while the subset has another, and no host outside of it is tried at all.
func TestSubsetsAndTried(t *testing.T) {
	r := newSubsetRig(t, ClusterConfig{Hosts: hostsOf("s=a", "s=a", "s=b"), Subsets: &SubsetConfig{Selectors: [][]string{{"s"}}}})
	request := &Request{Subset: NewCriteria(map[string]string{"s": "a"})}
	r.l.Do(func() {
		eps := r.local().set.endpoints
		for range 20 {
			request.Tried = eps[:1]
			if h := r.local().choose(request); h.endpoint != eps[1] {
				t.Errorf("after the first, %s", h.endpoint.Name)
			}
			request.Tried = eps[:2]
			if h := r.local().choose(request); h.endpoint == eps[2] {
				t.Error("a host of another subset")
			}
		}
	})
}

// The subsets follow the hosts, and those that stay keep their identity, whatever subset they are in.
func TestSubsetsAfterAnUpdate(t *testing.T) {
	cfg := ClusterConfig{Hosts: hostsOf("s=a", "s=b"), Subsets: &SubsetConfig{Selectors: [][]string{{"s"}}}}
	r := newSubsetRig(t, cfg)
	a, b := map[string]string{"s": "a"}, map[string]string{"s": "b"}
	first := r.manager.Cluster("c").Endpoints()[0]
	steps := []struct {
		hosts []HostConfig
		a, b  string
	}{
		{hostsOf("s=a", "s=b"), "1", "2"},
		{hostsOf("s=a", "s=b", "s=b"), "1", "2 3"},
		{hostsOf("s=b", "s=a"), "2", "1"},
		{hostsOf("s=b", "s=b"), "0", "1 2"},
		{hostsOf("s=b"), "0", "1"},
	}
	for _, step := range steps {
		cfg.Hosts = step.hosts
		r.update(cfg)
		if got := r.choices(50, a); got != step.a {
			t.Errorf("%v: a is %s, want %s", step.hosts, got, step.a)
		}
		if got := r.choices(50, b); got != step.b {
			t.Errorf("%v: b is %s, want %s", step.hosts, got, step.b)
		}
	}
	if now := r.manager.Cluster("c").Endpoints()[0]; now != first {
		t.Error("a host that has changed its subset is another endpoint: its connections are lost")
	}
	if got, want := r.local().Missing(NewCriteria(a)), `no subset of hosts has the metadata "s"="a", and the fall_back_policy is 0`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	cfg.Subsets = nil
	r.update(cfg)
	if got := r.choices(5, a); got != "1" {
		t.Errorf("without subsets: %s", got)
	}
	if why := r.local().Missing(NewCriteria(a)); why != "" {
		t.Errorf("without subsets: %q", why)
	}
	cfg.Subsets = &SubsetConfig{Selectors: [][]string{{"s"}}, Fallback: FallbackDefault, Default: map[string]string{"s": "none"}}
	cfg.Limits.Requests = 1
	r.update(cfg)
	r.l.Do(func() {
		for range 2 { // the second is not one too many
			if _, _, reason := r.local().Acquire(&Request{Protocol: &protocols.Protocol{}}, nil); reason != protocols.ReasonNoHealthyEndpoint {
				t.Errorf("reason %v", reason)
			}
		}
	})
}

// Text can't be made to look like other metadata.
func TestCriteriaAreUnambiguous(t *testing.T) {
	seen := map[string]map[string]string{}
	for _, m := range []map[string]string{
		{"a": "b"}, {"a": "b", "c": "d"}, {`a"="b", "c`: "d"}, {"a": `b", "c"="d`}, {"a=b": ""}, {"": "a=b"}, {"a": ""}, {"": ""}, {"a": "\x00"}, {"a\x00": ""},
	} {
		key := NewCriteria(m).key
		if key == "" || seen[key] != nil {
			t.Errorf("%v and %v are both %q", m, seen[key], key)
		}
		seen[key] = m
	}
	if NewCriteria(nil) != nil || NewCriteria(map[string]string{}) != nil {
		t.Error("criteria of nothing")
	}
}
