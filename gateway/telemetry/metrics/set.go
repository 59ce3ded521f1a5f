package metrics

import (
	"net/http"
	"strconv"

	"sluice/protocols"
)

// A Set declares the families of the gateway. Its methods give the handles of one thing, by name: the same ones for the
// same name, so a reload goes on counting. They lock and allocate; a snapshot calls them once for each thing.
type Set struct {
	down  downstream
	route route
	up    upstream // by cluster
	end   upstream // by cluster and endpoint

	clusterRetries    *CounterFamily
	clusterOverflowed *CounterFamily
	clusterFellBack   *CounterFamily
	clusterWaiting    *GaugeFamily
	endpointStarved   *CounterFamily

	reg       *Registry
	endpoints *group
}

type downstream struct {
	opened, closed    *CounterFamily
	unserved, tunnels *CounterFamily
	detected          *CounterFamily
	inspected         *CounterFamily
	active            *GaugeFamily
	received, sent    *CounterFamily
	requests, reset   *CounterFamily
	requestsActive    *GaugeFamily
	failed, responses *CounterFamily
	duration, process *HistogramFamily
}

type route struct {
	requests, failed, responses *CounterFamily
	duration                    *HistogramFamily
}

type upstream struct {
	opened, closed, connectFailed *CounterFamily
	active, requestsActive        *GaugeFamily
	received, sent                *CounterFamily
	requests, failed, responses   *CounterFamily
	duration                      *HistogramFamily
}

// NewSet declares the families in r.
func NewSet(r *Registry) *Set {
	s := &Set{
		reg: r,
		down: downstream{
			opened:         r.Counter("sluice_downstream_connections_total", "Connections accepted.", "listener"),
			closed:         r.Counter("sluice_downstream_connections_closed_total", "Connections closed.", "listener"),
			unserved:       r.Counter("sluice_downstream_connections_unserved_total", "Connections closed because the listener has nothing to do with them.", "listener"),
			detected:       r.Counter("sluice_downstream_connections_detected_total", "Connections of a listener of several protocols, by the protocol that their first bytes showed.", "listener", "protocol").Enumerates(1),
			inspected:      r.Counter("sluice_downstream_connections_inspected_total", "Connections whose first bytes decide which filter chain serves them, by outcome.", "listener", "outcome").Enumerates(1),
			tunnels:        r.Counter("sluice_downstream_tunnels_total", "Exchanges that became a tunnel.", "listener"),
			active:         r.Gauge("sluice_downstream_connections_active", "Connections open.", "listener"),
			received:       r.Counter("sluice_downstream_received_bytes_total", "Bytes received from clients.", "listener"),
			sent:           r.Counter("sluice_downstream_sent_bytes_total", "Bytes sent to clients.", "listener"),
			requests:       r.Counter("sluice_downstream_requests_total", "Requests received.", "listener"),
			requestsActive: r.Gauge("sluice_downstream_requests_active", "Requests in progress.", "listener"),
			reset:          r.Counter("sluice_downstream_requests_reset_total", "Requests that were reset, by either side.", "listener"),
			failed:         r.Counter("sluice_downstream_requests_failed_total", "Requests that ended otherwise than well, by reason.", "listener", "reason").Enumerates(1),
			responses:      r.Counter("sluice_downstream_responses_total", "Responses sent, by status code.", "listener", "code").Enumerates(1),
			duration:       r.Histogram("sluice_downstream_request_duration_seconds", "Time from the first byte of a request to the last of its response.", "listener"),
			process:        r.Histogram("sluice_downstream_process_duration_seconds", "The part of a request's time that was not the upstream's.", "listener"),
		},
		route: route{
			requests:  r.Counter("sluice_route_requests_total", "Requests routed.", "router", "virtual_host"),
			failed:    r.Counter("sluice_route_requests_failed_total", "Requests that ended otherwise than well, by reason.", "router", "virtual_host", "reason").Enumerates(1),
			responses: r.Counter("sluice_route_responses_total", "Responses sent, by class of status code.", "router", "virtual_host", "code_class").Enumerates(1),
			duration:  r.Histogram("sluice_route_request_duration_seconds", "Time from the first byte of a request to the last of its response.", "router", "virtual_host"),
		},
		up:                newUpstream(r, "cluster", "cluster"),
		end:               newUpstream(r, "endpoint", "cluster", "endpoint"),
		clusterRetries:    r.Counter("sluice_cluster_retries_total", "Tries after a request's first.", "cluster"),
		clusterOverflowed: r.Counter("sluice_cluster_retries_overflowed_total", "Retries that a limit forbade.", "cluster"),
		clusterFellBack:   r.Counter("sluice_cluster_subset_fallbacks_total", "Requests that no subset of hosts is for, sent to where fall_back_policy says.", "cluster"),
		clusterWaiting:    r.Gauge("sluice_cluster_requests_waiting", "Requests that wait for a connection.", "cluster"),
		endpointStarved:   r.Counter("sluice_endpoint_starved_total", "Requests that found no idle connection at the endpoint's connection limit.", "cluster", "endpoint"),
	}
	s.endpoints = r.newGroup(append(s.end.families(), s.endpointStarved.f)...)
	return s
}

func newUpstream(r *Registry, what string, labels ...string) upstream {
	name := func(s string) string { return "sluice_" + what + "_" + s }
	with := func(more ...string) []string { return append(labels[:len(labels):len(labels)], more...) }
	return upstream{
		opened:         r.Counter(name("connections_total"), "Connections established.", labels...),
		closed:         r.Counter(name("connections_closed_total"), "Connections closed, by the side that closed and whether a request was in progress.", with("side", "busy")...).Enumerates(2),
		connectFailed:  r.Counter(name("connect_failures_total"), "Attempts to connect that failed, by reason.", with("reason")...).Enumerates(1),
		active:         r.Gauge(name("connections_active"), "Connections open.", labels...),
		received:       r.Counter(name("received_bytes_total"), "Bytes received from upstreams.", labels...),
		sent:           r.Counter(name("sent_bytes_total"), "Bytes sent to upstreams.", labels...),
		requests:       r.Counter(name("requests_total"), "Requests sent, each try of a request counted.", labels...),
		requestsActive: r.Gauge(name("requests_active"), "Requests in progress.", labels...),
		failed:         r.Counter(name("requests_failed_total"), "Tries that ended otherwise than well, by reason.", with("reason")...).Enumerates(1),
		responses:      r.Counter(name("responses_total"), "Responses received, by class of status code.", with("code_class")...).Enumerates(1),
		duration:       r.Histogram(name("request_duration_seconds"), "Time from choosing the endpoint to the last byte of its response.", labels...),
	}
}

func (f *upstream) families() []*family {
	return []*family{f.opened.f, f.closed.f, f.connectFailed.f, f.active.f, f.requestsActive.f, f.received.f, f.sent.f, f.requests.f,
		f.failed.f, f.responses.f, f.duration.f}
}

// Reasons is a counter for each reason but ReasonNone, which counts into nothing.
type Reasons [protocols.NumReasons]Counter

func reasons(f *CounterFamily, labels ...string) (r Reasons) {
	for i := protocols.ReasonNone + 1; i < protocols.NumReasons; i++ {
		r[i] = f.With(append(labels[:len(labels):len(labels)], i.String())...)
	}
	return r
}

// Protocols is a counter for each protocol; that of ProtocolUnknown counts what is none.
type Protocols [protocols.NumProtocols]Counter

func protocolCounters(f *CounterFamily, labels ...string) (p Protocols) {
	for i := range p {
		p[i] = f.With(append(labels[:len(labels):len(labels)], protocols.ProtocolID(i).String())...)
	}
	return p
}

// Codes is a counter for each registered status code, and one for all the others.
type Codes [600]Counter

func codes(f *CounterFamily, labels ...string) (c Codes) {
	with := func(code string) Counter { return f.With(append(labels[:len(labels):len(labels)], code)...) }
	other := with("other")
	for i := range c {
		c[i] = other
		if http.StatusText(i) != "" || i == 499 {
			c[i] = with(strconv.Itoa(i))
		}
	}
	return c
}

// Of returns the counter of a status code.
func (c *Codes) Of(code int) Counter {
	if code < 0 || code >= len(c) {
		code = 0
	}
	return c[code]
}

// Classes is a counter for each class of status codes; the first is that of impossible codes and counts into nothing.
type Classes [6]Counter

func classes(f *CounterFamily, labels ...string) (c Classes) {
	for i := 1; i < len(c); i++ {
		c[i] = f.With(append(labels[:len(labels):len(labels)], strconv.Itoa(i)+"xx")...)
	}
	return c
}

// Of returns the counter of a status code's class.
func (c *Classes) Of(code int) Counter {
	if code < 100 || code >= 600 {
		return c[0]
	}
	return c[code/100]
}

// Listener holds the handles of one listener.
type Listener struct {
	Connections       Counter // accepted
	ConnectionsClosed Counter
	Unserved          Counter // connections of a listener without a filter chain
	Tunnels           Counter // exchanges that became one
	Detected          Protocols
	Inspected         Inspections
	Active            Gauge   // connections
	Received, Sent    Counter // bytes
	Requests          Counter
	RequestsReset     Counter
	RequestsActive    Gauge
	Failed            Reasons
	Responses         Codes
	Duration          Histogram
	Process           Histogram
}

// Listener returns the handles of a listener.
func (s *Set) Listener(name string) *Listener {
	d := &s.down
	return &Listener{
		Connections: d.opened.With(name), ConnectionsClosed: d.closed.With(name),
		Unserved: d.unserved.With(name), Tunnels: d.tunnels.With(name),
		Detected: protocolCounters(d.detected, name), Inspected: inspections(d.inspected, name),
		Active: d.active.With(name), Received: d.received.With(name), Sent: d.sent.With(name),
		Requests: d.requests.With(name), RequestsReset: d.reset.With(name), RequestsActive: d.requestsActive.With(name),
		Failed: reasons(d.failed, name), Responses: codes(d.responses, name),
		Duration: d.duration.With(name), Process: d.process.With(name),
	}
}

// VirtualHost holds the handles of one virtual host.
type VirtualHost struct {
	Requests  Counter
	Failed    Reasons
	Responses Classes
	Duration  Histogram
}

// VirtualHost returns the handles of a virtual host of a router configuration.
func (s *Set) VirtualHost(router, name string) *VirtualHost {
	r := &s.route
	return &VirtualHost{
		Requests: r.requests.With(router, name), Failed: reasons(r.failed, router, name),
		Responses: classes(r.responses, router, name), Duration: r.duration.With(router, name),
	}
}

// Upstream holds the handles that a cluster and an endpoint have alike.
type Upstream struct {
	Connections    Counter // established
	ConnectFailed  Reasons
	Active         Gauge   // connections
	Received, Sent Counter // bytes
	Requests       Counter // tries
	RequestsActive Gauge
	Failed         Reasons
	Responses      Classes
	Duration       Histogram

	closed [4]Counter
}

// Closed returns the counter of connections closed by the other side (remote) or by us, with a request in progress
// (busy) or without.
func (u *Upstream) Closed(remote, busy bool) Counter {
	i := 0
	if remote {
		i = 2
	}
	if busy {
		i++
	}
	return u.closed[i]
}

func (f *upstream) with(labels ...string) Upstream {
	with := func(more ...string) []string { return append(labels[:len(labels):len(labels)], more...) }
	return Upstream{
		Connections: f.opened.With(labels...), ConnectFailed: reasons(f.connectFailed, labels...),
		Active: f.active.With(labels...), Received: f.received.With(labels...), Sent: f.sent.With(labels...),
		Requests: f.requests.With(labels...), RequestsActive: f.requestsActive.With(labels...),
		Failed: reasons(f.failed, labels...), Responses: classes(f.responses, labels...),
		Duration: f.duration.With(labels...),
		closed: [4]Counter{
			f.closed.With(with("local", "false")...), f.closed.With(with("local", "true")...),
			f.closed.With(with("remote", "false")...), f.closed.With(with("remote", "true")...),
		},
	}
}

// Cluster holds the handles of one cluster.
type Cluster struct {
	Upstream
	Retries           Counter
	RetriesOverflowed Counter
	FellBack          Counter // to no subset, or the default one
	Waiting           Gauge   // requests without a connection yet
}

// Cluster returns the handles of a cluster.
func (s *Set) Cluster(name string) *Cluster {
	return &Cluster{Upstream: s.up.with(name), Retries: s.clusterRetries.With(name),
		RetriesOverflowed: s.clusterOverflowed.With(name),
		FellBack:          s.clusterFellBack.With(name), Waiting: s.clusterWaiting.With(name)}
}

// Endpoint holds the handles of one endpoint of one cluster.
type Endpoint struct {
	Upstream
	Starved Counter // no idle connection at the limit
}

// Endpoint returns the handles of an endpoint, which its address names. They are good until as many EndpointGone as Endpoint
// have been called with these names.
func (s *Set) Endpoint(cluster, address string) *Endpoint {
	s.reg.join(s.endpoints, cluster, address)
	return &Endpoint{Upstream: s.end.with(cluster, address), Starved: s.endpointStarved.With(cluster, address)}
}

// EndpointGone says that who got the handles of an endpoint counts with them no more. Its series go, Limits.Linger later; what
// the cluster counts stays.
func (s *Set) EndpointGone(cluster, address string) { s.reg.leave(s.endpoints, cluster, address) }
