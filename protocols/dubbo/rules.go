package dubbo

import (
	"sluice/protocols"
	"sluice/protocols/rpc"
)

// What a peer may do wrong in Dubbo, beside what it may in any protocol of frames.
var (
	ruleMagic  = rpc.NewRule(rpc.Malformed, "a frame does not start with 0xdabb")
	ruleNames  = rpc.NewRule(rpc.Malformed, "a request in Hessian 2 does not begin with Dubbo's version, a path, a version and a method, as strings")
	ruleName   = rpc.NewRule(rpc.HeadTooLarge, "a path, version or method is over its limit")
	ruleFields = rpc.NewRule(rpc.HeadTooLarge, "a request has more fields than its limit")
)

// What an owner may ask that Dubbo can't do.
var (
	errNames = &protocols.Error{Reason: protocols.ReasonNotImplemented, Detail: "a Dubbo request needs the fields service and method"}
	errName  = &protocols.Error{Reason: protocols.ReasonNotImplemented, Detail: "dubbo, service, version or method is longer than 32768 characters, holds control characters or is not UTF-8"}
)
