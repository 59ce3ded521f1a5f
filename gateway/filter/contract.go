package filter

import "sluice/protocols"

// A Kind is one kind of filter, as the gateway lists it.
type Kind struct {
	Name string // as configurations name it: "grpc_web"
	// Compile reads the options of one listener, plain values of a document, whose keys a front end has checked. The
	// function that it returns is called once for each loop.
	Compile func(options map[string]any) (func() Filter, error)
}

// A Filter is what one filter of a listener does on one loop. It belongs to that loop.
type Filter interface {
	// Begin is shown the head of a request before it is routed, and may change it. It returns nil when the filter has
	// nothing to do with the exchange.
	Begin(req *protocols.Header) Stage
}

// A Stage is one filter's part in one exchange. Embed [Pass] for what it leaves alone.
//
// Methods that make bytes append them to dst, which does not overlap data, and return it grown; what they return is lent
// until the next call of the chain. Interim (1xx) answers, tunnels and resets are not shown.
type Stage interface {
	// RequestData is shown the next bytes of the request's body; end says that they are the last (data may be empty
	// then), though trailers may follow. It returns data itself, whole, to leave it as it is. An error ends the exchange:
	// it is answered with the error's reason.
	RequestData(dst, data []byte, end bool) ([]byte, *protocols.Error)
	// Answer is shown the final head of the answer, the gateway's own answers included, and may change it. end says that
	// it is all of the answer. It is called at most once.
	Answer(h *protocols.Header, end bool)
	// AnswerData is to the answer what RequestData is to the request. end is not set when trailers follow.
	AnswerData(dst, data []byte, end bool) []byte
	// AnswerTrailer is shown the trailers of the answer, and may change them. The bytes that it appends are sent before
	// them; when replaced is true, in their place, as the end of the answer.
	AnswerTrailer(dst []byte, h *protocols.Header) (data []byte, replaced bool)
	// End is the last call, however the exchange ended: the stage goes back to its filter.
	End()
}

// Pass is a Stage that changes nothing.
type Pass struct{}

// RequestData implements Stage.
func (Pass) RequestData(_, data []byte, _ bool) ([]byte, *protocols.Error) { return data, nil }

// Answer implements Stage.
func (Pass) Answer(*protocols.Header, bool) {}

// AnswerData implements Stage.
func (Pass) AnswerData(_, data []byte, _ bool) []byte { return data }

// AnswerTrailer implements Stage.
func (Pass) AnswerTrailer(dst []byte, _ *protocols.Header) ([]byte, bool) { return dst, false }

// End implements Stage.
func (Pass) End() {}

var _ Stage = Pass{}

// A Converter is a Stage that makes requests of one protocol requests of another.
type Converter interface {
	// Upstream is called when it is known what the request's upstream speaks, behind the route's edits and before anything
	// is sent. It may change the head. An error ends the exchange: it is answered with the error's reason. It is called at
	// most once.
	Upstream(req *protocols.Header, to protocols.ProtocolID) *protocols.Error
}
