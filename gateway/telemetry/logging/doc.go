// Package logging is the process's own log: slog loggers, one for each path, whose level changes at run time.
//
// # Usage
//
// A [Manager] opens the log of a path and gives a *slog.Logger. Anybody may log, a loop too: a line goes into a bounded
// buffer and a goroutine writes it. Before the process ends, [Manager.Close] writes what waits.
//
// # Repeats
//
// Of identical warnings and errors one a second is written, with the number of those that were not. Lines are identical
// when level, message and attributes are; a [Key] attribute says otherwise, for lines that differ in what does not
// matter (a port, a duration).
//
// # Secrets
//
// The values of attributes that are called password, token, authorization, cookie and the like are not printed, nor is
// a [Secret], whatever it is called.
package logging
