package rpc

import "sluice/protocols"

// Kind is the direction of a frame, and whether it wants an answer.
type Kind uint8

// The kinds.
const (
	Answer  Kind = iota
	Request      // an answer is due
	OneWay       // none is
)

// Command is what a frame is about.
type Command uint8

// The commands.
const (
	Call      Command = iota // a request, or the answer to one
	Heartbeat                // a sign of life, or the answer to one
	GoAway                   // a request: its sender takes no more streams, or opens none
	Ignored                  // a request that means nothing to a gateway, and wants no answer
	Unknown                  // nothing that the protocol has
)

// Mark is what an answer, or a frame of the codec's own, repeats of a frame that came before (its version and the like),
// packed as the Format likes. Zero is the one of a connection over which nothing has come.
type Mark uint64

// A Frame is a frame as far as all protocols have the same: its head is the fixed part and everything else in front of the
// content.
type Frame struct {
	ID      uint64 // as it is on the wire
	Mark    Mark
	Head    int    // bytes; parsed: 0 when it is not all there
	Content int    // bytes
	Timeout uint32 // of a request, as it is on the wire
	Status  uint16 // of an answer, the protocol's own
	Command Command
	Kind    Kind
	Sum     bool // a CRC32 (IEEE) of head and content, 4 bytes, follows
	Same    bool // to be encoded: the header's wire form is the head, but for what differs in this struct
}

// A Format is the form of a protocol's frames. It has no state and keeps nothing of what it is given.
type Format interface {
	// Parse reads the head of the frame at the start of b, which may be too short for it, into f, which is zero. With a rule
	// it also sets what an answer to the frame needs (ID, Kind, Command, Mark), if it could be read. It may wait for all of
	// a frame of at most Whole bytes; of a longer one, or one over its limits, for no more than the head.
	Parse(f *Frame, b []byte, l *protocols.Limits) *Rule
	// ReadHead makes h the head of f, which b holds: its fields, at most fields many, its wire form, and Code and Status of
	// an answer. Proto, OneWay and ContentLength are set by the caller.
	ReadHead(h *protocols.Header, f *Frame, b []byte, fields int) *Rule
	// Begin makes f, which is zero but for its Kind, the frame of the message that h heads, without ID and Content, and
	// returns an upper bound of its head's bytes. An Answer is one to a request with the mark. The error is a
	// *protocols.Error: the protocol can't say what h does.
	Begin(f *Frame, mark Mark, h *protocols.Header) (size int, err error)
	// AppendHead appends the head of f, which Begin made of h.
	AppendHead(b []byte, f *Frame, h *protocols.Header) []byte
	// AppendOwn appends a whole frame of the codec's own, of at most MaxOwn bytes, with its CRC32 if the Mark asks for it: a
	// Heartbeat or GoAway, the answer to a Heartbeat, or an answer without a result. Why that is, reason says, if it is known.
	AppendOwn(b []byte, f *Frame, reason protocols.Reason) []byte
	// Status is the protocol's own status for HTTP's, in an answer to a request with the mark.
	Status(status int, mark Mark) uint16
}

// MaxOwn is the length of the longest frame that AppendOwn may append.
const MaxOwn = 192

// A Spec is a protocol as this package must know it. It does not change.
type Spec struct {
	Format Format
	ID     protocols.ProtocolID
	// Announces: every peer knows the frame for goaway, so that it is sent whatever Env.Announce says.
	Announces bool
}
