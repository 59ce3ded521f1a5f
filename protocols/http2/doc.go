// Package http2 is the codec of HTTP/2 (RFC 9113) for a gateway: the server's end and the client's end of a connection,
// with extended CONNECT (RFC 8441) and priority fields (RFC 9218). It does no I/O and holds no body bytes.
//
// # Ownership
//
// A codec keeps counters, HPACK's tables, and one small record for each stream; records, the slots of the table that finds
// them, and scratch space belong to the loop (Env.Shared). A frame header or a field block that is not whole stays with the
// loop, which keeps 64 KiB: a block has at most 60 KiB, in at most 17 frames. When a connection is gone its owner calls
// Closed, which gives back what it holds and what it counts in Env.Owed.
//
// # Strictness
//
// What breaks the framing, or HPACK, ends the connection: Decode writes the GOAWAY and returns the error. What makes one
// message malformed resets its stream; a malformed request is reset before anybody has heard of it, and the owner of a
// stream that it knows gets a Reset. Every refusal is a rule (rules.go) with the section that it comes from. A request whose
// head decodes to more than Limits.HeadBytes or HeadFields is answered 431 by the codec; what it stands for is counted
// field by field as it is decoded, and at four times the limit decoding stops and the connection ends.
//
// # Windows
//
// The connection's window is given back on receipt and never what limits. A stream's window is given back as its owner
// takes bytes (More) or returns them (Credit), in halves; it doubles, up to Limits.WindowMax, while half of it is used up
// within a round trip and its owner holds nothing back. What owners hold is bounded by Limits.Owed and OwedOnLoop: past them
// the heaviest stream is reset with ReasonOverflow.
//
// Who wants to send more than a window, or the output, takes waits: streams that could send if the connection could are
// served by urgency, then in turn, a frame each.
//
// # Tunnels
//
// An extended CONNECT is GET with Header.Upgrade, granted by Status 101; the owner has to supply what HTTP/1's side of the
// upgrade needs beside it (Sec-WebSocket-Key and its answer). A 2xx that an HTTP/1 upstream answers to a refused upgrade
// goes out as 502, because a 2xx grants here. A client can send an extended CONNECT when the server's SETTINGS have said
// so: before they have come Encode answers ErrWait, and with ReasonNotImplemented when they say nothing of it.
//
// # Defence
//
// What costs the peer nothing is counted (rates.go): resets, PING, SETTINGS, PRIORITY and unknown frames, empty DATA,
// WINDOW_UPDATE, faults that make us reset, frames on closed streams, answers of ours that it does not read. Past a budget
// the connection ends with ENHANCE_YOUR_CALM and ReasonFlood. Both ends defend themselves alike.
package http2
