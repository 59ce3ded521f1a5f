package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// healthy makes healthy endpoints with these weights; a negative one stands for an unhealthy endpoint.
func healthy(weights ...int) []Endpoint {
	eps := make([]Endpoint, len(weights))
	for i, w := range weights {
		eps[i] = Endpoint{Weight: uint32(max(w, -w)), Healthy: w >= 0}
	}
	return eps
}

// builders are all selectors.
var builders = []struct {
	name  string
	build func([]Endpoint) Selector
}{
	{"round robin", NewRoundRobin},
	{"weighted round robin", NewWeightedRoundRobin},
	{"random", NewRandom},
	{"least request of 2", func(e []Endpoint) Selector { return NewLeastRequest(e, 2) }},
	{"least request of 3", func(e []Endpoint) Selector { return NewLeastRequest(e, 3) }},
	{"least request of all", func(e []Endpoint) Selector { return NewLeastRequest(e, 1000) }},
}

// draw picks n times, with fresh random numbers and turns, and counts.
func draw(s Selector, endpoints, n int, in Input) []int {
	rng := rand.New(rand.NewPCG(7, 11))
	counts := make([]int, endpoints)
	for range n {
		in.Random = rng.Uint64()
		counts[s.Pick(&in)]++
		in.Turn++
	}
	return counts
}

// wantShares checks counts against weights by Pearson's chi-square statistic. The bound is five standard deviations
// above its mean, and the numbers are seeded: a failure is a fault, not bad luck.
func wantShares(t *testing.T, counts []int, weights []int) {
	t.Helper()
	sum, n, used := 0, 0, 0
	for i, c := range counts {
		n += c
		sum += weights[i]
	}
	chi := 0.0
	for i, c := range counts {
		if weights[i] == 0 {
			if c != 0 {
				t.Errorf("endpoint %d was picked %d times, want never", i, c)
			}
			continue
		}
		used++
		want := float64(n) * float64(weights[i]) / float64(sum)
		chi += (float64(c) - want) * (float64(c) - want) / want
	}
	if k := float64(used - 1); chi > k+5*math.Sqrt(2*k)+5 {
		t.Errorf("counts %v do not fit weights %v: chi-square %.1f with %d degrees of freedom", counts, weights, chi, used-1)
	}
}

func TestSharesWithoutLoad(t *testing.T) {
	for _, weights := range [][]int{{1}, {1, 1}, {1, 1, 1, 1, 1}, {1, 2, 3}, {128, 1}, {1, 128, 64, 7, 7, 7}, {10, 20, 30}} {
		for _, b := range builders {
			if b.name == "round robin" {
				continue
			}
			t.Run(fmt.Sprint(b.name, weights), func(t *testing.T) {
				wantShares(t, draw(b.build(healthy(weights...)), len(weights), 50_000, Input{}), weights)
			})
		}
	}
}

func TestRoundRobinTakesTurns(t *testing.T) {
	s := NewRoundRobin(healthy(3, -1, 1, 2))
	var got []int
	for turn := range uint64(7) {
		got = append(got, s.Pick(&Input{Turn: turn}))
	}
	if want := []int{0, 2, 3, 0, 2, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("the turns are %v, want %v", got, want)
	}
	if got := s.Pick(&Input{Turn: math.MaxUint64}); got != 0 {
		t.Errorf("the last turn of all is %d's, want 0's", got)
	}
}

func TestWeightedRoundRobinSpreadsTurns(t *testing.T) {
	for _, tc := range []struct {
		weights []int
		want    string
	}{
		{[]int{4, 2, 1}, "0102010"},
		{[]int{8, 4, 2}, "0102010"},
		{[]int{5, 1}, "000100"},
		{[]int{1, 1, 1}, "012"},
		{[]int{7, 7}, "01"},
		{[]int{-3, 2, 1}, "121"},
	} {
		s := NewWeightedRoundRobin(healthy(tc.weights...))
		got := ""
		for turn := range uint64(len(tc.want)) {
			got += fmt.Sprint(s.Pick(&Input{Turn: turn}))
		}
		if got != tc.want {
			t.Errorf("weights %v: the round is %s, want %s", tc.weights, got, tc.want)
		}
	}
}

func TestWeightedRoundRobinBoundsItsRound(t *testing.T) {
	eps := make([]Endpoint, 3000)
	for i := range eps {
		eps[i] = Endpoint{Weight: uint32(1 + i%128), Healthy: true}
	}
	s := NewWeightedRoundRobin(eps).(*roundRobin)
	if n := len(s.sequence); n > 4*len(eps)+len(eps) {
		t.Errorf("%d endpoints make a round of %d", len(eps), n)
	}
	s = NewWeightedRoundRobin([]Endpoint{{1 << 31, true}, {1<<31 - 1, true}, {1, true}}).(*roundRobin)
	if n := len(s.sequence); n > maxSequence+3 {
		t.Errorf("three endpoints make a round of %d", n)
	}
	counts := draw(s, 3, len(s.sequence), Input{})
	if counts[2] != 1 || counts[0]-counts[1] > 1 {
		t.Errorf("the shares of the round are %v", counts)
	}
}

func TestNobodyPicksUnhealthyEndpoints(t *testing.T) {
	for _, b := range builders {
		for _, eps := range [][]Endpoint{nil, healthy(-1), healthy(-1, -5)} {
			if got := b.build(eps).Pick(&Input{Random: 1 << 63, Turn: 3, Tried: []int32{0}}); got != -1 {
				t.Errorf("%s picks %d of %v", b.name, got, eps)
			}
		}
		counts := draw(b.build(healthy(-9, 1, -9, 1, -9)), 5, 1000, Input{Tried: []int32{1}})
		if counts[0]+counts[2]+counts[4] != 0 {
			t.Errorf("%s picks unhealthy endpoints: %v", b.name, counts)
		}
	}
}

func TestTriedEndpointsAreSkipped(t *testing.T) {
	for _, b := range builders {
		s := b.build(healthy(5, 2, 1, -1, 4))
		in := Input{Own: []int32{0, 9, 9, 9, 9}}
		rng := rand.New(rand.NewPCG(3, 4))
		for range 200 {
			in.Tried = in.Tried[:0]
			for range 4 {
				in.Random, in.Turn = rng.Uint64(), rng.Uint64()
				i := int32(s.Pick(&in))
				if slices.Contains(in.Tried, i) || i == 3 {
					t.Fatalf("%s picks %d after %v", b.name, i, in.Tried)
				}
				in.Tried = append(in.Tried, i)
			}
			if i := s.Pick(&in); i < 0 || i == 3 {
				t.Fatalf("%s picks %d once each was tried", b.name, i)
			}
		}
	}
}

func TestRandomRetriesKeepTheShares(t *testing.T) {
	counts := draw(NewRandom(healthy(5, 2, 1, 4)), 4, 20_000, Input{Tried: []int32{0}})
	wantShares(t, counts, []int{0, 2, 1, 4})
}

func TestLeastRequestAvoidsLoad(t *testing.T) {
	for _, choices := range []int{0, 2, 3, 9} {
		s := NewLeastRequest(healthy(1, 1, 1), choices)
		counts := draw(s, 3, 3000, Input{Own: []int32{0, 1, 0}, Others: []int32{2, 3, 0}})
		if counts[1] != 0 && choices >= 2 {
			t.Errorf("choices %d: the busiest was picked: %v", choices, counts)
		}
		if counts[2] < counts[0] {
			t.Errorf("choices %d: the idle one got less: %v", choices, counts)
		}
	}
	// Counters may be shorter than the list of endpoints, and a snapshot may lag below zero.
	if got := NewLeastRequest(healthy(1, 1), 2).Pick(&Input{Own: []int32{5}, Others: []int32{1, -3}}); got != 1 {
		t.Errorf("picked %d, want the idle 1", got)
	}
}

// TestLeastRequestSharesUnderLoad keeps a fixed number of requests in flight, of which a random one ends at each step:
// every endpoint then works at the speed of its load, and loads settle in proportion to the weights.
func TestLeastRequestSharesUnderLoad(t *testing.T) {
	for _, weights := range [][]int{{1, 1, 1, 1}, {1, 3}, {1, 2, 4, 8}, {1, 100}} {
		s := NewLeastRequest(healthy(weights...), 2)
		rng := rand.New(rand.NewPCG(1, 9))
		in := Input{Own: make([]int32, len(weights))}
		var flying []int32
		sum, picked := 0, make([]float64, len(weights))
		for _, w := range weights {
			sum += w
		}
		const steps = 40_000
		for range steps {
			in.Random = rng.Uint64()
			i := int32(s.Pick(&in))
			picked[i]++
			in.Own[i]++
			if flying = append(flying, i); len(flying) > 20*sum {
				k := rng.IntN(len(flying))
				in.Own[flying[k]]--
				flying[k] = flying[len(flying)-1]
				flying = flying[:len(flying)-1]
			}
		}
		for i, w := range weights {
			share := picked[i] / steps * float64(sum) / float64(w)
			if share < 0.8 || share > 1.2 {
				t.Errorf("weights %v: endpoint %d got %.2f of its share", weights, i, share)
			}
		}
	}
}

// TestAliasTableIsExact counts the random numbers that lead to each endpoint, by the bounds of the table itself.
func TestAliasTableIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		eps := make([]Endpoint, 1+rng.IntN(30))
		for i := range eps {
			eps[i] = Endpoint{Weight: uint32(1 + rng.IntN(1+rng.IntN(128))), Healthy: true}
		}
		p := newPool(eps)
		table := newAliasTable(&p)
		got := make([]uint64, len(eps)) // in units of 1/(n*sum)
		for k := range eps {
			if table.slots == nil {
				got[k] += p.sum
				continue
			}
			got[k] += table.slots[k].bound
			got[table.slots[k].other] += p.sum - table.slots[k].bound
		}
		for k := range eps {
			if want := uint64(p.weight[k]) * table.n; got[k] != want {
				t.Fatalf("weights %v: endpoint %d has %d of %d, want %d", p.weight, k, got[k], table.n*p.sum, want)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{3, 100, 10_000} {
		eps := make([]Endpoint, n)
		for i := range eps {
			eps[i] = Endpoint{Weight: uint32(1 + i%16), Healthy: true}
		}
		for _, s := range builders[:4] {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				sel := s.build(eps)
				in := &Input{Own: make([]int32, n), Others: make([]int32, n)}
				b.ReportAllocs()
				for b.Loop() {
					in.Turn++
					in.Random = in.Turn * 0x9e3779b97f4a7c15
					if sel.Pick(in) < 0 {
						b.Fatal("nothing picked")
					}
				}
			})
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	eps := make([]Endpoint, 10_000)
	for i := range eps {
		eps[i] = Endpoint{Weight: uint32(1 + i%128), Healthy: true}
	}
	for _, s := range builders[:4] {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				s.build(eps)
			}
		})
	}
}
