package router

import (
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
)

// policy is one that is on, with the conditions of names.
func policy(t *testing.T, names ...string) RetryPolicy {
	t.Helper()
	p := RetryPolicy{On: true}
	for _, name := range names {
		if !p.AddCondition(name) {
			t.Fatalf("there is no condition %q", name)
		}
	}
	return p
}

func TestRetriesStatus(t *testing.T) {
	for _, tc := range []struct {
		names  string
		codes  []int
		yes    []int
		no     []int
		reason string
	}{
		{"", nil, []int{500, 502, 599}, []int{200, 404, 499}, "the default"},
		{"", []int{404, 503}, []int{404, 503}, []int{500, 502}, "a list takes the place of the default"},
		{"5xx", nil, []int{500, 501, 504}, []int{429}, ""},
		{"5xx", []int{429}, []int{429, 500}, []int{404}, "a list adds to conditions"},
		{"gateway-error", nil, []int{502, 503, 504}, []int{500, 501, 505}, ""},
		{"reset", nil, nil, []int{500, 503}, ""},
		{"unavailable", nil, nil, []int{500, 503}, "a gRPC condition is about no HTTP status"},
	} {
		p := policy(t, splitNames(tc.names)...)
		p.StatusCodes = tc.codes
		for status := 200; status < 600; status++ {
			got := p.RetriesStatus(status)
			if slices.Contains(tc.yes, status) && !got || slices.Contains(tc.no, status) && got {
				t.Errorf("%q %v (%s): %d is retried: %v", tc.names, tc.codes, tc.reason, status, got)
			}
		}
		p.On = false
		if slices.ContainsFunc(tc.yes, p.RetriesStatus) {
			t.Errorf("%q retries though it is off", tc.names)
		}
	}
}

func splitNames(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func TestRetriesLoss(t *testing.T) {
	const (
		connect = protocols.ReasonConnectFailed
		reset   = protocols.ReasonUpstreamReset
	)
	for _, tc := range []struct {
		names       string
		reason      protocols.Reason
		unprocessed bool
		want        bool
	}{
		{"", connect, false, true},
		{"", reset, false, true},
		{"", protocols.ReasonTryTimeout, false, true},
		{"", protocols.ReasonOverflow, false, false},
		{"", protocols.ReasonClientGone, false, false},
		{"5xx", reset, false, true},
		{"gateway-error", connect, false, true},
		{"connect-failure", connect, false, true},
		{"connect-failure", protocols.ReasonConnectTimeout, false, true},
		{"connect-failure", reset, false, false},
		{"refused-stream", reset, false, false},
		{"refused-stream", reset, true, true},
		{"reset", reset, true, true},
		{"unavailable", reset, false, false},
		{"unavailable,connect-failure", connect, false, true},
	} {
		p := policy(t, splitNames(tc.names)...)
		if got := p.RetriesLoss(tc.reason, tc.unprocessed); got != tc.want {
			t.Errorf("%q: %v, unprocessed %v is retried: %v", tc.names, tc.reason, tc.unprocessed, got)
		}
		p.On = false
		if p.RetriesLoss(tc.reason, tc.unprocessed) {
			t.Errorf("%q retries though it is off", tc.names)
		}
	}
	p := RetryPolicy{On: true, StatusCodes: []int{503}}
	if !p.RetriesLoss(reset, false) {
		t.Error("a list of statuses turns the retry of losses off")
	}
}

func TestRetriesGRPC(t *testing.T) {
	p := policy(t, "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")
	want := []int{1, 4, 8, 13, 14}
	for status := -1; status < 40; status++ {
		if got := p.RetriesGRPC(status); got != slices.Contains(want, status) {
			t.Errorf("grpc-status %d is retried: %v", status, got)
		}
	}
	if p.Conditions != 0 {
		t.Errorf("gRPC conditions add %v", p.Conditions)
	}
	if p := (RetryPolicy{On: true}); p.RetriesGRPC(14) {
		t.Error("the default retries calls, which may not be safe")
	}
	if p := (RetryPolicy{GRPCStatuses: 1 << 14}); p.RetriesGRPC(14) {
		t.Error("a policy that is off retries")
	}
}

func TestRetryConditionNames(t *testing.T) {
	for _, name := range RetryConditionNames() {
		p := policy(t, name)
		if got := p.Conditions.String() + p.GRPCStatuses.String(); got != name {
			t.Errorf("%q reads back as %q", name, got)
		}
	}
	if p := (RetryPolicy{}); p.AddCondition("5XX") || p.Conditions != 0 {
		t.Errorf("an unknown name adds %v", p.Conditions)
	}
	p := policy(t, "refused-stream", "reset", "connect-failure", "unavailable", "cancelled")
	if got := p.Conditions.String(); got != "reset" {
		t.Errorf("the conditions are %q", got)
	}
	if got := p.GRPCStatuses.String(); got != "cancelled,unavailable" {
		t.Errorf("the statuses are %q", got)
	}
	if got := (RetryConnectFailure | RetryRefusedStream).String(); got != "connect-failure,refused-stream" {
		t.Errorf("two narrow conditions are %q", got)
	}
}
