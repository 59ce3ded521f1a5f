//go:build !race

package e2e

const largeFile = 1 << 30

// crowdStreams is how many requests each connection of a crowd has in progress.
const crowdStreams = 100

// javaCalls is how many calls SOFABolt's Java library makes.
const javaCalls = 100_000
