package router

import (
	"fmt"
	"testing"
)

// manyRules makes n rules of which the last matches "/svc<n-1>/x".
func manyRules(kind string, n int) []Rule {
	rules := make([]Rule, n)
	for i := range rules {
		m := Match{Prefix: fmt.Sprintf("/svc%d/", i)}
		switch kind {
		case "path":
			m = Match{Path: fmt.Sprintf("/svc%d/x", i)}
		case "service":
			m = Match{Headers: []HeaderMatch{{Name: "service", Value: fmt.Sprintf("svc%d", i)}}}
		}
		rules[i] = to("c", m)
	}
	return rules
}

func BenchmarkMatch(b *testing.B) {
	for _, kind := range []string{"prefix", "path", "service"} {
		for _, n := range []int{1, 100, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				table := compile(b, single(manyRules(kind, n)...))
				last := n - 1
				in := &Input{Header: request("GET", "a.com", fmt.Sprintf("/svc%d/x?q=1", last), "User-Agent", "bench", "Accept",
					"*/*", "Service", fmt.Sprintf("svc%d", last))}
				b.ReportAllocs()
				for b.Loop() {
					if r, _, _ := table.Match(in); r == nil || r.Index != last {
						b.Fatal("the wrong route")
					}
				}
			})
		}
	}
}

func BenchmarkMatchHost(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var domains []string
			for i := range n {
				domains = append(domains, fmt.Sprintf("*.d%d.example.com", i))
			}
			table := hosts(b, domains...)
			in := &Input{Header: request("GET", fmt.Sprintf("www.D%d.example.com:8080", n-1), "/")}
			b.ReportAllocs()
			for b.Loop() {
				if _, h, _ := table.Match(in); h == nil || h.Index != n-1 {
					b.Fatal("the wrong virtual host")
				}
			}
		})
	}
}

func BenchmarkNormalPath(b *testing.B) {
	for _, target := range []string{"/", "/api/v1/users/12345/orders?limit=10", "/api/v1/%75sers/../orders/x"} {
		b.Run(target, func(b *testing.B) {
			buf, t := make([]byte, 0, 256), []byte(target)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NormalPath(buf, t); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
