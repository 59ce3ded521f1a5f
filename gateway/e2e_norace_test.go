//go:build !race

package gateway_test

const largeFile = 1 << 30
