// Package gateway joins everything: it compiles a configuration to a snapshot, gives every loop its copy, and turns each
// exchange on a connection into a stream that goes through the router to an upstream and back.
//
// # Ownership
//
// A worker is one loop's part: its sessions (downstream connections), streams, counters and free lists. Everything in it
// is used on its loop only. The Gateway itself lives off the loops and reaches them by Post.
package gateway
