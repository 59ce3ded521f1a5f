package protocols

import "time"

// A Codec is one end of one connection. Its loop owns it and calls it from one goroutine; it does no I/O.
//
// A server codec decodes requests and encodes responses; a client codec does the opposite.
type Codec interface {
	// Decode reads b, which starts with the bytes that the previous call left, passes events to sink and returns how
	// many bytes it used; the rest is offered again, with more behind it. It uses less than all of b when a unit is
	// incomplete, when sink says Pause, or when it must wait for an Encode (an HTTP/1 server does not look at the next
	// request before it has encoded the end of the last response).
	// Answers that the protocol itself asks for (a PING's) go to out.
	// A returned error is an *Error and ends the connection's inbound direction: Decode is not called again. If the
	// error belongs to a stream that can still be answered, the owner encodes that answer and then closes.
	Decode(now time.Duration, b []byte, sink Sink, out Output) (n int, err error)

	// DecodeEOF tells the codec that the peer has closed its sending direction behind the bytes given so far, rest of
	// which (what Decode left) will never be completed. It may end a message that only the end of input delimits.
	// An error means that a message was cut; a clean end between messages is none.
	DecodeEOF(now time.Duration, rest []byte, sink Sink, out Output) error

	// Encode writes ev to out and returns how many bytes of ev.Data it took: all of them, or fewer when flow control
	// of the protocol leaves less room; the caller keeps the rest and offers it again after a Credit event. A client
	// codec that gets a Head with Stream zero opens a stream and stores its id in ev.Stream.
	// A Reset event tells the peer that the stream is void, as well as the protocol can (HTTP/1: Phase becomes
	// PhaseAbort). A Credit event returns N bytes of receive window. A GoAway event announces that no new stream is
	// welcome, or, from a client, that none will be opened; those in progress go on (PhaseDraining).
	// An error is the caller's mistake (more body than announced, unknown stream) or a connection that can't go on;
	// nothing of the event was written that the peer could take for a complete message.
	Encode(now time.Duration, ev *Event, out Output) (n int, err error)

	// Status tells where the connection stands. It is cheap and has no effect.
	Status() Status
}

// A Multiplexer is a codec whose connection carries many streams at once.
//
// Encode of Data takes fewer bytes than it is given when a window of the stream or of the connection is used up, or when
// the output holds more than OutputHigh; End and Trailer count as not encoded then. The codec remembers that the stream
// waits, and emits a Credit event for it, from Decode, Advance or Drained, as soon as it would take N > 0 bytes: waiting
// streams get their turns in order of priority, then round robin, at most a frame or so each. The owner answers a Credit
// by encoding what it holds, at once or never.
//
// A Head may have to wait, too: where streams can't be interleaved (Bolt), or for what the peer has not said yet (HTTP/2, the
// request for a tunnel). Encode returns [ErrWait], nothing was written, and the codec emits a Credit event with the Head's
// Stream and Owner when it is its turn.
//
// When one direction of a stream ends before the other, the codec says so to the peer as its protocol can (HTTP/2: an
// answer that is complete before its request is followed by RST_STREAM with NO_ERROR), and emits nothing more of it.
type Multiplexer interface {
	TimedCodec
	// Drained tells that the output has fallen below its low-water mark after it was above OutputHigh.
	Drained(now time.Duration, sink Sink, out Output)
}

// A TimedCodec has deadlines of its own (keep-alive pings, settings to be acknowledged).
type TimedCodec interface {
	Codec
	// Deadline is when Advance must run; zero means never.
	Deadline() time.Duration
	// Advance does what is due at now. Errors are as Decode's.
	Advance(now time.Duration, sink Sink, out Output) error
}

// Phase is the life of a connection as its codec sees it.
//
//	Open ──(peer or we announce the end)──> Draining ──(last exchange done)──> Closing
//	Open ──(101, or 2xx to CONNECT)──> Tunnel ──(both directions ended)──> Closing
//	any  ──(Reset where the protocol can't say it, or a fatal error)──> Abort
type Phase uint8

// The phases.
const (
	PhaseOpen     Phase = iota // new streams are welcome
	PhaseDraining              // the streams in progress are the last
	PhaseClosing               // everything is said: flush the output, then close
	PhaseTunnel                // bytes pass unframed until both directions have ended
	PhaseAbort                 // close at once; what waits is worthless
)

// Status is a codec's account of its connection.
type Status struct {
	Phase Phase
	Room  int // how many more streams may be opened now (client codecs)
	Conditions
}

// Conditions are what is the case with a connection. (Apart from Status because a struct of more than four parts would not be kept in
// registers.)
type Conditions struct {
	// Idle: no stream is open and no partial message has been decoded.
	Idle bool
	// Linger: the peer may still be sending (an early answer to an upload): close the sending direction, read and
	// drop for a while, then close, so that the answer is not lost to a RST.
	Linger bool
	// Yielded: Decode stopped for the sake of other connections, though it could go on with what it left, or streams
	// that waited can go on since an Encode. The owner calls Decode again in the loop's next round.
	Yielded bool
	// Stalled: Decode takes nothing until Credit events have returned what its sinks have not taken (the RPC protocols,
	// which have no windows), or until there is room in the output for what it would have to answer. The owner stops reading until Yielded says that it can go on.
	Stalled bool
}

// A Protocol describes one wire protocol to the gateway.
type Protocol struct {
	ID          ProtocolID
	Name        string // as configurations spell it: "Http1"
	Multiplexed bool   // many streams share a connection
	// Connections is how many connections of a loop to one endpoint are enough where the configuration does not say:
	// requests wait rather than have another one made, but not behind a message that is still on its way to the endpoint,
	// whose sender may be slow. Status().Room of a new client codec is then what its connection carries. 0: as many as the
	// streams need.
	Connections int
	// InTurn says that one message follows the other whole: the end of one may be the turn of a stream that waits, or let
	// Decode go on, and the owner looks at Status then.
	InTurn bool
	// Sized says that a message's length stands in front of it: what has none must be collected first.
	Sized bool
	// PrefixLen bytes are enough for Detect to decide.
	PrefixLen int
	// Detect says whether a connection that starts with prefix speaks this protocol.
	Detect func(prefix []byte) Match
	// Server and Client make the codec of one end. env is the loop's and outlives the codec.
	Server func(env *Env) Codec
	Client func(env *Env) Codec
}

// ProtocolID is a small integer for each protocol.
type ProtocolID uint8

// The protocols.
const (
	ProtocolUnknown ProtocolID = iota
	ProtocolHTTP1
	ProtocolHTTP2
	ProtocolBolt
	ProtocolDubbo
	ProtocolTCP
	NumProtocols // how many there are
)

func (p ProtocolID) String() string {
	switch p {
	case ProtocolHTTP1:
		return "Http1"
	case ProtocolHTTP2:
		return "Http2"
	case ProtocolBolt:
		return "bolt"
	case ProtocolDubbo:
		return "dubbo"
	case ProtocolTCP:
		return "tcp"
	default:
		return "unknown"
	}
}

// Match is the answer of a detector.
type Match uint8

// The answers of a detector.
const (
	MatchNo    Match = iota
	MatchMaybe       // more bytes are needed
	MatchYes
)

// Env is what the codecs of one loop share: callbacks run one at a time, so one scratch header serves all of them and
// an idle connection owns none. A loop makes one Env for each distinct set of limits.
type Env struct {
	Limits Limits // filled in: no zero left (see Limits.WithDefaults)
	// Scratch is the header into which Decode parses; it is valid inside a Sink's Event call only.
	Scratch Header
	// Ev is the event that Decode passes on: a local one would escape to the heap. Decode never runs inside another
	// Decode of the same loop, so one serves all; a codec sets all of it (Event.Set) for each call of a sink.
	Ev Event
	// Counts is what the codecs of this loop have dropped or refused without an event. Envs that differ only in their limits
	// may share it.
	Counts *Counts
	// Announce lets codecs send frames that only some peers know: Bolt's goaway (MOSN's enable_bolt_goaway).
	Announce bool
	// Owed is the number of bytes that multiplexed codecs have passed to their sinks and that were neither taken (More)
	// nor returned (Credit): what the streams of this loop hold because somebody does not read.
	Owed int
	// Shared is what the codecs of each protocol have in common on this loop (scratch space, free lists): the first one
	// that needs it makes it.
	Shared [NumProtocols]any
}

// NewEnv returns an Env with l, defaults filled in.
func NewEnv(l Limits) *Env { return &Env{Limits: l.WithDefaults(), Counts: new(Counts)} }
