package protocols

// StreamID names a stream within its connection. Zero is "not yet opened": a client codec assigns an id when it encodes
// the Head event of a request whose Stream is zero.
type StreamID uint32

// Kind says what an [Event] is.
type Kind uint8

// The kinds of event. A direction of a stream is: Head* (interim ones first), Data*, at most one Trailer; the last of
// them has End set. Reset ends both directions at once and may come at any point.
const (
	KindHead    Kind = iota + 1 // the start of a message: Header is set
	KindData                    // body bytes: Data is set, and may be empty when End is
	KindTrailer                 // fields after the body: Header is set; always End
	KindReset                   // the stream failed: Reason says why
	KindCredit                  // decoded: N bytes of Data would be taken now; encoded: N bytes were passed on
	KindGoAway                  // the connection takes no new streams: Reason says why
)

func (k Kind) String() string {
	switch k {
	case KindHead:
		return "head"
	case KindData:
		return "data"
	case KindTrailer:
		return "trailer"
	case KindReset:
		return "reset"
	case KindCredit:
		return "credit"
	case KindGoAway:
		return "goaway"
	}
	return "unknown"
}

// An Event is one step of one stream, the same on the way in and on the way out.
type Event struct {
	Kind    Kind
	End     bool // the last event of this direction
	Interim bool // Head of a 1xx response other than 101: a final head follows
	// Unprocessed: a decoded Reset says that the peer has done nothing about the request: it is safe to send it again.
	Unprocessed bool
	Reason      Reason   // Reset and GoAway
	Stream      StreamID // unique within the connection
	N           int      // Credit: bytes
	Header      *Header  // Head and Trailer; lent for the call
	Data        []byte   // Data; lent for the call
	// Owner is the caller's own mark of the stream. A multiplexed codec remembers what the sink has put here during the
	// Head event of a request (server) or what the Head that it encoded held (client), and sets it in every later event
	// of that stream: nobody has to look a stream up. Codecs of one stream at a time ignore it.
	Owner any
}

// Set makes ev what from is, part by part: assigning it would copy in large pieces what was just put together in small ones, and
// a processor forwards a store only to a load that lies within it.
func (ev *Event) Set(from *Event) {
	ev.Kind, ev.End, ev.Interim, ev.Unprocessed, ev.Reason = from.Kind, from.End, from.Interim, from.Unprocessed, from.Reason
	ev.Stream, ev.N = from.Stream, from.N
	ev.Header, ev.Data, ev.Owner = from.Header, from.Data, from.Owner
}

// A Verdict is a sink's answer to an event.
type Verdict uint8

const (
	// More asks for the next event.
	More Verdict = iota
	// Pause says that the receiver can't pass on what comes. A codec of one stream at a time returns from Decode at once
	// and emits nothing more until the owner calls Decode again. A multiplexed codec keeps the bytes of this event out of
	// the stream's window until the owner returns them, all or in pieces, by encoding Credit events; it may still deliver
	// what the window already allows, and goes on with the other streams. (With More it replenishes the window itself.)
	Pause
)

// A Sink receives decoded events on the connection's loop. It must not keep ev, ev.Header or ev.Data past the call.
// It may call Encode of the same codec from inside Event (a local reply to a head), and must then expect no event of a
// stream that it has ended or reset. Encode emits no event.
type Sink interface {
	Event(ev *Event) Verdict
}

// Output is where a codec puts wire bytes; a loop.Conn is one. It belongs to the connection's loop.
type Output interface {
	// Reserve returns the bytes that wait to be sent, with room for at least n more behind them. The codec appends to
	// the slice and must hand the result to Commit before anything else touches the connection.
	Reserve(n int) []byte
	// Commit takes back what Reserve gave, grown.
	Commit(b []byte)
	// Write adds b: a short slice is copied, a long one is written straight through together with what waits, and
	// only its unsent tail is copied. b is not referenced after the call.
	Write(b []byte)
	// Buffered is the number of bytes that wait to be sent.
	Buffered() int
}

// OutputHigh is the number of buffered output bytes above which producers should pause, and a multiplexed codec takes no
// more Data: it is told by Drained when there is room again.
const OutputHigh = 64 << 10
