// Package protocols is the stream model that every wire protocol of Sluice speaks, and the contract of a codec.
//
// A codec turns bytes into [Event] values and events into bytes. It does no I/O, starts no goroutine and reads no
// clock: bytes and the time go in, events and bytes come out. One Event type serves both directions and every
// protocol, so converting HTTP/1 to HTTP/2, or HTTP to Bolt, is the same events leaving another codec.
//
// # Ownership
//
// A codec belongs to one connection, and a connection to one loop; nothing here locks. Event.Header and Event.Data are
// lent for the length of the call that passes them: who keeps them copies them ([Header.Take]).
//
// # Time
//
// Every `now` is a time.Duration on the loop's monotonic clock: the time since the process's epoch. Only differences
// mean something.
//
// # Limits
//
// Each codec takes its limits from [Limits]: zero means the default, negative means none.
package protocols
