// Package protocoltest is what every codec must pass. A codec's tests hand it a protocol and a folder of transcripts:
//
//   - [Transcripts] plays each of them and compares what the codec says, line by line (-rewrite writes it down);
//   - [Splits] plays each of them again with its bytes cut at every point, and expects the same;
//   - [Pair] joins a server and a client codec in memory, with a sink on either side;
//   - [Output], [Recorder] and [Null] stand for a connection and its owner.
//
// Nothing here opens a port, sleeps or reads a clock. Only tests import it.
package protocoltest
