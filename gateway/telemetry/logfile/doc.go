// Package logfile writes log lines on a goroutine of their own, so that a slow or full disk, or a pipe that nobody
// reads, holds up nobody else. The access log and the process log both stand on it.
//
// # Ownership
//
// A [Writer] owns its file and one goroutine, which sleeps while there is nothing to write. What waits to be written is
// the source's business: the Writer calls drain for it.
package logfile
