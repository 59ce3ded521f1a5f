package router

import "math/bits"

// clusterChoice is the cluster of a route, or several with weights.
type clusterChoice struct {
	indices []int32  // into Table.Clusters
	bounds  []uint64 // bounds[i] is the sum of the weights up to and including i's
}

// pick returns the cluster that random chooses, or -1 when the route has none.
func (c *clusterChoice) pick(random uint64) int {
	switch len(c.indices) {
	case 0:
		return -1
	case 1:
		return int(c.indices[0])
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
	return int(c.indices[lo])
}

// ClusterIndex chooses the cluster of a request: an index into Table.Clusters, or -1 for a route that answers itself
// (a redirect or a direct response). random is uniform; it must not be used for another choice of the same request.
func (r *Route) ClusterIndex(random uint64) int { return r.clusters.pick(random) }
