package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const h2loadText = `starting benchmark...
Application protocol: h2c
progress: 100% done

finished in 672.65ms, 4460.00 req/s, 4.36GB/s
requests: 3000 total, 3000 started, 3000 done, 2990 succeeded, 10 failed, 4 errored, 3 timeout
status codes: 2990 2xx, 1 3xx, 2 4xx, 5 5xx
traffic: 2.93GB (3147498800) total, 15.09KB (15456) headers (space savings 94.80%), 2.93GB (3145728000) data
                     min         max         mean         sd        +/- sd
time for request:      910us     23.52ms      6.30ms      2.79ms    74.87%
time for connect:       85us       347us       180us        81us    75.00%
`

func TestParseH2load(t *testing.T) {
	r, err := parseH2load(h2loadText)
	if err != nil {
		t.Fatal(err)
	}
	if r.seconds != 0.67265 || r.succeeded != 2990 || r.traffic != 3147498800 || r.data != 3145728000 ||
		r.max != 23520*time.Microsecond || r.mean != 6300*time.Microsecond {
		t.Errorf("%+v", r)
	}
	for name, want := range map[string]uint64{"failed": 10, "errored": 4, "timeout": 3, "3xx": 1, "4xx": 2, "5xx": 5} {
		if r.failures[name] != want {
			t.Errorf("%s: %d, want %d", name, r.failures[name], want)
		}
	}
	if r.failed() == nil {
		t.Error("a run with failures has not failed")
	}
	for _, cut := range []string{"", "finished", "traffic: 1 (2) total\n", strings.Replace(h2loadText, "672.65ms", "long", 1), h2loadText[:300]} {
		if _, err := parseH2load(cut); err == nil {
			t.Errorf("%q is taken for a result", cut)
		}
	}
}

// startHTTP2 runs an HTTP/2 backend and returns a client and its address.
func startHTTP2(t *testing.T, answer int) (*bench, *http.Client, string) {
	t.Helper()
	b := testBench(t)
	b.http2Ports, b.rates = map[http2Answer]int{}, map[rateKey]float64{}
	if err := b.startHTTP2Backend(t.Context(), http2Answer{size: answer}); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Protocols: &http.Protocols{}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return b, &http.Client{Transport: transport}, fmt.Sprintf("http://127.0.0.1:%d/", b.http2Ports[http2Answer{size: answer}])
}

// TestHTTP2BackendAnswers many streams at once, in several turns on one connection, whose later answers come from the
// dynamic table.
func TestHTTP2BackendAnswers(t *testing.T) {
	for _, size := range []int{128, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			_, client, url := startHTTP2(t, size)
			var all sync.WaitGroup
			for range 40 {
				all.Go(func() {
					for range 3 {
						if err := askOnce(t.Context(), *client, url); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// TestHTTP2BackendTakesUploads that are larger than its windows.
func TestHTTP2BackendTakesUploads(t *testing.T) {
	_, client, url := startHTTP2(t, 128)
	answer, err := client.Post(url, "text/plain", bytes.NewReader(make([]byte, 40<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || len(body) != 128 || answer.Header.Get("Server") != "backend" {
		t.Errorf("%d bytes, %v, %v", len(body), answer.Header, err)
	}
}

// TestHTTP2BackendAnswersGRPC more than once on a connection: the later trailers come from the dynamic table.
func TestHTTP2BackendAnswersGRPC(t *testing.T) {
	b, client, _ := startHTTP2(t, 128)
	a := http2Answer{size: 128, grpc: true}
	if err := b.startHTTP2Backend(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 3 {
				if err := callOnce(t.Context(), *client, fmt.Sprintf("http://127.0.0.1:%d/x", b.http2Ports[a])); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestH2loadCountsAndNoticesWrongLengths(t *testing.T) {
	b, _, _ := startHTTP2(t, 128)
	binary, err := b.debian(t.Context(), "h2load", "nghttp2-client")
	if err != nil {
		t.Skip(err)
	}
	b.h2loadBinary = binary
	p := &proxy{}
	p.setup.Listen = b.http2Ports[http2Answer{size: 128}]
	w := workload{name: "test", link: link{http2, http2}, connections: 4, streams: 8, path: "/", answer: 128}
	r, err := b.runH2load(t.Context(), p, w, 1000)
	if err != nil || r.failed() != nil || r.succeeded != 1000 || r.data != 128000 {
		t.Errorf("%+v, %v", r, err)
	}
	w.answer = 129
	if r, err = b.runH2load(t.Context(), p, w, 1000); err != nil || r.failed() == nil || r.failures["length"] != 1 {
		t.Errorf("answers of another length pass for right: %+v, %v", r, err)
	}
	b.options.warmup, b.options.seconds = 0.02, 0.1
	w.answer = 128
	n, err := b.warmUp(t.Context(), p, w)
	if rate := b.rates[rateKey{"", "test"}]; err != nil || rate <= 0 || n != max(2*w.inFlight(), int(rate*0.1)) {
		t.Errorf("%d requests to measure, %v", n, err)
	}
}

// TestIdleHTTP2ConnectionsStay, and that one which the other side has closed is noticed.
func TestIdleHTTP2ConnectionsStay(t *testing.T) {
	b, _, _ := startHTTP2(t, 128)
	port := b.http2Ports[http2Answer{size: 128}]
	held, err := holdHTTP2(t.Context(), port, workload{connections: 100, path: "/128", answer: 128})
	defer held.close()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := held.alive(t.Context()); err != nil || n != 100 {
		t.Errorf("%d of 100 alive, %v", n, err)
	}
	b.launch.stopAll()
	if n, err := held.alive(t.Context()); err != nil || n != 0 {
		t.Errorf("%d alive without a server, %v", n, err)
	}
	wrong, err := holdHTTP2(t.Context(), port, workload{connections: 1})
	wrong.close()
	if err == nil {
		t.Error("no error without a server")
	}
}

// TestH2loadAsksForManyPaths, all of which the backend gets, with the fields that browsers send.
func TestH2loadAsksForManyPaths(t *testing.T) {
	b := testBench(t)
	binary, err := b.debian(t.Context(), "h2load", "nghttp2-client")
	if err != nil {
		t.Skip(err)
	}
	b.h2loadBinary = binary
	var mu sync.Mutex
	paths, cookies := map[string]int{}, map[string]int{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths[r.URL.Path]++
		cookies[r.Header.Get("Cookie")]++
		mu.Unlock()
		_, _ = w.Write(make([]byte, 64))
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	p := &proxy{}
	p.setup.Listen = server.Listener.Addr().(*net.TCPAddr).Port
	w := workload{name: "test", link: link{http2, http1}, connections: 2, streams: 4, path: "/r/", answer: 64, paths: 50}
	r, err := b.runH2load(t.Context(), p, w, 200)
	if err != nil || r.failed() != nil || len(paths) != 50 || len(cookies) != 1 || cookies[""] != 0 {
		t.Errorf("%+v, %v, %d paths of 50, %v", r, err, len(paths), cookies)
	}
}
