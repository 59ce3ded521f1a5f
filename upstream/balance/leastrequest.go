package balance

// leastRequest compares the load of a few endpoints drawn by weight.
type leastRequest struct {
	pool    pool
	alias   aliasTable
	choices int
}

// NewLeastRequest returns a selector that draws choices healthy endpoints by weight (0 means 2) and takes the one with
// the fewest requests in flight for its weight. With as many choices as endpoints it compares them all.
//
// The first that is drawn stays unless another would be no more loaded *with* this request than the first is now. So
// endpoints get shares by weight while there is little to do, and requests move to where there is room when there is
// much.
func NewLeastRequest(eps []Endpoint, choices int) Selector {
	if choices <= 0 {
		choices = 2
	}
	p := newPool(eps)
	return &leastRequest{pool: p, alias: newAliasTable(&p), choices: choices}
}

func (s *leastRequest) Pick(in *Input) int {
	n := len(s.pool.index)
	switch {
	case n == 0:
		return -1
	case len(in.Tried) > 0:
		return s.pickUntried(in)
	case n == 1:
		return int(s.pool.index[0])
	}
	random := in.Random
	best := s.alias.draw(next(&random))
	if s.choices >= n {
		return int(s.pool.index[s.leastOf(in, best)])
	}
	for k := 1; k < s.choices; k++ {
		if c := s.drawOther(&random, best); s.better(in, c, best) {
			best = c
		}
	}
	return int(s.pool.index[best])
}

// drawOther draws one that is not k. By weight it may be k itself after a few draws: an endpoint that outweighs all
// others together is rarely to be replaced.
func (s *leastRequest) drawOther(random *uint64, k int32) int32 {
	if n := int32(len(s.pool.index)); s.pool.equal {
		return (k + 1 + int32(scale(next(random), uint64(n-1)))) % n
	}
	const draws = 4
	for range draws {
		if c := s.alias.draw(next(random)); c != k {
			return c
		}
	}
	return k
}

// better reports whether c with one more request is no more loaded, for its weight, than best is now.
func (s *leastRequest) better(in *Input, c, best int32) bool {
	if c == best {
		return false
	}
	w := s.pool.weight
	return (in.load(s.pool.index[c])+1)*int64(w[best]) <= in.load(s.pool.index[best])*int64(w[c])
}

// leastOf compares all endpoints, best first.
func (s *leastRequest) leastOf(in *Input, best int32) int32 {
	first := best
	n := int32(len(s.pool.index))
	for d := int32(1); d < n; d++ {
		if c := (first + d) % n; s.better(in, c, best) {
			best = c
		}
	}
	return best
}

// pickUntried takes the least loaded of the endpoints that were not tried, starting from one drawn by weight.
func (s *leastRequest) pickUntried(in *Input) int {
	first := int32(s.pool.pickUntried(in))
	best := int32(-1)
	for k, i := range s.pool.index {
		if i == first {
			best = int32(k)
		}
	}
	if in.tried(first) {
		return int(s.pool.index[s.leastOf(in, best)]) // each was tried
	}
	for k, i := range s.pool.index {
		if !in.tried(i) && s.better(in, int32(k), best) {
			best = int32(k)
		}
	}
	return int(s.pool.index[best])
}
