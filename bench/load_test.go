package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startChain runs a backend and a forwarder before it, and returns the forwarder.
func startChain(t *testing.T) (*bench, *proxy) {
	t.Helper()
	b := testBench(t)
	if err := b.startBackend(t.Context()); err != nil {
		t.Fatal(err)
	}
	binary, err := peers()[0].find(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.startProxy(t.Context(), contestant{peer: peers()[0], binary: binary}, b.deploymentFor(workloads()[0]))
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

// served asks the backend what it has served.
func served(t *testing.T, b *bench) (requests, bodyBytes uint64) {
	t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/stats", b.backendPort))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var stats struct {
		Requests  uint64 `json:"requests"`
		BodyBytes uint64 `json:"body_bytes"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats.Requests, stats.BodyBytes
}

func TestLoadCountsWhatTheBackendServes(t *testing.T) {
	b, p := startChain(t)
	for _, w := range []workload{
		{name: "tiny", connections: 8, path: "/tiny", answer: 64},
		{name: "16k", connections: 8, path: "/16k", answer: 16 << 10},
		{name: "1m, short writes", connections: 4, path: "/1m", answer: 1 << 20},
		{name: "post", connections: 8, path: "/tiny", answer: 64, body: 4 << 10},
		{name: "websocket", connections: 8, path: "/tiny", answer: 64, body: 100, websocket: true},
		{name: "new connections", connections: 8, path: "/tiny", answer: 64, fresh: true},
		{name: "routes and fields", connections: 8, path: "/r/", answer: 64, routes: 1000, fields: 50},
		{name: "post 3m, short writes", connections: 2, path: "/1k", answer: 1 << 10, body: 3 << 20},
	} {
		t.Run(w.name, func(t *testing.T) {
			requestsBefore, bytesBefore := served(t, b)
			run, err := b.startLoad(t.Context(), http1, append(w.args(p.setup.Listen), "--warmup", "0.05", "--seconds", "0.15"))
			if err != nil {
				t.Fatal(err)
			}
			defer b.closeLoad(run)
			result, err := b.finish(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			if err := result.failed(); err != nil {
				t.Error(err)
			}
			requests, bytes := served(t, b)
			if got := requests - requestsBefore; got != result.AllRequests || result.Requests == 0 || result.Requests > got {
				t.Errorf("the backend served %d, the load generator counts %d, %d of them measured", got, result.AllRequests, result.Requests)
			}
			if got, want := bytes-bytesBefore, result.AllRequests*uint64(w.body); got != want {
				t.Errorf("the backend got %d bytes of bodies, want %d", got, want)
			}
			if w.fresh != (result.Reconnects >= result.Requests) {
				t.Errorf("%d connections were opened anew for %d requests", result.Reconnects, result.Requests)
			}
			checkHistogram(t, result)
		})
	}
}

// checkHistogram recomputes count and quantiles from the histogram itself.
func checkHistogram(t *testing.T, r loadResult) {
	t.Helper()
	var count uint64
	quantile := func(fraction float64) uint64 {
		var seen uint64
		for _, bucket := range r.Histogram {
			seen += bucket[1]
			if float64(seen) >= fraction*float64(r.Latency.Count) {
				return min(bucket[0], r.Latency.Max)
			}
		}
		return 0
	}
	for i, bucket := range r.Histogram {
		count += bucket[1]
		if i > 0 && bucket[0] <= r.Histogram[i-1][0] {
			t.Errorf("bucket %d is not above the one before it", i)
		}
	}
	if count != r.Requests || count != r.Latency.Count {
		t.Errorf("the histogram holds %d, of %d requests and %d latencies", count, r.Requests, r.Latency.Count)
	}
	if r.Latency.P50 != quantile(0.5) || r.Latency.P99 != quantile(0.99) {
		t.Errorf("p50 %d, p99 %d; the histogram says %d, %d", r.Latency.P50, r.Latency.P99, quantile(0.5), quantile(0.99))
	}
}

func TestOpenLoopSendsWhatIsDue(t *testing.T) {
	b, p := startChain(t)
	w := workload{connections: 16, path: "/tiny", answer: 64}
	run, err := b.startLoad(t.Context(), http1, append(w.args(p.setup.Listen), "--rate", "1000", "--seconds", "0.25"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.closeLoad(run)
	result, err := b.finish(t.Context(), run)
	if err != nil || result.Requests != 250 || result.Latency.Count != 250 {
		t.Errorf("%d requests, %d latencies, %v; 1000 per second for 0.25 s are 250", result.Requests, result.Latency.Count, err)
	}
}

// TestOpenLoopCountsWaitingTime: a server that answers one request at a time, every 20 ms, and gets 200 per second over one
// connection. Request k is due at 5k ms and answered at 20(k+1) ms: the last of 20 waited 305 ms though its own exchange
// took 20. A closed-loop count would say 20 ms for all.
func TestOpenLoopCountsWaitingTime(t *testing.T) {
	b, _ := startChain(t)
	port := scriptedServer(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_ = request.Body.Close()
			time.Sleep(20 * time.Millisecond) // what is tested is real time
			if _, err := io.WriteString(conn, goodAnswer); err != nil {
				return
			}
		}
	})
	run, err := b.startLoad(t.Context(), http1, []string{"--gate", "--port", port, "--connections", "1", "--rate", "200", "--seconds", "0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.closeLoad(run)
	result, err := b.finish(t.Context(), run)
	if err != nil || result.Requests != 20 {
		t.Fatalf("%d requests, %v; want 20", result.Requests, err)
	}
	// A slow machine can only make it wait longer.
	if worst := time.Duration(result.Latency.Max); worst < 300*time.Millisecond {
		t.Errorf("the longest latency is %v: the time that a request waited for the connection is missing", worst)
	}
}

func TestIdleConnectionsStay(t *testing.T) {
	b, p := startChain(t)
	before, _ := served(t, b)
	w := workload{kind: idleHold, connections: 300, path: "/tiny", answer: 64}
	run, err := b.startLoad(t.Context(), http1, w.args(p.setup.Listen))
	if err != nil {
		t.Fatal(err)
	}
	defer b.closeLoad(run)
	if after, _ := served(t, b); after-before != 300 {
		t.Errorf("at the gate %d requests were served, want 300", after-before)
	}
	result, err := b.finish(t.Context(), run)
	if err != nil || result.Alive != 300 {
		t.Errorf("%d of 300 alive, %v", result.Alive, err)
	}
}

const goodBody = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

var goodAnswer = "HTTP/1.1 200 OK\r\ncontent-LENGTH: 64\r\n\r\n" + goodBody

// scriptedServer answers each connection with what a test wants.
func scriptedServer(t *testing.T, serve func(net.Conn)) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// TestWrongAnswersAreNoticed, each by its own name.
func TestWrongAnswersAreNoticed(t *testing.T) {
	b, _ := startChain(t)
	for _, c := range []struct{ name, answer, want string }{
		{"status", strings.Replace(goodAnswer, "200", "503", 1), "status"},
		{"length", strings.Replace(goodAnswer, "64", "65", 1), "length"},
		{"no length", strings.Replace(goodAnswer, "content-LENGTH: 64\r\n", "", 1), "length"},
		{"a damaged byte", strings.Replace(goodAnswer, "xyza", "xyzA", 1), "body"},
		{"extra bytes", goodAnswer + "!", "extra"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "status"},
		{"cut", goodAnswer[:len(goodAnswer)-1], "closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The first connection is answered wrongly, the later ones well: the run goes on.
			first := make(chan struct{}, 1)
			first <- struct{}{}
			port := scriptedServer(t, func(conn net.Conn) {
				answer := goodAnswer
				select {
				case <-first:
					answer = c.answer
				default:
				}
				reader := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(reader); err != nil {
						return
					}
					if _, err := io.WriteString(conn, answer); err != nil || answer != goodAnswer {
						return
					}
				}
			})
			run, err := b.startLoad(t.Context(), http1, []string{"--gate", "--port", port, "--connections", "1", "--rate", "200", "--seconds", "0.05"})
			if err != nil {
				t.Fatal(err)
			}
			defer b.closeLoad(run)
			result, err := b.finish(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			if result.Failures[c.want] != 1 || result.failed() == nil || result.Requests != 9 {
				t.Errorf("failures %v, %d right answers; want one of %q, and 9", result.Failures, result.Requests, c.want)
			}
		})
	}
}

func TestLoadGivesUpOnABrokenServer(t *testing.T) {
	b, _ := startChain(t)
	port := scriptedServer(t, func(conn net.Conn) {})
	run, err := b.startLoad(t.Context(), http1, []string{"--gate", "--port", port, "--connections", "1", "--seconds", "60"})
	if err == nil {
		_, err = b.finish(t.Context(), run)
	}
	if err == nil || !strings.Contains(err.Error(), "gave up after 1000 failures, the last: closed") {
		t.Error(err)
	}
}

func TestForwarderPassesHalfCloseOn(t *testing.T) {
	b, _ := startChain(t)
	upstream := scriptedServer(t, func(conn net.Conn) {
		// It answers only when it has seen the end of the request.
		if all, err := io.ReadAll(conn); err == nil {
			_, _ = conn.Write(bytes.ToUpper(all))
		}
	})
	listen, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.launch.start("forwarder", b.options.proxyCPU, b.shop.path("half.log"),
		exec.Command(b.shop.path("forwarder"), strconv.Itoa(listen), upstream))
	if err != nil {
		t.Fatal(err)
	}
	conn := dialWhenUp(t, f, listen)
	defer conn.Close()
	sent := bytes.Repeat([]byte("abcdefgh"), 1<<18) // 2 MiB: more than the sockets hold
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, bytes.ToUpper(sent)) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
	}
}

func dialWhenUp(t *testing.T, p *process, port int) *net.TCPConn {
	t.Helper()
	for {
		conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.(*net.TCPConn)
		}
		select {
		case <-p.exited:
			t.Fatalf("%s ended: %s", p.name, p.lastWords())
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestBackendRefusesADamagedUpload(t *testing.T) {
	b, _ := startChain(t)
	post := func(body string) int {
		answer, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/tiny", b.backendPort), "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if got := post("abcdefghijklmnopqrstuvwxyzab"); got != http.StatusOK {
		t.Errorf("the right body: %d", got)
	}
	if got := post("abcdefghijklmnopqrstuvwxyzaB"); got != http.StatusBadRequest {
		t.Errorf("a damaged body: %d", got)
	}
}

func TestMeasure(t *testing.T) {
	b, p := startChain(t)
	b.options.seconds, b.options.warmup = 0.2, 0
	s, err := b.measure(t.Context(), p, workloads()[0], 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s.Peer != floor || s.Round != 3 || s.CPU <= 0 || s.PerSec <= 0 || s.Memory.Resident <= 0 || s.Busy <= 0 {
		t.Errorf("%+v", s)
	}
	if d := s.User + s.System - s.CPU; d > 0.001 || d < -0.001 {
		t.Errorf("user %g + system %g is not %g", s.User, s.System, s.CPU)
	}
}

func TestInterruptEndsEverything(t *testing.T) {
	b, p := startChain(t)
	ctx, cancel := context.WithCancel(t.Context())
	run, err := b.startLoad(ctx, http1, append(workloads()[0].args(p.setup.Listen), "--seconds", "60"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := b.finish(ctx, run); err == nil {
		t.Error("a cancelled run has a result")
	}
	b.launch.stopAll()
	for _, q := range []*process{run.process, p.process} {
		select {
		case <-q.exited:
		default:
			t.Errorf("%s still runs", q.name)
		}
	}
}
