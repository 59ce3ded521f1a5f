package metrics

import (
	"math/bits"
	"time"
)

// numBounds finite buckets and one without an upper bound make a histogram.
const (
	numBounds  = 16
	numBuckets = numBounds + 1
)

// bounds are the inclusive upper bounds of the finite buckets. Each is at least twice the one before it; findBucket
// relies on that.
var bounds = [numBounds]time.Duration{
	500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, 60 * time.Second,
}

// firstBucket holds, for each bit length of a duration, the bucket of the shortest duration of that length. Because the
// bounds at least double, the bucket of any other duration of that length is this one or the next.
var firstBucket = buildFirstBucket()

func buildFirstBucket() (t [65]uint8) {
	for n := 1; n <= 64; n++ {
		shortest := uint64(1) << (n - 1)
		for int(t[n]) < numBounds && uint64(bounds[t[n]]) < shortest {
			t[n]++
		}
	}
	return t
}

// findBucket returns the index of the bucket that d falls into; d is not negative.
func findBucket(d time.Duration) int {
	i := int(firstBucket[bits.Len64(uint64(d))&63])
	if i < numBounds && d > bounds[i] {
		i++
	}
	return i
}
