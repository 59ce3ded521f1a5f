package e2e

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"sluice/gateway"
	"sluice/gateway/config/mosn"
	"sluice/loop"
)

// twoHops is MOSN's http sample (examples/codes/http-sample), both halves in one process; %[1]s to %[3]s are the client's,
// the listening server's and the HTTP server's address.
const twoHops = `{"servers":[{"default_log_path":"stdout",
"routers":[
 {"router_config_name":"client_router","virtual_hosts":[{"name":"clientHost","domains":["*"],
  "routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"clientCluster"}}]}]},
 {"router_config_name":"server_router","virtual_hosts":[{"name":"serverHost","domains":["*"],
  "routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"serverCluster"}}]}]}],
"listeners":[
 {"name":"clientListener","address":"%[1]s","bind_port":true,"filter_chains":[{"filters":[
  {"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"client_router"}}]}]},
 {"name":"serverListener","address":"%[2]s","bind_port":true,"filter_chains":[{"filters":[
  {"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"server_router"}}]}]}]}],
"cluster_manager":{"clusters":[
 {"name":"clientCluster","type":"SIMPLE","lb_type":"LB_RANDOM","max_request_per_conn":1024,"conn_buffer_limit_bytes":32768,
  "hosts":[{"address":"%[2]s"}]},
 {"name":"serverCluster","type":"SIMPLE","lb_type":"LB_RANDOM","max_request_per_conn":1024,"conn_buffer_limit_bytes":32768,
  "hosts":[{"address":"%[3]s"}]}]},
"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}},"disable_upgrade":true}`

func TestSampleInOneProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, "%s %s via %q", r.Method, r.URL.Path, r.Header["Via"])
	})
	g := w.start(fmt.Sprintf(twoHops, "127.0.0.1:0", w.refusing(), server))
	c := w.client()
	for range 20 {
		status, body := get(t, c, "http://"+g.addr("clientListener")+"/x")
		if want := `GET /x via ["1.1 sluice" "1.1 sluice"]`; status != 200 || body != want {
			t.Fatalf("%d %q, want %q", status, body, want)
		}
	}
	metrics := g.metrics()
	for _, l := range []string{"clientListener", "serverListener"} {
		if n := metrics[`sluice_downstream_requests_total{listener="`+l+`"}`]; n != 20 {
			t.Errorf("%s has counted %d requests, want 20", l, n)
		}
	}
}

// emptyChains is a file that MOSN starts with: its filter chains are empty.
const emptyChains = `{"servers":[{"default_log_path":"stdout","listeners":[{"name":"serverListener","address":"127.0.0.1:2046","bind_port":true,"log_path":"stdout","filter_chains":[{}]},{"name":"clientListener","address":"127.0.0.1:2045","bind_port":true,"log_path":"stdout","filter_chains":[{}]}]}],"cluster_manager":{},"admin":{}}`

// TestEmptyFilterChains: the listeners accept, say in the log that they have nothing to do, and close.
func TestEmptyFilterChains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg, _, err := mosn.Parse("empty.json", []byte(emptyChains), mosn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, port := range []uint16{2046, 2045} {
		l := &cfg.Listeners[i]
		if l.Address.AddrPort.Port() != port {
			t.Errorf("%s is at %s, want port %d", l.Name, l.Address, port)
		}
		l.Address = loop.Addr{AddrPort: netip.MustParseAddrPort("127.0.0.1:0")} // those two may be in use
	}
	logs := &output{}
	g, err := gateway.New(cfg, gateway.Options{Stdout: logs, Stderr: logs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	if n := len(g.Listeners()); n != 2 {
		t.Fatalf("%d listeners are bound, want 2", n)
	}
	for range 3 {
		for _, l := range g.Listeners() {
			w.dialGone(l.Address)
		}
	}
	for _, l := range g.Listeners() {
		w.until("a line about "+l.Name, func() bool {
			for line := range strings.Lines(logs.String()) {
				if strings.Contains(line, "WARN") && strings.Contains(line, "listener="+l.Name) && strings.Contains(line, l.Address) {
					return true
				}
			}
			return false
		})
	}
}
