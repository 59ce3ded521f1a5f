package dubbo

import (
	"strings"
	"testing"

	"sluice/protocols/protocoltest"
)

// BenchmarkRelay is an exchange through both codecs.
func BenchmarkRelay(b *testing.B) {
	r := protocoltest.NewRelay(Protocol())
	in, back := request(7, "com.example.Echo", "echo", strings.Repeat("h", 128)), answer(7, 20, strings.Repeat("r", 128))
	b.ReportAllocs()
	for b.Loop() {
		r.Exchange(b, in, back, address)
	}
}
