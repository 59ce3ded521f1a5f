package bolt

import (
	"sluice/protocols"
	"sluice/protocols/rpc"
)

// What a peer may do wrong in Bolt, beside what it may in any protocol of frames.
var (
	ruleVersion  = rpc.NewRule(rpc.Malformed, "a frame starts with neither 1 nor 2, Bolt's versions")
	ruleKind     = rpc.NewRule(rpc.Malformed, "a frame's type is neither response (0), request (1) nor one-way (2)")
	ruleClass    = rpc.NewRule(rpc.HeadTooLarge, "a frame's class name is over its limit")
	ruleFields   = rpc.NewRule(rpc.HeadTooLarge, "a frame's header block is over its limit of entries")
	ruleBlock    = rpc.NewRule(rpc.Malformed, "a frame's header block does not end where its entries do")
	ruleRepeated = rpc.NewRule(rpc.Malformed, "a frame's header block has a key twice")
)

// What an owner may ask that Bolt can't do.
var (
	errBlock = &protocols.Error{Reason: protocols.ReasonHeadTooLarge, Detail: "the header map takes more than the 65535 bytes that a Bolt frame has for it"}
	errClass = &protocols.Error{Reason: protocols.ReasonHeadTooLarge, Detail: "the class name is longer than 65535 bytes"}
)
