package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// measured is a report of a made-up run: ours costs 9, the floor 8.5, nginx 12, in rounds of drifting speed.
func measured() *report {
	r := &report{Rounds: 3, Seconds: 2, Peers: []peerInfo{{Name: floor}, {Name: subject}, {Name: rival}, {Name: "haproxy"}, {Name: "nghttpx"}}}
	for round, drift := range []float64{1, 1.5, 0.8} {
		for _, w := range []string{tiny, "16k", "post4k", "open", "load25", "load50", scaleApart, scaleTogether} {
			for peer, cpu := range map[string]float64{floor: 8.5, subject: 9, rival: 12} {
				s := sample{Peer: peer, Workload: w, Round: round, CPU: cpu * drift, User: 1.5, System: cpu*drift - 1.5, PerSec: 1e5 / drift}
				s.Load.Requests = 1000
				s.Load.Latency.P99 = uint64(cpu * drift * 1e4)
				if w == "open" || w == "load25" || w == "load50" {
					s.Rate = 1e4
					s.Load.Histogram = [][2]uint64{{1e5, 900}, {s.Load.Latency.P99, 100}}
				}
				r.Samples = append(r.Samples, s)
			}
		}
	}
	for round := range 3 {
		// The better peer is nghttpx at 10; ours costs 7 to HTTP/1, 5 to HTTP/2, and 8 where bytes or messages count.
		for name, ours := range map[string]float64{h2h1: 7, h2h1One: 7, h2h1Bulk: 8, h2h2: 5, h2h2One: 10.5, h2h2Bulk: 12.5, grpcUnary: 7, grpcStream: 8} {
			for peer, cpu := range map[string]float64{subject: ours, "nghttpx": 10, "haproxy": 14} {
				s := sample{Peer: peer, Workload: name, Round: round, CPU: cpu, PerSec: 1e6 / cpu}
				s.Load.Requests = 1000
				r.Samples = append(r.Samples, s)
			}
		}
	}
	for round := range 3 {
		// One call at a time costs ours 6 of the floor's 8.5, sixteen 0.95 of 0.75: too much either way.
		for name, cpus := range map[string][2]float64{boltOne: {6, 8.5}, boltMany: {0.95, 0.75}, boltOpen: {6, 8.5}} {
			for i, peer := range []string{subject, floor} {
				s := sample{Peer: peer, Workload: name, Round: round, CPU: cpus[i], PerSec: 1e6 / cpus[i]}
				s.Load.Requests, s.Load.Latency.P99 = 1000, uint64(1e5*(1.5-float64(i)/2))
				r.Samples = append(r.Samples, s)
			}
		}
	}
	for round := range 3 {
		// A request over TLS costs ours 7 of nginx's 10 (and nghttpx's), a handshake 12.5, but resumed in TLS 1.2 16.
		for name, ours := range map[string]float64{https: 7, httpsH2: 7, httpsBulk: 12.5, tls13Full: 12.5, tls13Resumed: 12.5, tls12Resumed: 16} {
			for peer, cpu := range map[string]float64{subject: ours, rival: 10, "nghttpx": 10} {
				s := sample{Peer: peer, Workload: name, Round: round, CPU: cpu, PerSec: 1e6 / cpu}
				s.Load.Requests = 1000
				r.Samples = append(r.Samples, s)
			}
		}
	}
	for round := range 3 {
		// A storm makes 200 us of 100 at p90, and 3 ms of 1 at p99; it has been slower than it should.
		for name, latency := range map[string]quantiles{calm: {P90: 1e5, P99: 1e6}, storm: {P90: 2e5, P99: 3e6}} {
			s := sample{Peer: subject, Workload: name, Round: round, CPU: 10, PerSec: 1e4}
			s.Load.Requests, s.Load.Latency = 1000, latency
			if name == storm {
				s.Load.Storm = 480
			}
			r.Samples = append(r.Samples, s)
		}
	}
	r.Idle = []idleSample{{
		Peer: subject, Workload: tlsIdle, Connections: 4000, Alive: 4000,
		Empty: memory{Resident: 10 << 20}, Held: memory{Resident: 10<<20 + 4000*11<<10},
	}, {
		Peer: subject, Workload: tlsIdleUpload, Connections: 4000, Alive: 4000,
		Empty: memory{Resident: 10 << 20}, Held: memory{Resident: 10<<20 + 4000*11<<10},
	}, {
		Peer: subject, Workload: h2Idle, Connections: 8000, Alive: 8000,
		Empty: memory{Resident: 10 << 20}, Held: memory{Resident: 10<<20 + 8000*2048},
	}, {
		Peer: subject, Workload: boltIdle, Connections: 8000, Alive: 8000,
		Empty: memory{Resident: 10 << 20}, Held: memory{Resident: 10<<20 + 8000*512},
	}, {
		Peer: subject, Workload: idle, Connections: 8000, Alive: 8000,
		Empty: memory{Resident: 10 << 20}, Held: memory{Resident: 10<<20 + 8000*1536},
	}}
	r.Syscalls = []syscallCount{{
		Peer: subject, Requests: 1000,
		Calls:    map[string]uint64{"read": 2001, "write": 2000, "epoll_wait": 200, "futex": 20},
		OnOthers: map[string]uint64{"timerfd": 1},
	}}
	r.conclude(workloads())
	return r
}

func TestVerdicts(t *testing.T) {
	want := map[string]struct {
		is  float64
		met bool
	}{
		"tiny: CPU per request / forwarder":                                                 {9 / 8.5, true},
		"tiny: CPU per request / nginx":                                                     {0.75, true},
		"16k: CPU per request / nginx":                                                      {0.75, true},
		"post4k: CPU per request / nginx":                                                   {0.75, true},
		"scale-together: CPU per request of two workers / of two processes with one":        {1, true},
		"tiny: user time per request":                                                       {1.5, true},
		"open: p99 at half of nginx's saturation / nginx":                                   {0.75, true},
		"idle: resident memory per keep-alive connection":                                   {1.5, false},
		"tiny: system calls for data per request":                                           {4, true},
		"tiny: epoll_ctl per request":                                                       {0, true},
		"tiny: futex per request":                                                           {0.02, false},
		"tiny: eventfd reads and writes per request":                                        {0, true},
		"tiny: epoll_wait per request":                                                      {0.2, true},
		"h2-h1: CPU per request / the better peer":                                          {0.7, true},
		"h2-h1-one: CPU per request / the better peer":                                      {0.7, true},
		"h2-h1-1m: bytes per CPU-second / the better peer":                                  {1.25, true},
		"h2-h2: CPU per request / the better peer":                                          {0.5, false},
		"h2-h2-one: CPU per request / the better peer":                                      {1.05, false},
		"h2-h2-1m: bytes per CPU-second / the better peer":                                  {0.8, false},
		"idle-h2: resident memory per connection":                                           {2, true},
		"grpc: CPU per request / the better peer":                                           {0.7, true},
		"grpc-stream: messages per CPU-second / the better peer":                            {1.25, true},
		"bolt: CPU per request / forwarder":                                                 {6 / 8.5, false},
		"bolt-16: CPU per request, the part used of 0.9 us or of 1.2 times the forwarder's": {0.95 / 0.9, false},
		"bolt-open: p99 at half of the forwarder's saturation / forwarder":                  {1.5, true},
		"idle-bolt: resident memory per connection":                                         {0.5, true},
		"https: CPU per request / nginx":                                                    {0.7, true},
		"https-h2: CPU per request / nghttpx":                                               {0.7, true},
		"tls13-full: handshakes per CPU-second / nginx":                                     {0.8, false},
		"tls13-resumed: handshakes per CPU-second / nginx":                                  {0.8, false},
		"tls12-resumed: handshakes per CPU-second / nginx":                                  {0.625, false},
		"https-1m: bytes per CPU-second / nginx":                                            {0.8, false},
		"idle-tls: resident memory per connection":                                          {11, false},
		"idle-tls-upload: resident memory per connection":                                   {11, true},
		"tls-storm: handshakes per second":                                                  {480, false},
		"tls-storm: p90 / p90 without the storm":                                            {2, false},
		"tls-storm: p99 above that without the storm":                                       {2, true},
	}
	verdicts := measured().Verdicts
	if len(verdicts) != len(want) {
		t.Errorf("%d verdicts, want %d", len(verdicts), len(want))
	}
	for _, v := range verdicts {
		w, ok := want[v.Name]
		if !ok || v.Measured == nil {
			t.Errorf("%s: unexpected, or not measured", v.Name)
			continue
		}
		if d := *v.Measured - w.is; d > 1e-9 || d < -1e-9 || v.Met != w.met {
			t.Errorf("%s: %g, met %v; want %g, %v", v.Name, *v.Measured, v.Met, w.is, w.met)
		}
	}
}

func TestNothingMeasuredIsNotMet(t *testing.T) {
	for _, v := range judge(&report{}) {
		if v.Measured != nil || v.Met {
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
}

func TestReportReads(t *testing.T) {
	r := measured()
	for _, text := range []string{r.text(), r.markdown()} {
		for _, want := range []string{"0.75 [0.75..0.75]", "32 x 32 streams", "64 connections x 16 calls", "p99 / forwarder", "0.80..0.80, to nghttpx", ">= 1.00", "MISSED", "1.50", "3 rounds of 2 s: an indication"} {
			if !strings.Contains(text, want) {
				t.Errorf("the report lacks %q:\n%s", want, text)
			}
		}
	}
	if _, err := json.Marshal(r); err != nil { // NaN has no JSON: whatever is not measured must be absent
		t.Error(err)
	}
}

func TestJSONOfAnEmptyReport(t *testing.T) {
	r := &report{}
	r.conclude(workloads())
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// TestEitherOfTwoTargets: the smaller part counts, and without the other peer there is only one.
func TestEitherOfTwoTargets(t *testing.T) {
	sampleOf := func(peer string, cpu float64) sample {
		return sample{Peer: peer, Workload: boltMany, CPU: cpu, Load: loadResult{Requests: 1}}
	}
	for _, c := range []struct {
		samples []sample
		want    float64
	}{
		{[]sample{sampleOf(subject, 1.8), sampleOf(floor, 3)}, 0.5}, // 0.6 of the floor's
		{[]sample{sampleOf(subject, 0.45), sampleOf(floor, 0.25)}, 0.5},
		{[]sample{sampleOf(subject, 1.8)}, 2},
	} {
		if got, text := cpuOrRatio(boltMany, 0.9, floor, 1.2)(&report{Samples: c.samples}); got != c.want {
			t.Errorf("%v: %g, %s; want %g", c.samples, got, text, c.want)
		}
	}
}
