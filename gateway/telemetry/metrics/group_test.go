package metrics

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/protocols"
)

// A lot is a registry whose time a test moves, with the counters of the gateway.
type lot struct {
	*Registry
	set  *Set
	time time.Time
}

func newLot(l Limits) *lot {
	r := NewLimited(l)
	o := &lot{Registry: r, set: NewSet(r), time: time.Unix(1e9, 0)}
	r.now = func() time.Time { return o.time }
	return o
}

// endpoints are the addresses that have series.
func (o *lot) endpoints() (names []string) {
	for _, s := range o.Snapshot() {
		if s.Name == "sluice_endpoint_requests_total" {
			names = append(names, s.Values[1])
		}
	}
	return names
}

func (o *lot) want(t *testing.T, when string, names ...string) {
	t.Helper()
	if got := strings.Join(o.endpoints(), " "); got != strings.Join(names, " ") {
		t.Errorf("%s: series of %q, want %q", when, got, names)
	}
}

func TestSeriesOfAnEndpointGoWithIt(t *testing.T) {
	o := newLot(Limits{})
	shard := o.NewShard(inline)
	c, a, b := o.set.Cluster("c"), o.set.Endpoint("c", "a"), o.set.Endpoint("c", "b")
	for _, u := range []*Upstream{&c.Upstream, &a.Upstream} {
		shard.Add(u.Requests, 7)
		shard.AddGauge(u.RequestsActive, 1)
		shard.Inc(u.Failed[protocols.ReasonUpstreamCut])
		shard.Observe(u.Duration, time.Second)
	}
	shard.Inc(b.Requests)
	o.set.EndpointGone("c", "a")
	o.want(t, "just gone", "a", "b")
	o.time = o.time.Add(5 * time.Minute)
	o.want(t, "with a request in progress", "a", "b")
	shard.AddGauge(a.RequestsActive, -1)
	o.want(t, "idle", "b")
	text := expose(t, o.Registry, HandlerOptions{})
	if strings.Contains(text, `endpoint="a"`) {
		t.Errorf("something of the endpoint is left:\n%s", text)
	}
	all := o.Snapshot()
	if v := find(t, all, "sluice_cluster_requests_total", "c").Value; v != 7 {
		t.Errorf("the cluster has %v requests, want 7", v)
	}

	// Another endpoint gets the cells, and nothing of what was counted in them.
	before := o.numCells.Load()
	d := o.set.Endpoint("c", "d")
	if after := o.numCells.Load(); after != before {
		t.Errorf("%d cells, then %d: those of the endpoint that has gone are not used", before, after)
	}
	shard.Observe(d.Duration, time.Millisecond)
	all = o.Snapshot()
	if v := find(t, all, "sluice_endpoint_requests_total", "c", "d").Value; v != 0 {
		t.Errorf("a new endpoint begins with %v requests", v)
	}
	if h := find(t, all, "sluice_endpoint_request_duration_seconds", "c", "d"); h.Count != 1 || h.Max != time.Millisecond || h.Min != time.Millisecond {
		t.Errorf("a new endpoint's durations are %+v", h)
	}
	if v := find(t, all, "sluice_endpoint_requests_total", "c", "b").Value; v != 1 {
		t.Errorf("the endpoint that stayed has %v requests", v)
	}
}

func TestAnEndpointThatComesBackKeepsItsSeries(t *testing.T) {
	o := newLot(Limits{})
	shard := o.NewShard(inline)
	a := o.set.Endpoint("c", "a")
	shard.Inc(a.Requests)
	o.set.EndpointGone("c", "a")
	o.time = o.time.Add(4 * time.Minute)
	again := o.set.Endpoint("c", "a")
	o.set.Endpoint("c", "a") // two hosts of one address
	o.set.EndpointGone("c", "a")
	o.time = o.time.Add(time.Hour)
	o.want(t, "in use", "a")
	shard.Inc(again.Requests)
	if v := find(t, o.Snapshot(), "sluice_endpoint_requests_total", "c", "a").Value; v != 2 {
		t.Errorf("%v requests, want 2", v)
	}
}

// TestStuckLoopsDecideNothing: as long as a loop does not answer, what it counts is not known.
func TestStuckLoopsDecideNothing(t *testing.T) {
	o := newLot(Limits{Wait: time.Millisecond})
	o.NewShard(inline)
	var held []func()
	hold := false
	o.NewShard(func(f func()) bool {
		if hold {
			held = append(held, f)
		} else {
			f()
		}
		return true
	})
	o.set.Endpoint("c", "a")
	o.set.EndpointGone("c", "a")
	o.time = o.time.Add(time.Hour)
	hold = true
	o.want(t, "one loop hangs", "a")
	o.want(t, "one loop hangs, asked again", "a")
	hold = false
	for _, f := range held {
		f()
	}
	o.want(t, "it answers what it was asked before", "a")
	o.want(t, "it answers")
}

// TestEndpointsThatComeAndGoCostNothing is months of a cluster whose addresses change.
func TestEndpointsThatComeAndGoCostNothing(t *testing.T) {
	o := newLot(Limits{Series: 20})
	shard := o.NewShard(inline)
	var cells uint32
	for i := range 500 {
		name := strconv.Itoa(i)
		e := o.set.Endpoint("c", name)
		shard.Inc(e.Requests)
		shard.Observe(e.Duration, time.Second)
		o.time = o.time.Add(time.Minute)
		o.set.EndpointGone("c", name)
		if n := len(o.endpoints()); n > 8 {
			t.Fatalf("round %d: %d endpoints have series", i, n)
		}
		switch i {
		case 20:
			cells = o.numCells.Load()
		default:
			if i > 20 && o.numCells.Load() != cells {
				t.Fatalf("round %d: %d cells, %d before", i, o.numCells.Load(), cells)
			}
		}
	}
	if o.overflowed != 0 {
		t.Errorf("%d endpoints found no place", o.overflowed)
	}
	f := o.set.end.requests.f
	if len(f.things) > 8 || len(f.index) != len(f.series) {
		t.Errorf("the family remembers %d things, %d of %d series", len(f.things), len(f.index), len(f.series))
	}
}
