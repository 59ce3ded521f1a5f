//go:build !race

package e2e

const (
	largeFile    = 1 << 30
	large        = 8 << 20 // a large body: more than any window or buffer on its way
	loads        = 20
	javaCalls    = 30_000
	everyCell    = true
	idleOfEach   = 1000
	crowdStreams = 100 // requests that each connection of a crowd has in progress
)
