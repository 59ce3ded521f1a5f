// Package filter is the contract between the gateway and its filters: what a filter is shown of an exchange, and what it
// may change. Each filter is a package below this one, with a README in the form of a man page.
//
// # Life
//
// A [Kind] is what the gateway lists. It compiles the options of a listener once; what that gives makes a [Filter] for
// each loop, so a filter locks nothing and may keep free lists. [Filter.Begin] sees the head of every request; where it has
// nothing to do it returns nil, and the exchange costs it no more. Otherwise it returns a [Stage], which sees the exchange to
// its end. A [Chain] runs the filters of a listener in their order: requests from the first to the last, answers back.
//
// # Bytes
//
// Bodies are streamed: a stage is shown each piece as it comes and returns what goes on instead, at once. What it must keep
// back is a few bytes, in its own state; a filter that collects more names its limit. Everything that a stage is given is
// lent for the call. Filters are pure: no I/O, no clock, no goroutine.
package filter
