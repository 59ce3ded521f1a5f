package router

import (
	"strings"
	"time"

	"sluice/protocols"
)

// A RetryPolicy says when a failed try is sent again. What is safe for every request is not part of it and always on: a
// try that reached nobody, one on an idle connection that was closed before any byte of an answer, and one of which the
// upstream says that it has not processed it.
type RetryPolicy struct {
	On          bool
	Tries       int           // retries after the first try
	TryTimeout  time.Duration // 0 none
	StatusCodes []int         // of HTTP; see Conditions
	// Conditions and GRPCStatuses say what is tried again; StatusCodes adds to them. When both are empty it is every
	// loss, and every status from 500 on unless StatusCodes says which.
	Conditions   RetryConditions
	GRPCStatuses GRPCStatuses // of an answer that says at its head how the call ended (trailers-only)
}

// RetryConditions is a set of ways in which a try may fail. The names and what they take in are Envoy's.
type RetryConditions uint8

// The conditions. A wider one has the narrower ones in it.
const (
	RetryConnectFailure RetryConditions = 1 << iota // no connection, so nothing was sent
	RetryRefusedStream                              // the upstream says that it has not processed the request
	anyReset
	gatewayStatus
	serverStatus

	// RetryReset is no answer, however that came: no connection, a reset, a per-try timeout, an answer that can't be read.
	RetryReset = anyReset | RetryConnectFailure | RetryRefusedStream
	// RetryGatewayError is RetryReset, and the statuses 502, 503 and 504.
	RetryGatewayError = gatewayStatus | RetryReset
	// Retry5xx is RetryGatewayError, and every other status from 500 on.
	Retry5xx = serverStatus | RetryGatewayError
)

// Has reports whether all of c is in s.
func (s RetryConditions) Has(c RetryConditions) bool { return s&c == c }

// String lists the names, the widest that are in s.
func (s RetryConditions) String() string {
	var names []string
	for _, c := range retryConditions {
		if c.grpc == 0 && s.Has(c.set) {
			names = append(names, c.name)
			s &^= c.set
		}
	}
	return strings.Join(names, ",")
}

// GRPCStatuses is a set of values of grpc-status: bit n stands for n.
type GRPCStatuses uint32

// grpcCodes is how many values grpc-status has: OK (0) to UNAUTHENTICATED (16).
const grpcCodes = 17

// The statuses that a policy can name.
const (
	grpcCancelled         = 1
	grpcDeadlineExceeded  = 4
	grpcResourceExhausted = 8
	grpcInternal          = 13
	grpcUnavailable       = 14
)

// Has reports whether status is in s. Any integer may be asked for.
func (s GRPCStatuses) Has(status int) bool { return status >= 0 && status < 32 && s>>status&1 != 0 }

// String lists the names.
func (s GRPCStatuses) String() string {
	var names []string
	for _, c := range retryConditions {
		if c.grpc != 0 && s.Has(c.grpc) {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ",")
}

// retryConditions are the names, wider ones first; each stands for a condition or for a grpc-status.
var retryConditions = [...]struct {
	name string
	set  RetryConditions
	grpc int
}{
	{"5xx", Retry5xx, 0},
	{"gateway-error", RetryGatewayError, 0},
	{"reset", RetryReset, 0},
	{"connect-failure", RetryConnectFailure, 0},
	{"refused-stream", RetryRefusedStream, 0},
	{"cancelled", 0, grpcCancelled},
	{"deadline-exceeded", 0, grpcDeadlineExceeded},
	{"internal", 0, grpcInternal},
	{"resource-exhausted", 0, grpcResourceExhausted},
	{"unavailable", 0, grpcUnavailable},
}

// RetryConditionNames lists what AddCondition knows.
func RetryConditionNames() []string {
	names := make([]string, len(retryConditions))
	for i, c := range retryConditions {
		names[i] = c.name
	}
	return names
}

// AddCondition adds the condition or the grpc-status with that name to p; false when there is none.
func (p *RetryPolicy) AddCondition(name string) bool {
	for _, c := range retryConditions {
		if c.name != name {
			continue
		}
		p.Conditions |= c.set
		if c.grpc != 0 {
			p.GRPCStatuses |= 1 << c.grpc
		}
		return true
	}
	return false
}

// conditions is what p is about, with the default filled in.
func (p *RetryPolicy) conditions() RetryConditions {
	switch {
	case !p.On:
		return 0
	case p.Conditions != 0 || p.GRPCStatuses != 0:
		return p.Conditions
	case len(p.StatusCodes) > 0:
		return RetryReset
	}
	return Retry5xx
}

// RetriesStatus reports whether p asks for another try behind an answer with an HTTP status.
func (p *RetryPolicy) RetriesStatus(status int) bool {
	if !p.On {
		return false
	}
	for _, code := range p.StatusCodes {
		if code == status {
			return true
		}
	}
	c := p.conditions()
	return status >= 500 && c.Has(Retry5xx) || status >= 502 && status <= 504 && c.Has(RetryGatewayError)
}

// RetriesGRPC reports whether p asks for another try behind an answer with a grpc-status.
func (p *RetryPolicy) RetriesGRPC(status int) bool { return p.On && p.GRPCStatuses.Has(status) }

// RetriesLoss reports whether p asks for another try behind one that has got no answer, for reason r; unprocessed when the
// upstream says that it did nothing about the request.
func (p *RetryPolicy) RetriesLoss(r protocols.Reason, unprocessed bool) bool {
	c := p.conditions()
	if unprocessed && c.Has(RetryRefusedStream) {
		return true
	}
	switch r {
	case protocols.ReasonConnectFailed, protocols.ReasonConnectTimeout, protocols.ReasonNoHealthyEndpoint:
		return c.Has(RetryConnectFailure)
	case protocols.ReasonUpstreamReset, protocols.ReasonUpstreamCut, protocols.ReasonUpstreamTruncated, protocols.ReasonUpstreamProtocol,
		protocols.ReasonUpstreamHeadTooLarge, protocols.ReasonTryTimeout, protocols.ReasonUpstreamSilent, protocols.ReasonDrained:
		return c.Has(RetryReset)
	default:
		// Not the upstream's doing, or, as overflow, something that more tries make worse.
		return false
	}
}
