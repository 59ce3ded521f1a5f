package balance

// roundRobin goes through a fixed sequence of endpoints, in which one may appear more than once.
type roundRobin struct {
	sequence []int32
}

// NewRoundRobin returns a selector that takes the healthy endpoints in turn, whatever their weights.
func NewRoundRobin(eps []Endpoint) Selector {
	return &roundRobin{sequence: newPool(eps).index}
}

func (s *roundRobin) Pick(in *Input) int {
	n := uint64(len(s.sequence))
	if n == 0 {
		return -1
	}
	at := in.Turn % n
	first := s.sequence[at]
	if len(in.Tried) == 0 || !in.tried(first) {
		return int(first)
	}
	for k := uint64(1); k < n; k++ {
		if i := s.sequence[(at+k)%n]; !in.tried(i) {
			return int(i)
		}
	}
	return int(first)
}
