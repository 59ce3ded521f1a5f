package accesslog

import "testing"

func BenchmarkAppend(b *testing.B) {
	for _, text := range []string{DefaultFormat, "json"} {
		f, _ := Compile(text)
		name := "default"
		if f.json {
			name = text
		}
		b.Run(name, func(b *testing.B) {
			r := sample()
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				dst = f.Append(dst[:0], r)
			}
		})
	}
}
