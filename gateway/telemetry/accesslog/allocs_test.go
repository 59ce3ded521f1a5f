//go:build !race

package accesslog

import "testing"

func TestAppendAllocatesNothing(t *testing.T) {
	r := sample()
	for _, text := range []string{"", "json", `"%request_header_user-agent%" %request_header_x-shop% %cookie_theme% %request_arg_a%`} {
		f, _ := Compile(text)
		dst := make([]byte, 0, 4096)
		n := testing.AllocsPerRun(10, func() {
			for range 1000 {
				dst = f.Append(dst[:0], r)
				if !f.json {
					dst = f.AppendValue(dst[:0], r)
				}
			}
		})
		if n != 0 {
			t.Errorf("%q: %v allocations in 1000 lines, want 0", text, n)
		}
	}
}

func TestLogAllocatesNothing(t *testing.T) {
	m := manager(t)
	b := (&Buffers{}).Buffer(mustOpen(t, m, "/dev/null"))
	format, _ := Compile("")
	r := sample()
	round := func() {
		for range 1000 {
			b.Log(format, r)
		}
	}
	for range 10 { // makes the ring, the scratch, and the writer's stage
		round()
		m.Flush(long)
	}
	if n := testing.AllocsPerRun(10, round); n != 0 {
		t.Errorf("%v allocations in 1000 lines, want 0", n)
	}
}
