package e2e

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// grpcPeer is a grpc-go server: the interoperability service, and health.
func (w *world) grpcPeer(args ...string) string {
	w.t.Helper()
	return w.helper("peer", nil, append([]string{"serve"}, args...)...).says(`listening (\S+)`)
}

// TestGRPCLocalReplies: what the gateway must say itself, grpc-go's client understands, with the reason.
func TestGRPCLocalReplies(t *testing.T) {
	t.Parallel()
	interopTool(t, "peer")
	w := newWorld(t)
	g := w.start(sketch{speaks: "Http2", hosts: []string{w.grpcPeer()},
		cluster: `"protocol":"Http2"},{"name":"dead","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","protocol":"Http2","hosts":[{"address":"` +
			w.refusing() + `"}]},{"name":"empty","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[]`,
		proxy: `"limits":{"body":100000}`,
		rules: `{"match":{"prefix":"/empty."},"route":{"cluster_name":"empty"}},
			{"match":{"prefix":"/dead."},"route":{"cluster_name":"dead"}},
			{"match":{"prefix":"/","headers":[{"name":"x-sleep","value":"1s"}]},"route":{"cluster_name":"c","timeout":"50ms"}},`,
		document: adminOnAnyPort,
	}.String())
	addr := g.addr("l")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no upstream", []string{"-method", "/empty.Service/Call"}, "Unavailable no_healthy_endpoint: "},
		{"dead upstream", []string{"-method", "/dead.Service/Call"}, "Unavailable connect_failed: "},
		{"the route's timeout", []string{"-metadata", "x-sleep=1s"}, "DeadlineExceeded request_timeout: "},
		{"too large", []string{"-size", "200000"}, "ResourceExhausted body_too_large: "},
		{"the server's own status", []string{"-status", "5"}, "NotFound as asked"},
		{"success", nil, "OK "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := printed(t, "peer", append([]string{"call", "-addr", addr}, tt.args...)...); !strings.HasPrefix(got+" ", tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	settle(w, g)
}

// TestGRPCNoRoute: without a route a call is not implemented.
func TestGRPCNoRoute(t *testing.T) {
	t.Parallel()
	interopTool(t, "peer")
	w := newWorld(t)
	addr := w.start(strings.Replace(sketch{speaks: "Http2", hosts: []string{w.refusing()}}.String(), `"match":{"prefix":"/"}`, `"match":{"prefix":"/only/"}`, 1)).addr("l")
	if got := printed(t, "peer", "call", "-addr", addr); !strings.HasPrefix(got, "Unimplemented no_route: ") {
		t.Errorf("%q, want Unimplemented no_route", got)
	}
}

// TestGRPCDeadline: the client's deadline ends the call at the gateway, and at an upstream that ignores it.
func TestGRPCDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var cancelled atomic.Int32
	upstream := w.h2Server(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Grpc-Timeout") == "" {
			t.Error("the deadline was not passed on")
		}
		<-r.Context().Done() // only a reset ends it
		cancelled.Add(1)
	})
	g := w.grpcGateway(upstream)
	// This client tells its deadline and does not keep it, so that the answer is the gateway's.
	r := callGRPC(t, w, g.addr("l"), "/a.Service/Call", "Grpc-Timeout", "50m")
	if status, message := r.Header.Get("Grpc-Status"), r.Header.Get("Grpc-Message"); status != "4" || !strings.HasPrefix(message, "request_timeout: ") {
		t.Errorf("grpc-status %s, %q, want 4, request_timeout", status, message)
	}
	w.until("the upstream is told", func() bool { return cancelled.Load() == 1 })
	settle(w, g)
}

// callGRPC makes a unary call with an empty message by net/http, and reads its answer.
func callGRPC(t *testing.T, w *world, addr, method string, fields ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+method, bytes.NewReader(make([]byte, 5)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	tr := &http.Transport{Protocols: unencrypted(false, true)}
	w.t.Cleanup(tr.CloseIdleConnections)
	res, err := (&http.Client{Transport: tr, Timeout: hang}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		t.Errorf("%s, %d bytes (%v)", res.Status, len(b), err)
	}
	return res
}

// TestGRPCClientDeadline: grpc-go's client and its deadline, with a server that sleeps over it.
func TestGRPCClientDeadline(t *testing.T) {
	t.Parallel()
	interopTool(t, "peer")
	w := newWorld(t)
	g := w.grpcGateway(w.grpcPeer())
	if got := printed(t, "peer", "call", "-addr", g.addr("l"), "-timeout", "100ms", "-metadata", "x-sleep=1s"); !strings.HasPrefix(got, "DeadlineExceeded") {
		t.Errorf("%q, want DeadlineExceeded", got)
	}
	settle(w, g)
}

// TestGRPCHealth: the health service is one like any other.
func TestGRPCHealth(t *testing.T) {
	t.Parallel()
	interopTool(t, "peer")
	w := newWorld(t)
	addr := w.grpcGateway(w.grpcPeer()).addr("l")
	for service, want := range map[string]string{
		"": "OK SERVING", "grpc.testing.TestService": "OK SERVING", "sick": "OK NOT_SERVING", "unknown": "NotFound UNKNOWN",
	} {
		if got := printed(t, "peer", "health", "-addr", addr, "-service", service); got != want {
			t.Errorf("%q is %q, want %q", service, got, want)
		}
	}
}

// TestGRPCRetry: a call that ends with a status of the route's conditions, and nothing before it, is sent again.
func TestGRPCRetry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, conditions string
		failures         int32 // of the upstream, before it answers
		trailersOnly     bool
		want             string // grpc-status
		calls            int32
	}{
		{"unavailable", `,"retry_conditions":["unavailable"]`, 2, true, "0", 3},
		{"another condition", `,"retry_conditions":["resource-exhausted"]`, 2, true, "14", 1},
		{"none", ``, 2, true, "14", 1},
		{"too often", `,"retry_conditions":["unavailable"]`, 9, true, "14", 4},
		{"after a message", `,"retry_conditions":["unavailable"]`, 2, false, "14", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			var calls atomic.Int32
			upstream := w.h2Server(func(rw http.ResponseWriter, r *http.Request) {
				n := calls.Add(1)
				if b, err := io.ReadAll(r.Body); err != nil || len(b) != 5 {
					t.Errorf("call %d has %d bytes (%v), want 5", n, len(b), err)
				}
				rw.Header().Set("Content-Type", "application/grpc")
				switch {
				case n <= tt.failures && tt.trailersOnly:
					rw.Header().Set("Grpc-Status", "14")
				case n <= tt.failures:
					_, _ = rw.Write(make([]byte, 5)) // the client sees whether it came
					rw.Header().Set(http.TrailerPrefix+"Grpc-Status", "14")
				default:
					_, _ = rw.Write(make([]byte, 5)) // as above
					rw.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
				}
			})
			g := w.start(sketch{speaks: "Http2", hosts: []string{upstream}, cluster: `"protocol":"Http2"`,
				route:    `"retry_policy":{"retry_on":true,"num_retries":3` + tt.conditions + `}`,
				document: adminOnAnyPort}.String())
			r := callGRPC(t, w, g.addr("l"), "/a.Service/Call")
			if got := r.Header.Get("Grpc-Status") + r.Trailer.Get("Grpc-Status"); got != tt.want || calls.Load() != tt.calls {
				t.Errorf("grpc-status %q after %d calls, want %q after %d", got, calls.Load(), tt.want, tt.calls)
			}
			settle(w, g)
		})
	}
}

// TestGRPCGoAwayUnderLoad: an upstream that sends its connections away, again and again, costs no call.
func TestGRPCGoAwayUnderLoad(t *testing.T) {
	t.Parallel()
	interopTool(t, "peer")
	w := newWorld(t)
	g := w.grpcGateway(w.grpcPeer("-age", "20ms"))
	if got := printed(t, "peer", "load", "-addr", g.addr("l"), "-workers", "20", "-calls", "4000"); got != "OK=4000" {
		t.Errorf("%s, want OK=4000", got)
	}
	if n := g.metrics()[`sluice_cluster_connections_total{cluster="c"}`]; n < 3 {
		t.Errorf("the load went over %d connections, so nothing was tried", n)
	}
	settle(w, g)
}

// TestGRPCDrain: streams in progress survive a drain.
func TestGRPCDrain(t *testing.T) {
	t.Parallel()
	interopTool(t, "peer")
	w := newWorld(t)
	g := w.grpcGateway(w.grpcPeer())
	finish := grpcStreams(w, g.addr("l"))
	drained := make(chan error, 1)
	go func() { drained <- g.Drain(hang) }()
	w.refuses(g.addr("l"))
	finish(func() {
		select {
		case err := <-drained:
			t.Fatalf("the drain is over, with streams in progress: %v", err)
		default:
		}
	})
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// drainStreams: SIGTERM, which drains, with streams in progress.
func drainStreams(t *testing.T, w *world, bin string) {
	interopTool(t, "peer")
	p := w.command(bin, sketch{speaks: "Http2", hosts: []string{w.grpcPeer()}, cluster: `"protocol":"Http2"`}.String())
	addr := p.addr("l")
	finish := grpcStreams(w, addr)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	finish(func() {
		w.refuses(addr)
	})
	if code := p.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// refuses waits until nobody listens at addr any more.
func (w *world) refuses(addr string) {
	w.t.Helper()
	w.until("new clients are refused", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// grpcStreams opens 50 streams through the gateway at addr. finish calls before, and then wants each to go on and end well.
func grpcStreams(w *world, addr string) (finish func(before func())) {
	w.t.Helper()
	h := w.helper("peer", nil, "streams", "-addr", addr, "-n", "50")
	h.says(`(?m)^(open)$`)
	return func(before func()) {
		w.t.Helper()
		before()
		h.line("go on")
		if got := h.says(`(?m)^(\S+=.*)$`); got != "OK=50" {
			w.t.Errorf("the streams ended as %s, want OK=50", got)
		}
	}
}
