// Package upstream knows where requests can go: clusters, their endpoints, the connection pools of each loop, and the
// discovery of endpoints by name.
//
// # Pools
//
// A [Manager] holds the clusters; a [Cluster] publishes immutable sets of endpoints; a [Local] is a cluster on one loop,
// with a host for each endpoint. Nothing of a Local is seen by another loop, but for counts.
//
//	Local.Acquire ── Selector.Pick ── host ──┬── conn     one exchange at a time; idle ones are kept
//	      │                                  └── muxConn  a stream for each exchange; those with room are kept
//	      └── Lease at once, or a Wait until a connection is made, is released, or has room
//
// What both kinds of connection have in common is a link: a socket, a codec, a place in the counts. A [Lease] is the right
// to use one of them; what it does differently for each is behind its carrier. A lane counts what a host has of each
// protocol: waiting requests, connections being made.
//
// # Limits
//
// Connections to an endpoint are bounded over all loops. A loop, or a protocol, that waits at that limit gets the place of
// the next connection that closes, and makes the others close theirs: idle ones at once, busy ones after a turn.
//
// # Ends
//
// A Lease ends once: by Release, by Abort, or by the Exchange's Lost. A multiplexed connection ends its leases one by one
// before it is closed, or when it is found closed; it opens no stream, and closes nothing, while its codec is being
// called.
package upstream
