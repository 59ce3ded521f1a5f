// Package bolt is the codec of SOFABolt, an RPC protocol of length-prefixed frames: the server's end and the client's end
// of a connection that carries many calls at once. Versions 1 and 2 may be mixed on one connection.
//
// # A frame as events
//
// A call is Head, and Data if it has content. In the Head:
//
//   - the header block's entries are the fields, whatever bytes they are made of; they find a route ("service" and
//     friends). An entry with a null key or a null value is no field. A key that occurs twice is refused. Keys keep their
//     case; two that differ in nothing else are two fields, of which a lookup finds the first.
//   - Class is the class name, Coding says how class and content are serialized, Minor is the version, ContentLength is
//     always known. There is no method and no path.
//   - Timeout is the caller's, in ms; -1 when it wants none. OneWay is set when no answer is expected: the stream is over
//     with its End, at both ends, without a further event. What is encoded as its answer before that is dropped.
//   - Code is an answer's own status, Status what HTTP would call it (status.go).
//
// An unchanged head leaves as it came but for its id, timeout or status, and length; a changed one is made anew from the
// fields, in the version of the call it belongs to, and then loses its null entries. A head of another protocol becomes a
// frame of version 1 (an answer: of its request's version); its ContentLength must be known, and its content-length field
// is left out. A local reply (a head that no protocol has decoded) with an error's status is a frame without content: a
// client would take its text for a serialized object. Event.Reason of such a Head, like a Reset's, is named in the answer's
// header block under "sluice-reason".
//
// # What the codec does by itself
//
// It answers heartbeats, and sends them to a server that has been silent for Limits.PingInterval; three in a row that are
// not answered end the connection. It answers a frame that it refuses with CODEC_EXCEPTION, and a call over Limits.Calls
// with SERVER_THREADPOOL_BUSY. It writes the CRC32 of version 2 anew, and passes no frame on as complete whose own is
// wrong. It drops answers that nobody waits for, and counts them in Env.Counts. Goaway (command 100) is MOSN's extension:
// it is understood, and sent if Env.Announce is set.
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
// Bolt has none: only the connection as a whole can be stopped. What sinks answer with Pause is counted until Credit
// returns it. Decode stops, and Status says Stalled, while one long frame's stream holds 64 KiB, while the connection's
// streams hold Limits.Owed, or while the client does not take its answers. Content behind which a stream is over (an
// answer's, a one-way call's) is not counted: it is the owner's alone, and at most 32 KiB of each.
package bolt
