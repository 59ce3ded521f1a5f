package e2e

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// grpcServer is grpc-go's interoperability server.
func (w *world) grpcServer(args ...string) string {
	w.t.Helper()
	h := w.helper("server", []string{"GRPC_GO_LOG_SEVERITY_LEVEL=info"}, append([]string{"--port", "0"}, args...)...)
	port := h.says(`listening on \S*:(\d+)`)
	return net.JoinHostPort("127.0.0.1", port)
}

// TestGRPCInterop runs every case of grpc-go's interoperability client that needs no TLS through the gateway. The other
// cases are about credentials: see TestTLSGRPCInterop. One needs a server that names itself, which grpc-go's does not.
func TestGRPCInterop(t *testing.T) {
	t.Parallel()
	interopTool(t, "client")
	w := newWorld(t)
	grpcInterop(t, w, w.grpcGateway(w.grpcServer()), w.grpcGateway(w.helper("peer", nil, "serve").says(`listening (\S+)`)))
}

// grpcInterop runs the cases that want no credentials, with more arguments of the client, through gateways in front of
// grpc-go's server and of one that names itself.
func grpcInterop(t *testing.T, w *world, suite, named *running, more ...string) {
	t.Run("cases", func(t *testing.T) { grpcCases(t, suite, named, more...) })
	settle(w, suite)
	settle(w, named)
}

// grpcCases are those that want no credentials.
func grpcCases(t *testing.T, suite, named *running, more ...string) {
	for _, name := range []string{
		"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
		"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
		"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service", "pick_first_unary",
		"rpc_soak", "channel_soak", "orca_per_rpc", "orca_oob",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := suite
			if name == "pick_first_unary" {
				g = named
			}
			args := slices.Clone(more)
			switch name {
			case "rpc_soak", "channel_soak":
				// 100 large calls by 4 at a time; a loaded machine may take its time for one.
				args = append(args, "--soak_iterations", "100", "--soak_num_threads", "4",
					"--soak_per_iteration_max_acceptable_latency_ms", "30000", "--soak_overall_timeout_seconds", "60")
			case "orca_per_rpc", "orca_oob":
				args = append(args, "--service_config_json", `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`)
			}
			out := grpcCase(t, g, name, nil, args...)
			if strings.HasSuffix(name, "_soak") && !strings.Contains(out, "successes: 100 / 100") {
				t.Errorf("not all calls succeeded:\n%s", out)
			}
		})
	}
}

// grpcCase runs a case of grpc-go's interoperability client.
func grpcCase(t *testing.T, g *running, name string, env []string, more ...string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(g.addr("l"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(interopTool(t, "client"), append([]string{"--server_host", host, "--server_port", port, "--test_case", name}, more...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// grpcGateway is a gateway in front of a gRPC server.
func (w *world) grpcGateway(server string) *running {
	w.t.Helper()
	return w.start(grpcSketch(server).String())
}

func grpcSketch(server string) sketch {
	return sketch{speaks: "Http2", hosts: []string{server}, cluster: `"protocol":"Http2"`,
		document: adminOnAnyPort}
}

// settle waits until the gateway g counts nothing in progress.
func settle(w *world, g *running) {
	w.t.Helper()
	w.until("nothing is in progress", func() bool {
		m := g.metrics()
		return m[`sluice_downstream_requests_active{listener="l"}`] == 0 && m[`sluice_cluster_requests_active{cluster="c"}`] == 0 &&
			m[`sluice_cluster_requests_waiting{cluster="c"}`] == 0
	})
}
