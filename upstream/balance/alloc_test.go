//go:build !race

package balance

import "testing"

func TestPickAllocatesNothing(t *testing.T) {
	eps := healthy(1, 2, 3, -4, 5)
	in := &Input{Own: make([]int32, 5), Others: make([]int32, 5)}
	tried := []int32{0, 2}
	for _, b := range builders {
		s := b.build(eps)
		allocs := testing.AllocsPerRun(5, func() {
			for k := range uint64(1000) {
				in.Turn, in.Random, in.Tried = k, k<<54, tried[:k%3]
				if s.Pick(in) < 0 {
					t.Fatal("nothing picked")
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%s: 1000 picks allocate %v times", b.name, allocs)
		}
	}
}
