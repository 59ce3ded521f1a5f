package balance

// maxSequence bounds the sequence of a weighted round robin, unless more than a quarter as many endpoints need more.
const maxSequence = 4096

// NewWeightedRoundRobin returns a selector that takes the healthy endpoints in turn, each as often as its weight says,
// its turns spread evenly over the round ("abacaba", not "aaaabbc").
//
// The round is a sequence made once. When the weights add up to more than 4096 (or four times the number of endpoints),
// they are scaled down to that; an endpoint's share is then off by less than one turn of the round.
func NewWeightedRoundRobin(eps []Endpoint) Selector {
	p := newPool(eps)
	if p.equal {
		return &roundRobin{sequence: p.index}
	}
	weights := p.weight
	if limit := uint64(max(maxSequence, 4*len(p.index))); p.sum > limit {
		weights = make([]uint32, len(p.weight))
		for k, w := range p.weight {
			weights[k] = max(1, uint32((uint64(w)*limit+p.sum/2)/p.sum))
		}
	}
	return &roundRobin{sequence: spread(p.index, weights)}
}

// spread gives endpoint k weights[k] turns: turn j is due at (2j+1)/2w of the round, and the earliest is next.
func spread(index []int32, weights []uint32) []int32 {
	h := make(dueHeap, len(index))
	n := 0
	for k, w := range weights {
		h[k] = due{k: int32(k), turn: 1, weight: uint64(w)}
		n += int(w)
	}
	for k := len(h)/2 - 1; k >= 0; k-- {
		h.down(k)
	}
	sequence := make([]int32, n)
	for i := range sequence {
		sequence[i] = index[h[0].k]
		h[0].turn += 2
		h.down(0)
	}
	return sequence
}

// due is an endpoint's next turn, at turn/2*weight of the round.
type due struct {
	turn, weight uint64
	k            int32
}

func (a *due) before(b *due) bool {
	if l, r := a.turn*b.weight, b.turn*a.weight; l != r {
		return l < r
	}
	if a.weight != b.weight {
		return a.weight > b.weight
	}
	return a.k < b.k
}

// dueHeap is a binary heap with the earliest turn at its root.
type dueHeap []due

func (h dueHeap) down(k int) {
	for {
		c := 2*k + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&h[k]) {
			return
		}
		h[k], h[c] = h[c], h[k]
		k = c
	}
}
