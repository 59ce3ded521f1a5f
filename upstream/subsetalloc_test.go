//go:build !race

package upstream

import "testing"

func TestChoosingInASubsetAllocatesNothing(t *testing.T) {
	r := newSubsetRig(t, ClusterConfig{Policy: LeastRequest, Hosts: hostsOf("s=a", "s=a", "s=b"),
		Subsets: &SubsetConfig{Selectors: [][]string{{"s"}}, Fallback: FallbackAny}})
	requests := []*Request{{Subset: NewCriteria(map[string]string{"s": "a"})}, {Subset: NewCriteria(map[string]string{"s": "c"})}, {}}
	r.l.Do(func() {
		allocs := testing.AllocsPerRun(5, func() {
			for i := range 1000 {
				if r.local().choose(requests[i%3]) == nil {
					t.Fatal("nothing chosen")
				}
			}
		})
		if allocs != 0 {
			t.Errorf("1000 choices allocate %v times", allocs)
		}
	})
}

func BenchmarkChooseInASubset(b *testing.B) {
	for name, cfg := range map[string]*SubsetConfig{"none": nil, "one": {Selectors: [][]string{{"version"}}}} {
		b.Run(name, func(b *testing.B) {
			r := newSubsetRig(b, ClusterConfig{Hosts: hostsOf("version=1", "version=1", "version=2"), Subsets: cfg})
			request := &Request{Subset: NewCriteria(map[string]string{"version": "1"})}
			r.l.Do(func() {
				l := r.local()
				for b.Loop() {
					l.choose(request)
				}
			})
		})
	}
}
