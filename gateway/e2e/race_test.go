//go:build race

package e2e

// largeFile is less under the race detector, which is slow at it.
const largeFile = 64 << 20

// crowdStreams is less, too: the test's servers have goroutines for each, of which the detector allows 8128.
const crowdStreams = 15

// javaCalls is less.
const javaCalls = 8_000
