// Package loop is the reactor: one Loop per CPU, each with its own sockets, timers and buffers, assembled from the parts
// of gnet (pkg/netpoll, pkg/socket). It is the only package that imports gnet, and it knows no protocol.
//
// # Ownership
//
// A Loop runs callbacks one at a time on its own goroutine. A connection, its timers and everything that its Handler
// owns belong to one loop; nothing locks. Loop.Post is the only method that is safe on another goroutine, unless a
// method says otherwise.
//
// # Bytes
//
// What Received gets is lent for the call: the loop has one read buffer, and keeps only what the handler left, in a
// pooled buffer. An idle connection owns no buffer. Output is copied into a pooled buffer and flushed when the callback
// returns; a long Write goes straight to the kernel.
//
// # Back-pressure
//
// Pause stops reading. Buffered tells how much output waits; Drained is called when it has fallen below the low-water
// mark after it was above the high-water mark.
package loop
