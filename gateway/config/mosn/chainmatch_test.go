package mosn

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/config"
)

func TestFilterChains(t *testing.T) {
	tcp := `"filters":[{"type":"tcp_proxy","config":{"cluster":"c"}}]`
	doc := `{"servers":[{"routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"c"}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"stream_filters":[{"type":"grpc_web"}],"filter_chains":[
  {"filter_chain_match":{"server_names":["A.test.","*.b.test"],"transport_protocol":"TLS"},` + tcp + `},
  {"filters":[{"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"r"}}]},
  {"name":"web","filter_chain_match":{"application_protocols":["h2"]},"tls_context":{"status":true,"cert_chain":"a.pem","private_key":"a.key"},
   "filters":[{"type":"proxy","config":{"downstream_protocol":"Http2","router_config_name":"r"}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","hosts":[{"address":"127.0.0.1:80"}]}]}}`
	c, problems, err := Parse("f.json", []byte(doc), Options{Strict: true})
	if err != nil || len(problems) != 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	l := &c.Listeners[0]
	if len(l.Chains) != 2 || l.HTTP == nil || l.HTTP.Protocols[0] != "Http1" || l.Label != "chain 2" || l.Chains[0].TCP == nil ||
		l.Chains[1].Label != "web" || l.Chains[1].TLS == nil || l.TLS != nil {
		t.Fatalf("got %+v", l)
	}
	want := config.ChainMatch{ServerNames: []string{"a.test", "*.b.test"}, Transport: config.TLSTransport}
	if diff := cmp.Diff(want, l.Chains[0].Match); diff != "" {
		t.Error(diff)
	}
	// The stream filters of a listener are those of all its chains that see requests.
	if a, b := l.HTTP.Filters, l.Chains[1].HTTP.Filters; len(a) != 1 || len(b) != 1 || a[0].Type != config.FilterGRPCWeb {
		t.Errorf("the filters are %v and %v", a, b)
	}
	if got, want := l.Chains[0].Match.String(), "server name a.test or *.b.test, tls"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
