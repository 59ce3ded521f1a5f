// Package metrics counts per loop without atomics, and sums when somebody looks.
//
// # Usage
//
// A [Registry] holds families; a family's With gives a handle, a small integer, for one set of label values. Each loop
// owns one [Shard] and counts with it: Inc is an add to a slice element, about a nanosecond. A scrape posts a copy
// function to every loop and adds up the copies, so nothing is ever read while it is written.
//
// [Set] declares the families of the gateway itself, and gives the handles of a listener, a virtual host, a cluster and
// an endpoint in one struct each.
//
// # Ownership
//
// A Registry and its families may be used on any goroutine, and lock: not on the path of a request. A Shard belongs to
// its loop. Gathering waits for the loops and must therefore not be done on one.
//
// # Limits
//
// A family holds at most [Limits].Series sets of label values; what comes later is counted under the label value
// "_overflow", so a metric can lose its detail but not its sum. The same label values give the same handle: a reload zeroes
// nothing. Only the series of things that come and go by themselves, endpoints, are removed, a while after they have gone.
package metrics
