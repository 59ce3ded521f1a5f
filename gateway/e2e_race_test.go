//go:build race

package gateway_test

// largeFile is less under the race detector, which is slow at it.
const largeFile = 64 << 20
