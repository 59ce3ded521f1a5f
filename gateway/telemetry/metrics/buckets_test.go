package metrics

import (
	"math"
	"testing"
	"time"
)

func TestFindBucketAgreesWithASearch(t *testing.T) {
	for i := 1; i < numBounds; i++ {
		if bounds[i] < 2*bounds[i-1] {
			t.Fatalf("bound %v is less than twice %v: findBucket may miss it", bounds[i], bounds[i-1])
		}
	}
	check := func(d time.Duration) {
		want := 0
		for want < numBounds && d > bounds[want] {
			want++
		}
		if got := findBucket(d); got != want {
			t.Errorf("findBucket(%v) = %d, want %d", d, got, want)
		}
	}
	check(0)
	check(math.MaxInt64)
	for n := range 63 {
		for d := -2; d <= 2; d++ {
			if v := time.Duration(1)<<n + time.Duration(d); v >= 0 {
				check(v)
			}
		}
	}
	for _, b := range bounds {
		for d := time.Duration(-2); d <= 2; d++ {
			check(b + d)
		}
	}
}
