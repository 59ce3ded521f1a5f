package admin

import (
	"slices"
	"strings"

	"sluice/gateway/config"
	"sluice/gateway/telemetry/metrics"
)

// A naming puts a series under MOSN's keys of its thing.
type naming func(m map[string]int64, one *metrics.Series)

func as(key string) naming {
	return func(m map[string]int64, one *metrics.Series) { put(m, key, one) }
}

// mosnNames are MOSN's keys for our families.
var mosnNames = map[string]naming{
	"sluice_downstream_connections_total":        as("connection_total"),
	"sluice_downstream_connections_closed_total": as("connection_destroy"),
	"sluice_downstream_connections_active":       as("connection_active"),
	"sluice_downstream_received_bytes_total":     as("bytes_read_total"),
	"sluice_downstream_sent_bytes_total":         as("bytes_write_total"),
	"sluice_downstream_requests_total":           as("request_total"),
	"sluice_downstream_requests_active":          as("request_active"),
	"sluice_downstream_requests_reset_total":     as("request_reset"),
	"sluice_downstream_requests_failed_total":    as("request_failed"),
	"sluice_downstream_responses_total":          byCode,
	"sluice_downstream_request_duration_seconds": as("request_time"),
	"sluice_downstream_process_duration_seconds": as("process_time"),
	"sluice_cluster_connections_total":           as("connection_total"),
	"sluice_cluster_connections_closed_total":    byCloser,
	"sluice_cluster_connections_active":          as("connection_active"),
	"sluice_cluster_connect_failures_total":      as("connection_con_fail"),
	"sluice_cluster_received_bytes_total":        as("connection_bytes_read_total"),
	"sluice_cluster_sent_bytes_total":            as("connection_bytes_write"),
	"sluice_cluster_requests_total":              as("request_total"),
	"sluice_cluster_requests_active":             as("request_active"),
	"sluice_cluster_requests_failed_total":       byReason,
	"sluice_cluster_responses_total":             byClass,
	"sluice_cluster_request_duration_seconds":    as("request_duration_time"),
	"sluice_cluster_retries_total":               as("request_retry"),
	"sluice_cluster_retries_overflowed_total":    as("request_retry_overflow"),
	"sluice_cluster_subset_fallbacks_total":      as("lb_subsets_fallback"),
	"sluice_endpoint_connections_total":          as("connection_total"),
	"sluice_endpoint_connections_closed_total":   byCloser,
	"sluice_endpoint_connections_active":         as("connection_active"),
	"sluice_endpoint_connect_failures_total":     as("connection_con_fail"),
	"sluice_endpoint_received_bytes_total":       as("connection_bytes_read_total"),
	"sluice_endpoint_sent_bytes_total":           as("connection_bytes_write"),
	"sluice_endpoint_requests_total":             as("request_total"),
	"sluice_endpoint_requests_active":            as("request_active"),
	"sluice_endpoint_requests_failed_total":      byReason,
	"sluice_endpoint_responses_total":            byClass,
	"sluice_endpoint_request_duration_seconds":   as("request_duration_time"),
}

// The keys that MOSN shows from the start, when ours are not there before they count.
var (
	mosnCodes = []string{"200", "206", "302", "304", "400", "403", "404", "416", "499", "500", "502", "503", "504"}

	downstreamZeros = append(codeKeys(), "request_failed", "request_other_code", "request_time_min", "request_time_max",
		"request_time_total", "process_time_min", "process_time_max", "process_time_total")
	upstreamZeros = []string{"connection_close", "connection_con_fail", "connection_local_close", "connection_remote_close",
		"connection_local_close_with_active_request", "connection_remote_close_with_active_request", "request_local_reset",
		"request_remote_reset", "request_timeout", "request_pending_overflow", "response_success", "response_failed",
		"request_duration_time_min", "request_duration_time_max", "request_duration_time_total"}
	clusterZeros = []string{"request_retry", "request_retry_overflow"}
)

func codeKeys() (keys []string) {
	for _, code := range mosnCodes {
		keys = append(keys, "request_"+code+"_total")
	}
	return keys
}

// last is the value of the last label: what an enumerating family enumerates.
func last(one *metrics.Series) string { return one.Values[len(one.Values)-1] }

func byCode(m map[string]int64, one *metrics.Series) {
	key := "request_other_code"
	if code := last(one); slices.Contains(mosnCodes, code) {
		key = "request_" + code + "_total"
	}
	put(m, key, one)
}

// byClass tells success from failure as MOSN's HTTP does.
func byClass(m map[string]int64, one *metrics.Series) {
	key := "response_success"
	if last(one) == "5xx" {
		key = "response_failed"
	}
	put(m, key, one)
}

// byCloser reads the labels side and busy, the last two.
func byCloser(m map[string]int64, one *metrics.Series) {
	side, busy := one.Values[len(one.Values)-2], last(one)
	put(m, "connection_close", one)
	put(m, "connection_"+side+"_close", one)
	if busy == "true" {
		put(m, "connection_"+side+"_close_with_active_request", one)
	}
}

// byReason reads the names of protocols.Reason.
func byReason(m map[string]int64, one *metrics.Series) {
	switch last(one) {
	case "client_gone":
		put(m, "request_local_reset", one)
	case "upstream_reset", "upstream_cut", "upstream_truncated", "upstream_silent":
		put(m, "request_remote_reset", one)
	case "request_timeout", "try_timeout":
		put(m, "request_timeout", one)
	case "overflow":
		put(m, "request_pending_overflow", one)
	}
}

// Matcher returns the choice that MOSN's stats_matcher describes, for Options.Keep; nil when it excludes nothing. Labels
// and keys are recognised by our names and by MOSN's.
func Matcher(m config.Metrics) func(s *metrics.Series) bool {
	if !m.RejectAll && len(m.ExcludedLabels) == 0 && len(m.ExcludedKeys) == 0 {
		return nil
	}
	return func(s *metrics.Series) bool {
		if m.RejectAll {
			return false
		}
		for _, l := range s.Labels {
			if slices.Contains(m.ExcludedLabels, l) || l == "endpoint" && slices.Contains(m.ExcludedLabels, "host") {
				return false
			}
		}
		if slices.Contains(m.ExcludedKeys, s.Name) {
			return false
		}
		for _, key := range mosnKeys(s) {
			if slices.Contains(m.ExcludedKeys, key) {
				return false
			}
		}
		return true
	}
}

// mosnKeys are MOSN's keys of a series; a histogram's without "_min", "_max" and "_total".
func mosnKeys(s *metrics.Series) (keys []string) {
	name := mosnNames[s.Name]
	if name == nil {
		return nil
	}
	m := map[string]int64{}
	one := *s
	one.Count = max(one.Count, 1) // a histogram without durations has no keys
	name(m, &one)
	for key := range m {
		if s.Kind == metrics.KindHistogram {
			key = key[:strings.LastIndexByte(key, '_')]
		}
		keys = append(keys, key)
	}
	return keys
}
