package balance

import "math/bits"

// random draws endpoints by weight.
type random struct {
	pool  pool
	alias aliasTable
}

// NewRandom returns a selector that draws a healthy endpoint at random, each as often as its weight says.
func NewRandom(eps []Endpoint) Selector {
	p := newPool(eps)
	return &random{pool: p, alias: newAliasTable(&p)}
}

func (s *random) Pick(in *Input) int {
	switch {
	case len(s.pool.index) == 0:
		return -1
	case len(in.Tried) > 0:
		return s.pool.pickUntried(in)
	}
	return int(s.pool.index[s.alias.draw(in.Random)])
}

// aliasTable draws k with a probability of weight[k]/sum in constant time (Walker's method, in Vose's form, with
// integers: no rounding).
type aliasTable struct {
	n     uint64
	sum   uint64
	slots []aliasSlot // nil when all weights are equal
}

// aliasSlot stands for itself below the bound, of sum, and for other from there.
type aliasSlot struct {
	bound uint64
	other int32
}

func newAliasTable(p *pool) aliasTable {
	t := aliasTable{n: uint64(len(p.index)), sum: p.sum}
	if p.equal {
		return t
	}
	t.slots = make([]aliasSlot, t.n)
	left := make([]uint64, t.n) // what is left of weight*n; each slot takes sum of it
	var small, large []int32
	for k, w := range p.weight {
		left[k] = uint64(w) * t.n
		if left[k] < t.sum {
			small = append(small, int32(k))
		} else {
			large = append(large, int32(k))
		}
	}
	for len(small) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		t.slots[s] = aliasSlot{bound: left[s], other: l}
		if left[l] -= t.sum - left[s]; left[l] < t.sum {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, l := range large {
		t.slots[l] = aliasSlot{bound: t.sum, other: l}
	}
	return t
}

// draw maps a uniform random to a k.
func (t *aliasTable) draw(random uint64) int32 {
	k, rest := bits.Mul64(random, t.n)
	if t.slots == nil {
		return int32(k)
	}
	// rest is uniform, too: what the slot's number left of random.
	if s := &t.slots[k]; scale(rest, t.sum) >= s.bound {
		return s.other
	}
	return int32(k)
}
