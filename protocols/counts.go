package protocols

import "errors"

// Counts is what codecs have dropped or refused without an event. It belongs to one loop and only grows.
type Counts struct {
	Late    uint64 // answers to requests that had been given up
	Unknown uint64 // answers to no request, or to one that had its answer
	Refused uint64 // requests that the codec itself has refused or answered: over Limits.Calls or Limits.Streams, head too large
	Pings   uint64 // keep-alive probes sent
}

// ErrWait is Encode's answer to a Head whose turn has not come: nothing of it was taken. See [Multiplexer].
var ErrWait = errors.New("another stream's message is on its way")
