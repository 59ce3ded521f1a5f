package metrics

import (
	"slices"
	"strconv"

	"sluice/protocols"
)

// A Set declares the families of the gateway, and gives the handles of the things that it counts. Its methods are safe
// on any goroutine, and lock: they are for when a snapshot is built.
type Set struct {
	connections, unserved, received, sent, requests, failures, upgrades *CounterFamily
	active, activeRequests                                              *GaugeFamily
	duration                                                            *HistogramFamily

	hostRequests *CounterFamily
	hostDuration *HistogramFamily

	clusterRequests, retries, retryOverflow, clusterFailures *CounterFamily
	clusterActive                                            *GaugeFamily
	clusterDuration                                          *HistogramFamily

	endpointRequests, endpointConnections, endpointConnectFailures, endpointFailures *CounterFamily
	endpointActive                                                                   *GaugeFamily
}

// NewSet declares the families in r.
func NewSet(r *Registry) *Set {
	return &Set{
		connections:    r.Counter("sluice_downstream_connections_total", "Connections accepted.", "listener"),
		unserved:       r.Counter("sluice_downstream_unserved_connections_total", "Connections closed because the listener has nothing to do with them.", "listener"),
		received:       r.Counter("sluice_downstream_received_bytes_total", "Bytes decoded from clients.", "listener"),
		sent:           r.Counter("sluice_downstream_sent_body_bytes_total", "Body bytes of answers encoded for clients.", "listener"),
		requests:       r.Counter("sluice_downstream_requests_total", "Requests answered, by status code.", "listener", "code").Sparse(),
		failures:       r.Counter("sluice_downstream_failures_total", "Exchanges and connections that ended otherwise than well, by reason.", "listener", "reason").Sparse(),
		upgrades:       r.Counter("sluice_downstream_tunnels_total", "Exchanges that became a tunnel.", "listener"),
		active:         r.Gauge("sluice_downstream_active_connections", "Connections open.", "listener"),
		activeRequests: r.Gauge("sluice_downstream_active_requests", "Requests in progress.", "listener"),
		duration:       r.Histogram("sluice_downstream_request_duration_seconds", "Time from the head of a request to the end of its answer.", "listener"),

		hostRequests: r.Counter("sluice_virtual_host_requests_total", "Requests answered, by class of status.", "router", "virtual_host", "class").Sparse(),
		hostDuration: r.Histogram("sluice_virtual_host_request_duration_seconds", "Time from the head of a request to the end of its answer.", "router", "virtual_host"),

		clusterRequests: r.Counter("sluice_upstream_requests_total", "Answers of upstreams, by class of status.", "cluster", "class").Sparse(),
		clusterFailures: r.Counter("sluice_upstream_failures_total", "Exchanges that ended otherwise than well, by reason.", "cluster", "reason").Sparse(),
		retries:         r.Counter("sluice_upstream_retries_total", "Tries after the first one.", "cluster"),
		retryOverflow:   r.Counter("sluice_upstream_retry_overflows_total", "Retries that max_retries forbade.", "cluster"),
		clusterActive:   r.Gauge("sluice_upstream_active_requests", "Requests in progress.", "cluster"),
		clusterDuration: r.Histogram("sluice_upstream_request_duration_seconds", "Time from the head of a request to the end of the upstream's answer.", "cluster"),

		endpointRequests:        r.Counter("sluice_endpoint_requests_total", "Tries sent.", "cluster", "endpoint"),
		endpointConnections:     r.Counter("sluice_endpoint_connections_total", "Connections established.", "cluster", "endpoint"),
		endpointConnectFailures: r.Counter("sluice_endpoint_connect_failures_total", "Connections that could not be established.", "cluster", "endpoint"),
		endpointFailures:        r.Counter("sluice_endpoint_lost_requests_total", "Tries whose connection ended before the answer was complete.", "cluster", "endpoint"),
		endpointActive:          r.Gauge("sluice_endpoint_active_connections", "Connections open.", "cluster", "endpoint"),
	}
}

// A Listener is the handles of one listener.
type Listener struct {
	Connections, Unserved, ReceivedBytes, SentBytes, Tunnels Counter
	ActiveConnections, ActiveRequests                        Gauge
	Duration                                                 Histogram
	Reasons                                                  Reasons
	codes                                                    [len(statusCodes) + 1]Counter
}

// A Host is the handles of one virtual host.
type Host struct {
	Requests Classes
	Duration Histogram
}

// A Cluster is the handles of one cluster.
type Cluster struct {
	Requests               Classes
	Retries, RetryOverflow Counter
	Active                 Gauge
	Duration               Histogram
	Reasons                Reasons
}

// An Endpoint is the handles of one endpoint.
type Endpoint struct {
	Requests, Connections, ConnectFailures, Lost Counter
	Active                                       Gauge
}

// Reasons has a counter for each reason; ReasonNone's counts into nothing.
type Reasons [protocols.NumReasons]Counter

// Classes has a counter for each class of status: "1xx" to "5xx".
type Classes [6]Counter

// Of returns the counter for a status; one for a status that is none.
func (c *Classes) Of(status int) Counter {
	if status < 100 || status > 599 {
		return 0
	}
	return c[status/100]
}

// statusCodes have a counter of their own; the others share "other". They are those of MOSN's statistics and a few that
// a gateway's user asks for.
var statusCodes = [...]int{200, 101, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409,
	413, 414, 416, 422, 429, 431, 499, 500, 501, 502, 503, 504}

// codeSlot finds the place of a status in a Listener's codes.
var codeSlot = buildCodeSlot()

func buildCodeSlot() (t [600]uint8) {
	for i := range t {
		t[i] = uint8(len(statusCodes))
	}
	for i, code := range statusCodes {
		t[code] = uint8(i)
	}
	return t
}

// Code returns the counter of requests answered with status.
func (l *Listener) Code(status int) Counter {
	if status < 0 || status >= len(codeSlot) {
		status = 0
	}
	return l.codes[codeSlot[status]]
}

// Listener returns the handles of a listener.
func (s *Set) Listener(name string) *Listener {
	l := &Listener{
		Connections: s.connections.With(name), Unserved: s.unserved.With(name), ReceivedBytes: s.received.With(name),
		SentBytes: s.sent.With(name), Tunnels: s.upgrades.With(name), ActiveConnections: s.active.With(name),
		ActiveRequests: s.activeRequests.With(name), Duration: s.duration.With(name),
		Reasons: reasons(s.failures, name),
	}
	for i, code := range statusCodes {
		l.codes[i] = s.requests.With(name, strconv.Itoa(code))
	}
	l.codes[len(statusCodes)] = s.requests.With(name, "other")
	return l
}

// Host returns the handles of a virtual host.
func (s *Set) Host(router, host string) *Host {
	return &Host{Requests: classes(s.hostRequests, router, host), Duration: s.hostDuration.With(router, host)}
}

// Cluster returns the handles of a cluster.
func (s *Set) Cluster(name string) *Cluster {
	return &Cluster{
		Requests: classes(s.clusterRequests, name), Retries: s.retries.With(name), RetryOverflow: s.retryOverflow.With(name),
		Active: s.clusterActive.With(name), Duration: s.clusterDuration.With(name), Reasons: reasons(s.clusterFailures, name),
	}
}

// Endpoint returns the handles of an endpoint.
func (s *Set) Endpoint(cluster, endpoint string) *Endpoint {
	return &Endpoint{
		Requests: s.endpointRequests.With(cluster, endpoint), Connections: s.endpointConnections.With(cluster, endpoint),
		ConnectFailures: s.endpointConnectFailures.With(cluster, endpoint), Lost: s.endpointFailures.With(cluster, endpoint),
		Active: s.endpointActive.With(cluster, endpoint),
	}
}

func reasons(f *CounterFamily, labels ...string) (r Reasons) {
	for i := protocols.ReasonNone + 1; i < protocols.NumReasons; i++ {
		r[i] = f.With(append(slices.Clone(labels), i.String())...)
	}
	return r
}

func classes(f *CounterFamily, labels ...string) (c Classes) {
	for i := 1; i < len(c); i++ {
		c[i] = f.With(append(slices.Clone(labels), strconv.Itoa(i)+"xx")...)
	}
	return c
}
