// Package http2bolt is the filter that converts between HTTP and SOFABolt: a request of one becomes a request of the other
// when its upstream speaks that, and the answer goes the other way. Bodies pass as they are. README.md says what becomes of
// what.
package http2bolt
