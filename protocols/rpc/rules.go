package rpc

import "sluice/protocols"

// A Rule is what a peer did wrong; nil is nothing. The same broken frame is a client's fault at a server and an upstream's
// fault at a client, so each end has its own error for it.
type Rule struct{ Request, Response *protocols.Error }

// Fault is the kind of a Rule.
type Fault uint8

// The faults.
const (
	Malformed Fault = iota
	HeadTooLarge
	ContentTooLarge
	Flood
)

// NewRule returns a rule. A protocol makes its rules once, as package variables.
func NewRule(f Fault, detail string) *Rule {
	request, response := protocols.ReasonProtocolError, protocols.ReasonUpstreamProtocol
	switch f {
	case HeadTooLarge:
		request, response = protocols.ReasonHeadTooLarge, protocols.ReasonUpstreamHeadTooLarge
	case ContentTooLarge:
		request = protocols.ReasonBodyTooLarge
	case Flood:
		request = protocols.ReasonFlood
	case Malformed:
	}
	return &Rule{
		Request:  &protocols.Error{Reason: request, Detail: detail},
		Response: &protocols.Error{Reason: response, Detail: detail},
	}
}

// The rules that all protocols have.
var (
	RuleCommand   = NewRule(Malformed, "a frame's command is unknown for its type")
	RuleDirection = NewRule(Malformed, "a frame is one that the other side sends")
	RuleHead      = NewRule(HeadTooLarge, "a frame's head is over its limit")
	RuleContent   = NewRule(ContentTooLarge, "a frame's content is over its limit")
	RuleSum       = NewRule(Malformed, "a frame's CRC32 is not that of its bytes")
	RuleFlood     = NewRule(Flood, "more requests and heartbeats than can be answered")
	RuleCut       = NewRule(Malformed, "the connection ended within a frame")
)

// What an owner may do wrong with Encode, or ask what frames can't do.
var (
	ErrStream    = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "the stream is not open"}
	ErrPhase     = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "the connection takes no new stream now"}
	ErrHeadTwice = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "a second head"}
	ErrHeadFirst = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "content in front of the head"}
	ErrKind      = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "no such kind of event"}
	ErrStatus    = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "an answer has no status"}
	ErrLength    = &protocols.Error{Reason: protocols.ReasonNotImplemented, Detail: "a frame announces the length of its content, and this message's is not known"}
	ErrLong      = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "more content than was announced"}
	ErrShort     = &protocols.Error{Reason: protocols.ReasonInternal, Detail: "less content than was announced"}
	ErrContent   = &protocols.Error{Reason: protocols.ReasonBodyTooLarge, Detail: "the content is longer than a frame may carry"}
)
