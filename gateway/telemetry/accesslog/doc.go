// Package accesslog writes one line for each exchange, off the loops.
//
// # Usage
//
// [Compile] turns MOSN's `%variable%` text (or "json") into a [Format]. A stream fills a [Record] and gives it to the
// [Buffer] that its loop has for the file; one goroutine per file writes what all loops have left there. Formats also
// make header values: [Format.AppendValue].
//
// # Ownership
//
// A Buffer belongs to its loop; [Buffer.Log] neither blocks nor allocates. A Format is immutable and shared. A Record
// borrows its bytes for the length of the call.
//
// # Limits
//
// A Buffer holds [BufferSize] bytes; a line that finds it full is dropped and counted. One value takes at most 4 KiB of
// a line. What comes from the network is escaped, so that nobody can forge a line.
package accesslog
