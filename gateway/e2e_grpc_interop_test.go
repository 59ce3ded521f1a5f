package gateway_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// grpcServer is grpc-go's interoperability server.
func (w *world) grpcServer() string {
	w.t.Helper()
	h := w.helper("server", []string{"GRPC_GO_LOG_SEVERITY_LEVEL=info"}, "--port", "0")
	port := h.says(`listening on \S*:(\d+)`)
	return net.JoinHostPort("127.0.0.1", port)
}

// TestGRPCInterop runs every case of grpc-go's interoperability client that needs no TLS through the gateway. The other
// cases are about credentials, which need TLS. One needs a server that names itself, which grpc-go's does not.
func TestGRPCInterop(t *testing.T) {
	interopTool(t, "client")
	w := newWorld(t)
	suite := w.grpcGateway(w.grpcServer())
	named := w.grpcGateway(w.helper("peer", nil, "serve").says(`listening (\S+)`))
	for _, name := range []string{
		"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
		"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
		"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service", "pick_first_unary",
		"rpc_soak", "channel_soak", "orca_per_rpc", "orca_oob",
	} {
		t.Run(name, func(t *testing.T) {
			g := suite
			if name == "pick_first_unary" {
				g = named
			}
			host, port, err := net.SplitHostPort(g.addr("l"))
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"--server_host", host, "--server_port", port, "--test_case", name}
			switch name {
			case "rpc_soak", "channel_soak":
				// 100 large calls by 4 at a time; a loaded machine may take its time for one.
				args = append(args, "--soak_iterations", "100", "--soak_num_threads", "4",
					"--soak_per_iteration_max_acceptable_latency_ms", "30000", "--soak_overall_timeout_seconds", "60")
			case "orca_per_rpc", "orca_oob":
				args = append(args, "--service_config_json", `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`)
			}
			out, err := exec.Command(interopTool(t, "client"), args...).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if strings.HasSuffix(name, "_soak") && !strings.Contains(string(out), "successes: 100 / 100") {
				t.Errorf("not all calls succeeded:\n%s", out)
			}
		})
	}
	settle(w, suite)
	settle(w, named)
}

// grpcGateway is a gateway in front of a gRPC server.
func (w *world) grpcGateway(server string) *running {
	w.t.Helper()
	return w.start(sketch{speaks: "Http2", hosts: []string{server}, cluster: `"protocol":"Http2"`,
		document: `"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}`}.String())
}

// settle waits until the gateway g counts nothing in progress.
func settle(w *world, g *running) {
	w.t.Helper()
	client := w.client()
	w.until("nothing is in progress", func() bool {
		m := scrape(w.t, client, "http://"+g.AdminAddr()+"/metrics")
		return m[`sluice_downstream_requests_active{listener="l"}`] == 0 && m[`sluice_cluster_requests_active{cluster="c"}`] == 0 &&
			m[`sluice_cluster_requests_waiting{cluster="c"}`] == 0
	})
}
