package admin

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/config"
	"sluice/gateway/telemetry/metrics"
	"sluice/protocols"
)

// counted lets one of each thing count.
func counted(t *testing.T) *fixture {
	f := setup(t)
	set := metrics.NewSet(f.registry)
	s := f.shard
	a, b := set.Listener("a"), set.Listener("b")
	for _, l := range []*metrics.Listener{a, b} {
		s.Inc(l.Connections)
		s.AddGauge(l.Active, 1)
		s.Inc(l.Requests)
		s.Inc(l.Responses.Of(404))
		s.Inc(l.Responses.Of(418))
		s.Inc(l.Responses.Of(201))
		s.Inc(l.Failed[protocols.ReasonNoRoute])
	}
	s.Observe(a.Duration, 3*time.Millisecond)
	s.Observe(b.Duration, 5*time.Millisecond)
	s.Observe(b.Duration, 0)
	c, e := set.Cluster("c"), set.Endpoint("c", "127.0.0.1:80")
	for _, u := range []*metrics.Upstream{&c.Upstream, &e.Upstream} {
		s.Inc(u.ConnectFailed[protocols.ReasonConnectFailed])
		s.Inc(u.ConnectFailed[protocols.ReasonConnectTimeout])
		s.Inc(u.Closed(true, true))
		s.Inc(u.Closed(false, false))
		s.Inc(u.Failed[protocols.ReasonUpstreamCut])
		s.Inc(u.Failed[protocols.ReasonUpstreamReset])
		s.Inc(u.Failed[protocols.ReasonTryTimeout])
		s.Inc(u.Failed[protocols.ReasonRequestTimeout])
		s.Inc(u.Failed[protocols.ReasonOverflow])
		s.Inc(u.Failed[protocols.ReasonClientGone])
		s.Inc(u.Responses.Of(200))
		s.Inc(u.Responses.Of(404))
		s.Inc(u.Responses.Of(502))
		s.Observe(u.Duration, time.Second)
	}
	s.Inc(c.Retries)
	s.Inc(set.VirtualHost("r", "v").Requests)
	return f
}

func TestStats(t *testing.T) {
	f := counted(t)
	w := f.ask("GET", "/api/v1/stats", "")
	var got map[string]map[string]map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	if !strings.HasPrefix(w.Body.String(), "{\n\t\"") {
		t.Errorf("not indented by tabs: %.40q", w.Body.String())
	}
	upstream := map[string]string{
		"connection_con_fail": "2", "connection_close": "2", "connection_remote_close": "1",
		"connection_remote_close_with_active_request": "1", "connection_local_close": "1",
		"connection_local_close_with_active_request": "0", "request_remote_reset": "2", "request_timeout": "2",
		"request_pending_overflow": "1", "request_local_reset": "1", "response_success": "2", "response_failed": "1",
		"request_duration_time_min": "1000000000", "request_duration_time_max": "1000000000", "request_total": "0",
	}
	for _, c := range []struct {
		kind, labels string
		want         map[string]string
	}{
		{"downstream", "listener.a", map[string]string{
			"connection_total": "1", "connection_active": "1", "request_total": "1", "request_404_total": "1",
			"request_200_total": "0", "request_other_code": "2", "request_failed": "1", "request_time_min": "3000000",
			"request_time_max": "3000000", "process_time_min": "0", "bytes_read_total": "0",
		}},
		{"downstream", "proxy.global", map[string]string{
			"connection_total": "2", "request_total": "2", "request_404_total": "2", "request_other_code": "4",
			"request_failed": "2", "request_time_min": "0", "request_time_max": "5000000", "request_time_total": "8000000",
		}},
		{"upstream", "cluster.c", upstream},
		{"upstream", "cluster.c.host.127.0.0.1:80", upstream},
		{"upstream", "cluster.c", map[string]string{"request_retry": "1", "request_retry_overflow": "0"}},
		{"route", "router.r.virtual_host.v", map[string]string{"requests_total": "1"}},
		{"metrics", "process.global", map[string]string{"stale_copies_total": "0"}},
		{"meta", "mosn.info", map[string]string{"mosn_state_code": "6"}},
	} {
		for key, want := range c.want {
			if v := got[c.kind][c.labels][key]; v != want {
				t.Errorf("%s %s %s is %q, want %q", c.kind, c.labels, key, v, want)
			}
		}
	}
	if _, ok := got["upstream"]["cluster.c.host.127.0.0.1:80"]["request_retry"]; ok {
		t.Error("a host has request_retry, which is a cluster's")
	}
}

func TestStatsOfOneKey(t *testing.T) {
	f := counted(t)
	f.expect(t, "GET", "/api/v1/stats?key=request_404_total", "", 200, "{\n\t\"downstream\": {\n"+
		"\t\t\"listener.a\": {\n\t\t\t\"request_404_total\": \"1\"\n\t\t},\n"+
		"\t\t\"listener.b\": {\n\t\t\t\"request_404_total\": \"1\"\n\t\t},\n"+
		"\t\t\"proxy.global\": {\n\t\t\t\"request_404_total\": \"2\"\n\t\t}\n\t}\n}")
	f.expect(t, "GET", "/api/v1/stats?key=nothing", "", 200, "no metrics key: nothing")
}

func TestStatsGlob(t *testing.T) {
	f := counted(t)
	w := f.ask("GET", "/api/v1/stats_glob", "")
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	if !slices.IsSorted(lines) || !slices.Contains(lines, "request_total:2") || !slices.Contains(lines, "request_time_max:5000000") {
		t.Errorf("%d %q", w.Code, lines)
	}
	if w := setup(t).ask("GET", "/api/v1/stats_glob", ""); w.Code != 200 {
		t.Errorf("without listeners: %d", w.Code)
	}
}

func TestEveryNameIsOfAFamilyAndAReason(t *testing.T) {
	families := map[string]bool{}
	for _, s := range counted(t).registry.Snapshot() {
		families[s.Name] = true
	}
	for name := range mosnNames {
		if !families[name] {
			t.Errorf("%s is mapped and does not exist", name)
		}
	}
	seen := map[string]bool{}
	for r := range protocols.NumReasons {
		m := map[string]int64{}
		byReason(m, &metrics.Series{Values: []string{r.String()}, Value: 1})
		for key := range m {
			seen[key] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("the reasons lead to the keys %v, want 4: a name is not a reason's any more", seen)
	}
}

func TestMatcher(t *testing.T) {
	if Matcher(config.Metrics{}) != nil {
		t.Error("a matcher that excludes nothing should be nil")
	}
	f := counted(t)
	shown := func(m config.Metrics) []string {
		f.options.Keep = Matcher(m)
		f.Server = New(f.options)
		var names []string
		for line := range strings.Lines(f.ask("GET", "/metrics", "").Body.String()) {
			if name, ok := strings.CutPrefix(line, "# TYPE sluice_"); ok {
				names = append(names, strings.Fields(name)[0])
			}
		}
		return names
	}
	for _, c := range []struct {
		what          string
		m             config.Metrics
		hidden, shown string
	}{
		{"labels", config.Metrics{ExcludedLabels: []string{"listener"}}, "downstream_requests_total", "cluster_requests_total"},
		{"MOSN's host", config.Metrics{ExcludedLabels: []string{"host"}}, "endpoint_requests_total", "cluster_requests_total"},
		{"our keys", config.Metrics{ExcludedKeys: []string{"sluice_cluster_requests_total"}}, "cluster_requests_total", "endpoint_requests_total"},
		{"MOSN's keys", config.Metrics{ExcludedKeys: []string{"request_time"}}, "downstream_request_duration_seconds", "downstream_requests_total"},
		{"MOSN's keys of a silent histogram", config.Metrics{ExcludedKeys: []string{"process_time"}}, "downstream_process_duration_seconds", "downstream_requests_total"},
		{"all", config.Metrics{RejectAll: true}, "cluster_requests_total", ""},
	} {
		names := shown(c.m)
		if slices.Contains(names, c.hidden) || c.shown != "" && !slices.Contains(names, c.shown) {
			t.Errorf("%s: shown are %q", c.what, names)
		}
	}
	if w := f.ask("GET", "/api/v1/stats", ""); strings.Contains(w.Body.String(), "downstream") {
		t.Errorf("reject_all shows %s", w.Body)
	}
}
