package protocols

import "strconv"

// A Reason says why a stream or a connection ended otherwise than well. The same name shows in the local reply's body,
// the access log and a metric label.
type Reason uint8

// The reasons. The set is closed: a switch over it lists every one.
const (
	ReasonNone                 Reason = iota
	ReasonClientGone                  // the client closed or reset before its answer was complete
	ReasonPeerSilent                  // the client did not answer a keep-alive probe
	ReasonHeadTimeout                 // the request head did not arrive in time
	ReasonIdleTimeout                 // a keep-alive connection, or a tunnel, was idle for too long
	ReasonBodyTimeout                 // the request body made no progress for too long
	ReasonSlowReader                  // the client took no bytes of its answer for too long
	ReasonProtocolError               // the client broke its protocol
	ReasonHeadTooLarge                // request head over its limit
	ReasonURITooLong                  // request line over its limit
	ReasonBodyTooLarge                // request body over its limit, or too long to be collected for a protocol that needs its length
	ReasonFlood                       // the client sent more of something cheap than anybody needs
	ReasonNotImplemented              // a transfer coding or method that can't be served
	ReasonExpectationFailed           // the request expects something other than 100-continue
	ReasonNoRoute                     // no virtual host or route matches
	ReasonNoCluster                   // the route names a cluster that does not exist (any more)
	ReasonNoHealthyEndpoint           // the cluster has no endpoint that may be used
	ReasonConnectFailed               // the endpoint refused, or could not be reached
	ReasonConnectTimeout              // no connection within the cluster's connect_timeout
	ReasonOverflow                    // a limit of the cluster or of this process was reached
	ReasonUpstreamReset               // the upstream closed or reset before the head of its answer
	ReasonUpstreamCut                 // the upstream closed or reset within its answer
	ReasonUpstreamTruncated           // the upstream ended TLS without close_notify where only its end delimits the answer
	ReasonUpstreamSilent              // the upstream did not answer a keep-alive probe
	ReasonUpstreamProtocol            // the upstream broke its protocol
	ReasonUpstreamHeadTooLarge        // response head over its limit
	ReasonRequestTimeout              // the route's timeout passed
	ReasonTryTimeout                  // the per-try timeout passed
	ReasonStreamIdle                  // the exchange made no progress for timeouts.stream_idle
	ReasonRateLimited                 // a rate limit refused
	ReasonForbidden                   // an access rule refused
	ReasonMisdirected                 // the connection is not for the host that the request names
	ReasonDrained                     // this process is shutting down
	ReasonInternal                    // a fault of ours: it is logged, and worth a report
	NumReasons                        // how many there are
)

var reasons = [NumReasons]struct {
	name   string
	status uint16
	text   string
}{
	ReasonNone:                 {"none", 0, ""},
	ReasonClientGone:           {"client_gone", 499, "the client closed the connection"},
	ReasonPeerSilent:           {"peer_silent", 408, "the client did not answer a keep-alive probe"},
	ReasonHeadTimeout:          {"head_timeout", 408, "the request head did not arrive in time"},
	ReasonIdleTimeout:          {"idle_timeout", 408, "the connection was idle for too long"},
	ReasonBodyTimeout:          {"body_timeout", 408, "the request body made no progress"},
	ReasonSlowReader:           {"slow_reader", 408, "the client did not read its answer"},
	ReasonProtocolError:        {"protocol_error", 400, "the request is malformed"},
	ReasonHeadTooLarge:         {"head_too_large", 431, "the request head is too large"},
	ReasonURITooLong:           {"uri_too_long", 414, "the request target is too long"},
	ReasonBodyTooLarge:         {"body_too_large", 413, "the request body is too large"},
	ReasonFlood:                {"flood", 429, "the client sends too much that asks for nothing"},
	ReasonNotImplemented:       {"not_implemented", 501, "the request needs a feature that is not available"},
	ReasonExpectationFailed:    {"expectation_failed", 417, "the request expects what is not available"},
	ReasonNoRoute:              {"no_route", 404, "no route matches the request"},
	ReasonNoCluster:            {"no_cluster", 503, "the route's cluster does not exist"},
	ReasonNoHealthyEndpoint:    {"no_healthy_endpoint", 502, "no healthy upstream endpoint"},
	ReasonConnectFailed:        {"connect_failed", 502, "the upstream could not be reached"},
	ReasonConnectTimeout:       {"connect_timeout", 504, "the upstream did not accept a connection in time"},
	ReasonOverflow:             {"overflow", 503, "too many requests or connections"},
	ReasonUpstreamReset:        {"upstream_reset", 502, "the upstream closed the connection before it answered"},
	ReasonUpstreamCut:          {"upstream_cut", 502, "the upstream closed the connection within its answer"},
	ReasonUpstreamTruncated:    {"upstream_truncated", 502, "the upstream ended TLS without close_notify, which an answer without a length needs"},
	ReasonUpstreamSilent:       {"upstream_silent", 504, "the upstream did not answer a keep-alive probe"},
	ReasonUpstreamProtocol:     {"upstream_protocol_error", 502, "the upstream's answer is malformed"},
	ReasonUpstreamHeadTooLarge: {"upstream_head_too_large", 502, "the upstream's response head is too large"},
	ReasonRequestTimeout:       {"request_timeout", 504, "the upstream did not answer in time"},
	ReasonTryTimeout:           {"try_timeout", 504, "the upstream did not answer a try in time"},
	ReasonStreamIdle:           {"stream_idle", 504, "the exchange made no progress"},
	ReasonRateLimited:          {"rate_limited", 429, "too many requests"},
	ReasonForbidden:            {"forbidden", 403, "access denied"},
	ReasonMisdirected:          {"misdirected", 421, "the connection is not for this host"},
	ReasonDrained:              {"drained", 503, "the gateway is shutting down"},
	ReasonInternal:             {"internal", 500, "internal error"},
}

// String is the reason's name: lower case, words joined by "_".
func (r Reason) String() string {
	if r >= NumReasons {
		return "reason_" + strconv.Itoa(int(r))
	}
	return reasons[r].name
}

// Status is the HTTP status of a local reply for r.
func (r Reason) Status() int {
	if r >= NumReasons {
		return 500
	}
	return int(reasons[r].status)
}

// Text is one sentence for a person, without a final stop.
func (r Reason) Text() string {
	if r >= NumReasons {
		return "unknown reason"
	}
	return reasons[r].text
}

// An Error is a codec's refusal: the reason, and the detail that a log wants. The values are made once, as package
// variables of the codec, so that refusing costs no allocation.
type Error struct {
	Reason Reason
	Detail string // what is wrong, with the rule's RFC section; never bytes from the network
}

func (e *Error) Error() string { return e.Reason.String() + ": " + e.Detail }
