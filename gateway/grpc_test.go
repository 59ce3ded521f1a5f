package gateway

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/protocols"
)

// The page on gRPC says which grpc-status each reason is.
func TestGRPCStatusOfReasons(t *testing.T) {
	page, err := os.ReadFile("../docs/grpc.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) [A-Z_]+ \| (.*) \|$`).FindAllStringSubmatch(string(page), -1) {
		for name := range strings.FieldsSeq(strings.ReplaceAll(row[2], "`", "")) {
			want[name] = row[1]
		}
	}
	var names []string
	for r := protocols.ReasonNone + 1; r < protocols.NumReasons; r++ {
		names = append(names, r.String())
		code := want[r.String()]
		if code == "" {
			code = fmt.Sprint(grpcUnknown) // "what is left"
		}
		if got := fmt.Sprint(grpcStatus(r, r.Status())); got != code {
			t.Errorf("%s is grpc-status %s, the page says %s", r, got, code)
		}
	}
	for name := range want {
		if !slices.Contains(names, name) && !strings.Contains("what is left", name) {
			t.Errorf("the page says something of %q, which is no reason", name)
		}
	}
	if got := grpcStatus(protocols.ReasonMisdirected, 421); got != grpcPermissionDenied {
		t.Errorf("misdirected is grpc-status %d", got)
	}
}
