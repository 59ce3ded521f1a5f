package bolt

import "sluice/protocols"

// A rule names what a peer did wrong; ruleOK is none. The same broken frame is a client's fault at a server and an
// upstream's fault at a client, so each end turns rules into its own *protocols.Error.
type rule uint8

const (
	ruleOK rule = iota
	ruleVersion
	ruleKind
	ruleCommand
	ruleDirection
	ruleClass
	ruleHead
	ruleContent
	ruleFields
	ruleBlock
	ruleRepeated
	ruleSum
	ruleFlood
	ruleCut
	numRules
)

type fault uint8

const (
	malformed fault = iota
	headTooLarge
	contentTooLarge
	flood
)

var ruleTable = [numRules]struct {
	fault  fault
	detail string
}{
	ruleVersion:   {malformed, "a frame starts with neither 1 nor 2, Bolt's versions"},
	ruleKind:      {malformed, "a frame's type is neither response (0), request (1) nor one-way (2)"},
	ruleCommand:   {malformed, "a frame's command is unknown for its type"},
	ruleDirection: {malformed, "a frame is one that the other side sends"},
	ruleClass:     {headTooLarge, "a frame's class name is over its limit"},
	ruleHead:      {headTooLarge, "a frame's class and header block are over their limit"},
	ruleContent:   {contentTooLarge, "a frame's content is over its limit"},
	ruleFields:    {headTooLarge, "a frame's header block is over its limit of entries"},
	ruleBlock:     {malformed, "a frame's header block does not end where its entries do"},
	ruleRepeated:  {malformed, "a frame's header block has a key twice"},
	ruleSum:       {malformed, "a frame's CRC32 is not that of its bytes"},
	ruleFlood:     {flood, "more requests and heartbeats than can be answered"},
	ruleCut:       {malformed, "the connection ended within a frame"},
}

var (
	requestErrors  = buildErrors(protocols.ReasonProtocolError, protocols.ReasonHeadTooLarge, protocols.ReasonBodyTooLarge, protocols.ReasonFlood)
	responseErrors = buildErrors(protocols.ReasonUpstreamProtocol, protocols.ReasonUpstreamHeadTooLarge, protocols.ReasonUpstreamProtocol, protocols.ReasonUpstreamProtocol)
)

// buildErrors makes an end's errors; the reasons are in the order of the faults.
func buildErrors(reasons ...protocols.Reason) (t [numRules]*protocols.Error) {
	for r, row := range ruleTable {
		t[r] = &protocols.Error{Reason: reasons[row.fault], Detail: row.detail}
	}
	return t
}

// What an owner may do wrong with Encode, or ask what Bolt can't do.
var (
	errStream    = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "the stream is not open"}
	errPhase     = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "the connection takes no new stream now"}
	errHeadTwice = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "a second head"}
	errHeadFirst = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "content in front of the head"}
	errKind      = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "no such kind of event"}
	errStatus    = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "an answer has no status"}
	errLength    = &protocols.Error{Reason: protocols.ReasonNotImplemented, Detail: "Bolt announces the length of the content in front of it, and this message's is not known"}
	errLong      = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "more content than was announced"}
	errShort     = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "less content than was announced"}
	errContent   = &protocols.Error{Reason: protocols.ReasonBodyTooLarge, Detail: "the content is longer than a Bolt frame may carry"}
	errBlock     = &protocols.Error{Reason: protocols.ReasonHeadTooLarge, Detail: "the header map takes more than the 65535 bytes that a Bolt frame has for it"}
	errClass     = &protocols.Error{Reason: protocols.ReasonHeadTooLarge, Detail: "the class name is longer than 65535 bytes"}
)
