// Package rpc is what the codecs of RPC protocols with length-prefixed frames have in common: both ends of a connection
// that carries many calls at once. A protocol says in a [Spec] what its frames look like; Bolt and Dubbo are two.
//
// # A frame as events
//
// A call is Head, and Data if it has content. What is the head and what the content is the [Format]'s to say; the content's
// length is always known. OneWay is set when no answer is expected: the stream is over with its End, at both ends, without
// a further event. What is encoded as its answer before that is dropped.
//
// A local reply (a head that no protocol has decoded) with an error's status becomes a frame of the Format's own: a client
// would take the reply's text for a serialized object. Event.Reason of such a Head, like a Reset's, is given to the Format.
//
// # What a codec does by itself
//
// It answers heartbeats, and sends them to a server that has been silent for Limits.PingInterval; three in a row that are
// not answered end the connection. It answers a frame that it refuses with the status for HTTP's 400, and a call over
// Limits.Calls with the one for 503. It drops answers that nobody waits for, and counts them in Env.Counts. It understands
// goaway, and sends it if Env.Announce is set or every peer knows it ([Spec.Announces]).
//
// # Ids
//
// A StreamID is an index into the connection's table and a serial number; a client sends it as the frame's id, so that
// the way from an answer to its stream is an index and a compare. The server's end keeps the id that the client chose and
// puts it back into the answer.
//
// # Frames can't be interleaved
//
// A frame of at most 32 KiB is passed on when all of it is there (its bytes wait with the loop), so its Head and its last
// Data come from one Decode, and its sender's pace is nobody else's. A longer one is streamed: while its content is on its
// way out, other frames wait for it on that connection, as long as the owner's limit for a body without progress allows.
// A client then has no Room. A server's Encode returns [protocols.ErrWait] for the heads of other answers, and asks for
// them by a Credit event, from Decode, Advance or Drained, when it is their turn; Status says Yielded then. The heads of
// answers wait, too, while the output is over OutputHigh. Local replies with an error's status never wait: the codec keeps
// them. A frame that can't be completed leaves its connection no other end than to close: a server's at once, a client's
// behind the answers that are due on it.
//
// # Flow control
//
// There is none: only the connection as a whole can be stopped. What sinks answer with Pause is counted until Credit
// returns it. Decode stops, and Status says Stalled, while one long frame's stream holds 64 KiB, while the connection's
// streams hold Limits.Owed, or while the client does not take its answers. Content behind which a stream is over (an
// answer's, a one-way call's) is not counted: it is the owner's alone, and at most 32 KiB of each.
//
// So one sink that takes nothing is in the way of all the calls whose answers come behind. A client has no Room while it
// reads an answer that has stopped it, and resets that stream, with ReasonSlowReader, when it has kept others waiting for
// a second per MiB. One that is alone on its connection has the time that its owner gives it.
package rpc
