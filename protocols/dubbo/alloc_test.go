//go:build !race

package dubbo

import (
	"strings"
	"testing"

	"sluice/protocols/protocoltest"
)

// Exchanges of every kind, with both codecs, allocate nothing.
func TestNoAllocationPerExchange(t *testing.T) {
	for name, in := range map[string][]byte{
		"small":                 request(7, "com.example.Echo", "echo", strings.Repeat("h", 128)),
		"no content":            request(7, "com.example.Echo", "echo", ""),
		"long":                  request(7, "com.example.Echo", "echo", strings.Repeat("h", 60000)),
		"another serialization": frameBytes(0xc6, 0, 7, "[]"),
	} {
		r, back := protocoltest.NewRelay(Protocol()), answer(7, 20, strings.Repeat("r", 128))
		if allocs := testing.AllocsPerRun(2, func() {
			for range 1000 {
				r.Exchange(t, in, back, address)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations in 1000 exchanges", name, allocs)
		}
	}
}
