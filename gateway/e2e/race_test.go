//go:build race

package e2e

// The race detector looks at every byte that is copied: what is only a matter of volume is less under it.
const (
	largeFile  = 64 << 20
	large      = 3 << 20 // a large body: more than any window or buffer of the gateway
	loads      = 6       // bodies that h2load sends and receives
	javaCalls  = 8_000   // that SOFABolt's Java library makes
	everyCell  = false   // of the matrix of TLS, with clients of crypto/tls: or as many as meet every two values of its axes
	idleOfEach = 500     // connections of which the memory is measured

	// crowdStreams is less for another reason: the test's servers have goroutines for each, of which the detector allows 8128.
	crowdStreams = 15
)
