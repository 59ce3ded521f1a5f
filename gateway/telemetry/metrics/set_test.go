package metrics

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

func TestSetFollowsTheConventions(t *testing.T) {
	r := NewRegistry()
	s := NewSet(r)
	shard := r.NewShard(inline)
	l, v, c, e := s.Listener("in"), s.VirtualHost("r", "v"), s.Cluster("c"), s.Endpoint("c", "127.0.0.1:80")
	for _, u := range []*Upstream{&c.Upstream, &e.Upstream} {
		shard.Inc(u.Connections)
		shard.Inc(u.ConnectFailed[protocols.ReasonConnectTimeout])
		shard.Inc(u.Closed(true, false))
		shard.Inc(u.Failed[protocols.ReasonUpstreamCut])
		shard.Inc(u.Responses.Of(204))
		shard.Observe(u.Duration, time.Millisecond)
	}
	shard.Inc(l.Failed[protocols.ReasonNoRoute])
	shard.Inc(l.Failed[protocols.ReasonNone])
	for _, code := range []int{200, 299, 499, 0, -1, 600, 999} {
		shard.Inc(l.Responses.Of(code))
		shard.Inc(v.Responses.Of(code))
	}
	shard.Inc(v.Failed[protocols.ReasonNoRoute])
	shard.Inc(e.Starved)

	text := expose(t, r, HandlerOptions{})
	lint(t, text)
	for _, line := range []string{
		`sluice_downstream_requests_failed_total{listener="in",reason="no_route"} 1`,
		`sluice_downstream_responses_total{code="200",listener="in"} 1`,
		`sluice_downstream_responses_total{code="499",listener="in"} 1`,
		`sluice_downstream_responses_total{code="other",listener="in"} 5`,
		`sluice_route_responses_total{code_class="2xx",router="r",virtual_host="v"} 2`,
		`sluice_route_responses_total{code_class="4xx",router="r",virtual_host="v"} 1`,
		`sluice_cluster_connections_closed_total{busy="false",cluster="c",side="remote"} 1`,
		`sluice_endpoint_connect_failures_total{cluster="c",endpoint="127.0.0.1:80",reason="connect_timeout"} 1`,
		`sluice_endpoint_starved_total{cluster="c",endpoint="127.0.0.1:80"} 1`,
		`sluice_cluster_requests_waiting{cluster="c"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if strings.Contains(text, `reason="none"`) || strings.Contains(text, `code="404"`) {
		t.Error("what was not counted is shown")
	}
}

func TestSetGivesTheSameHandlesAfterAReload(t *testing.T) {
	r := NewRegistry()
	if a, b := NewSet(r).Cluster("c"), NewSet(r).Cluster("c"); *a != *b {
		t.Error("the handles of a cluster changed")
	}
}

// The default limit must hold the reasons and codes of as many listeners and clusters as a large configuration has.
func TestASetOfManyThingsDoesNotOverflow(t *testing.T) {
	r := NewRegistry()
	s := NewSet(r)
	for i := range 500 {
		name := strconv.Itoa(i)
		s.Listener(name)
		s.Cluster(name)
		s.Endpoint(name, name)
	}
	for _, x := range r.Snapshot() {
		if x.Name == "sluice_metrics_series_overflowed_total" && x.Value != 0 {
			t.Errorf("%v series overflowed", x.Value)
		}
	}
}
