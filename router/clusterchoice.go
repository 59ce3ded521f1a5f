package router

import "math/bits"

// A Target is where a request goes.
type Target struct {
	Cluster  int // an index into Table.Clusters
	Metadata int // an index into Table.Metadata; -1 for none
}

// clusterChoice is the target of a route, or several with weights.
type clusterChoice struct {
	targets []Target
	bounds  []uint64 // bounds[i] is the sum of the weights up to and including i's
}

// pick returns the target that random chooses.
func (c *clusterChoice) pick(random uint64) Target {
	switch len(c.targets) {
	case 0:
		return Target{Cluster: -1, Metadata: -1}
	case 1:
		return c.targets[0]
	}
	// The high word of random x total is uniform in [0, total), but for 2^-32.
	point, _ := bits.Mul64(random, c.bounds[len(c.bounds)-1])
	lo, hi := 0, len(c.bounds)-1
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); point < c.bounds[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return c.targets[lo]
}

// Target chooses where a request goes; the Cluster of a route that answers itself (a redirect or a direct response) is -1.
// random is uniform; it must not be used for another choice of the same request.
func (r *Route) Target(random uint64) Target { return r.clusters.pick(random) }
