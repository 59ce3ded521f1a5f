package http2

import "time"

// A progress is how far one direction of a stream is.
//
//	head ──final head──> body ──END_STREAM──> done
//	  └───────head with END_STREAM────────────^
//
// Both directions together are the state of RFC 9113 section 5.1: "open" while neither is done, "half-closed (remote)"
// when in is done, "half-closed (local)" when out is, "closed" when both are or after RST_STREAM. Streams that are idle or
// closed are in no table. A server's stream begins with its request's head decoded (in is body or done), a client's with it
// encoded (out is body or done).
type progress uint8

const (
	progressHead progress = iota
	progressBody
	progressDone
)

// turn is a stream's place in the queue of those that wait to send.
//
//	none ──Encode takes less than all──> parked ──the stream's window opens──> queued ──its turn──> served
//	  ^                                    └──only the connection's window or output is full──^       │
//	  └──────────────────────────────────── all taken, or End ────────────────────────────────────────┘
type turn uint8

const (
	turnNone   turn = iota
	turnParked      // its own window is used up
	turnQueued      // it could send if the connection could
	turnServed      // a Credit event is being answered
)

// traits are facts about a stream's exchange.
type traits uint8

const (
	isHead    traits = 1 << iota // a HEAD request
	isConnect                    // a CONNECT request without :protocol
	isUpgrade                    // an extended CONNECT: GET with Upgrade, for the gateway
	isTunnel                     // (server) the tunnel was granted: its directions end one by one
	noBody                       // (out) the message that is encoded can't have a body: what comes is swallowed
)

// stream is one exchange. Records belong to the loop and are recycled.
type stream struct {
	owner   any
	upgrade string // (client) the protocol that was asked for
	next    *stream
	inLeft  int64 // bytes of the announced length that have not come; -1 without one
	outLeft int64 // the same, not yet sent
	updated time.Duration

	id      uint32
	recv    int32 // what the peer may send
	recvMax int32 // the size of that window
	grown   int32 // the part of it that it has grown by
	unsaid  int32 // bytes that were passed on, and not yet given back by WINDOW_UPDATE
	owed    int32 // bytes that the sink has, and has neither taken nor given back
	send    int32 // what we may send; negative after SETTINGS_INITIAL_WINDOW_SIZE was lowered

	in, out  progress
	turn     turn
	traits   traits
	urgency  uint8 // of RFC 9218: 0 comes first
	interims uint8
}

// receiving reports whether the peer may send data on s.
func (s *stream) receiving() bool { return s.in != progressDone }
