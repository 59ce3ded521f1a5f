// Package bolt is the codec of SOFABolt, an RPC protocol of length-prefixed frames: the server's end and the client's end
// of a connection that carries many calls at once. Versions 1 and 2 may be mixed on one connection.
//
// The ends are those of package rpc, which says how calls, heartbeats, turns and faults are handled. This package says what
// a frame looks like.
//
// # A frame as events
//
// In the Head of a call:
//
//   - the header block's entries are the fields, whatever bytes they are made of; they find a route ("service" and
//     friends). An entry with a null key or a null value is no field. A key that occurs twice is refused. Keys keep their
//     case; two that differ in nothing else are two fields, of which a lookup finds the first.
//   - Class is the class name, Coding says how class and content are serialized, Minor is the version, ContentLength is
//     always known. There is no method and no path.
//   - Timeout is the caller's, in ms; -1 when it wants none.
//   - Code is an answer's own status, Status what HTTP would call it (status.go).
//
// An unchanged head leaves as it came but for its id, timeout or status, and length; a changed one is made anew from the
// fields, in the version of the call it belongs to, and then loses its null entries. A head of another protocol becomes a
// frame of version 1 (an answer: of its request's version); its ContentLength must be known, and its content-length field
// is left out. The codec's own answers have no content; the reason is named in the header block under "sluice-reason".
//
// A frame that is refused is answered with CODEC_EXCEPTION, a call over Limits.Calls with SERVER_THREADPOOL_BUSY. The CRC32
// of version 2 is written anew, and no frame is passed on as complete whose own is wrong. Goaway (command 100) is MOSN's
// extension: it is understood, and sent if Env.Announce is set.
package bolt
