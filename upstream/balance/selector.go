package balance

import (
	"math/bits"
	"slices"
)

// A Selector chooses an endpoint. It is immutable: all loops may use one at the same time. It never blocks, locks or
// allocates.
type Selector interface {
	// Pick returns the index of an endpoint, or -1 when no endpoint is healthy. An endpoint that was tried comes back
	// only when every healthy one was. It does not keep in, which callers reuse.
	Pick(in *Input) int
}

// An Endpoint is what a builder needs to know.
type Endpoint struct {
	Weight  uint32 // 0 means 1
	Healthy bool   // unhealthy endpoints are never chosen
}

// An Input is what one choice depends on. A loop keeps one and fills it in for each choice.
type Input struct {
	Hash   uint64 // of what the route's hash policy names
	Random uint64 // uniform, fresh for each choice
	// Turn counts the choices of one loop for one cluster. Loops start at different numbers, or they would all send
	// their first requests to the same endpoint.
	Turn   uint64
	Own    []int32 // requests in flight from this loop, per endpoint
	Others []int32 // those of all other loops, as of the last exchange
	Tried  []int32 // endpoints that this request was sent to before
}

// load is the number of requests in flight to endpoint i.
func (in *Input) load(i int32) int64 {
	n := int64(0)
	if int(i) < len(in.Own) {
		n = int64(in.Own[i])
	}
	if int(i) < len(in.Others) {
		n += int64(in.Others[i])
	}
	return max(n, 0)
}

// tried reports whether a request was sent to endpoint i before. The list has one entry per try.
func (in *Input) tried(i int32) bool { return slices.Contains(in.Tried, i) }

// pool is the healthy endpoints.
type pool struct {
	index  []int32  // their indices
	weight []uint32 // theirs, divided by the greatest common divisor; at least 1
	sum    uint64   // of weight
	equal  bool     // all weights are 1
}

func newPool(eps []Endpoint) pool {
	p := pool{equal: true}
	divisor := uint32(0)
	for i, e := range eps {
		if e.Healthy {
			w := max(e.Weight, 1)
			p.index = append(p.index, int32(i))
			p.weight = append(p.weight, w)
			divisor = gcd(divisor, w)
		}
	}
	for i := range p.weight {
		p.weight[i] /= divisor
		p.sum += uint64(p.weight[i])
		p.equal = p.equal && p.weight[i] == 1
	}
	return p
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// pickUntried draws by weight among the endpoints that were not tried, or among all of them when each was. It serves
// retries, which are rare enough to look at every endpoint.
func (p *pool) pickUntried(in *Input) int {
	sum := uint64(0)
	for k, i := range p.index {
		if !in.tried(i) {
			sum += uint64(p.weight[k])
		}
	}
	all := sum == 0
	if all {
		sum = p.sum
	}
	point := scale(in.Random, sum)
	for k, i := range p.index {
		if !all && in.tried(i) {
			continue
		}
		w := uint64(p.weight[k])
		if point < w {
			return int(i)
		}
		point -= w
	}
	return -1
}

// scale maps a uniform random to [0, n).
func scale(random, n uint64) uint64 {
	hi, _ := bits.Mul64(random, n)
	return hi
}

// next makes the next of a sequence of random numbers out of the last (SplitMix64).
func next(random *uint64) uint64 {
	*random += 0x9e3779b97f4a7c15
	z := *random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
