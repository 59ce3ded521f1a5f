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
// # One form for all protocols
//
// A decoded Header is in the form that every encoder takes. Fields of one connection only (Connection, Keep-Alive,
// Transfer-Encoding, Upgrade, HTTP2-Settings ...) are gone; te is "trailers" or nothing. Names and values of a codec's own
// Header hold no byte that HTTP/1 or HTTP/2 could misread; names may be in any case, and encoders lower them where their
// protocol says so. The target is in Method, Path, Scheme and Authority: a host field may stand beside Authority only when
// it says the same, and encoders of protocols with an authority of their own leave it out.
//
// A request for a tunnel by Upgrade is GET with [Header.Upgrade], whatever the wire says (HTTP/2: CONNECT with :protocol,
// RFC 8441); it is granted by Status 101 with the same Upgrade (HTTP/2: a 2xx). A CONNECT has Method CONNECT and only an
// authority, and is granted by a 2xx. Such a Head has no End: bytes of the tunnel are the stream's Data.
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
