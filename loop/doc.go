// Package loop is the reactor: one Loop per CPU, each with its own sockets, timers and buffers, assembled from the parts
// of gnet (pkg/socket; pkg/netpoll for kqueue; epoll_linux.go says why Linux has a poller of our own). It is the only
// package that imports gnet, and it knows no protocol.
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
// pooled buffer. An idle connection owns no buffer. Output is copied into a pooled buffer and flushed at the end of the
// batch of events; a long Write goes straight to the kernel.
//
// # Rounds
//
// The poller delivers events in batches of at most 128. What the callbacks leave behind is done at the end of the batch:
// output is flushed, ended connections are told. So the output of many callbacks on one connection leaves in one write,
// and the process at the other end of many connections is woken once, not once for each. While a look at epoll finds 16
// events or more, the batch goes on with another look: what many peers do at once, the others are about to do. A batch of
// few, which is what a loop with little to do gets, waits for nothing.
//
// What must let other sockets have their turn waits for a Round, which an edge-triggered eventfd asks for: posted
// functions, unconsumed input after Resume. A descriptor is closed two Rounds after its connection, so that no event of a
// batch reaches a socket that got the same number.
//
// On the path of a keep-alive request the loop makes one read and one write for each side and no other system call; it
// allocates nothing.
//
// # Readiness
//
// Every socket is registered once, edge-triggered, for everything, and never modified. Level-triggered, epoll looks at
// each socket that was ready a second time, in the next epoll_wait, to find it idle: 3 to 6 % of all CPU time of a small
// exchange. And a socket that is not read (paused, at its end, full) would be reported for ever, unless a system call
// takes it out.
//
// The price of edges is memory: what an event told and nobody used is noted in the connection, and looked at when the
// handler wants input again. A read that finds nothing is not part of the price. epoll(7), question 9: "the condition
// that the read/write I/O space is exhausted can also be detected by checking the amount of data read from / written to
// the target file descriptor". So a short read ends the matter, unless the event said that the peer's FIN, which takes no
// room, is there too (EPOLLRDHUP, which epoll_ctl(2) calls "especially useful for writing simple code to detect peer
// shutdown when using edge-triggered monitoring"; EV_EOF on kqueue). What comes after the event was taken makes another
// one. A short write ends the matter as well: the kernel tells when there is room again. (Unix sockets are read until
// nothing is left: bytes that come with a descriptor end a read early.)
//
// # Parts
//
// A Reactor is the whole of a Loop above the system calls. A System makes these: the kernel's (a Group runs one Reactor
// on each), or looptest's simulation, so that tests of other packages run the shipped code.
//
// # Layers
//
// A Layer is a Conn over a Conn: secure is TLS. Its handlers write plaintext many times in a batch and it makes records of
// that once, just before the flush (Gather); and what it holds unconsumed gets turns in Rounds, as a socket's does (Yield).
//
// # Back-pressure
//
// Pause stops reading. Buffered tells how much output waits; Drained is called when it has fallen below the low-water
// mark after it was above the high-water mark.
package loop
