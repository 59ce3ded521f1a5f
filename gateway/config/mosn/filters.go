package mosn

import "sluice/gateway/config"

// A filterPolicy is what this version does about a filter that is not its own.
type filterPolicy struct {
	name string
	use  use
	why  string
}

// The network filters. proxy, tcp_proxy and connection_manager are read in listener.go.
const (
	filterProxy             = "proxy"
	filterTCPProxy          = "tcp_proxy"
	filterConnectionManager = "connection_manager"
)

var networkFilters = []filterPolicy{
	{filterProxy, used, ""},
	{filterTCPProxy, used, ""},
	{filterConnectionManager, used, "its router configuration is read like one of servers[0].routers"},
	{"udp_proxy", refused, "datagrams would not be carried"},
	{"fault_inject", refused, "connections would pass without the faults"},
	{"grpc", refused, "the embedded gRPC server would not answer"},
	{"tunnel", refused, "agents could not connect"},
}

var listenerFilters = []filterPolicy{
	{"original_dst", refused, "connections would go to the listener's own routes instead of where they were going"},
}

var streamFilters = []filterPolicy{
	{filterTranscoder, used, "`httpTohttp2`, `http2Tohttp`, `http2bolt_simple`"},
	{config.FilterHTTP2Bolt, used, "Sluice's own: HTTP to Bolt and back, see [bolt.md](bolt.md)"},
	{config.FilterGRPCWeb, used, "Sluice's own: browsers call gRPC services, see [grpc.md](grpc.md)"},
	{"gzip", plainer, "answers pass as the upstream encodes them"},
	{"grpc_metric", plainer, "calls are counted as requests only"},
	{"istio.stats", plainer, "see /metrics for what is counted"},
	{"mixer", plainer, "nothing is reported to a mixer"},
	{"healthcheck", noEffect, "MOSN has no such filter either"},
	{"ip_access", refused, "addresses that it denies would be served"},
	{"jwt_authn", refused, "requests without a valid token would be served"},
	{"rbac", refused, "requests that it denies would be served"},
	{"payload_limit", refused, "requests that it refuses would be served; extend_config.Http1.max_request_body_size limits bodies"},
	{"flowControlFilter", refused, "requests that it refuses would be served"},
	{"fault", refused, "requests would pass without the faults"},
	{"fault_tolerance", plainer, "failing hosts are not set aside for a time"},
	{"mirror", refused, "the copies would not be sent"},
	{"dsl", refused, "its expressions would not run"},
	{"header_to_metadata", refused, "requests would reach hosts outside of the subset; a route with metadata_match for each value chooses them"},
	{"dubbo_stream", refused, "requests could not be routed by service"},
	{"seata", refused, "transactions would not be opened"},
	{"proxywasm", refused, "the module would not run"},
}

var extensions = []filterPolicy{
	{"holmes", plainer, "no profile is taken by itself; see /debug/pprof/"},
	{"dubbo_registry", refused, "services would not be registered"},
	{"tunnel_agent", refused, "the tunnel would not be opened"},
	{"transcoder_plugin", refused, "its transcoders would not exist"},
}

// balancers are the values of lb_type; policies says which of them are available.
var balancers = []filterPolicy{
	{"LB_ROUNDROBIN", used, ""},
	{"LB_RANDOM", used, ""},
	{"LB_WEIGHTED_ROUNDROBIN", used, ""},
	{"LB_LEAST_REQUEST", used, "power of choice_count choices"},
	{"LB_LEAST_CONNECTION", refused, "the nearest that is available is LB_LEAST_REQUEST"},
	{"LB_PEAK_EWMA", refused, "the nearest that is available is LB_LEAST_REQUEST"},
	{"LB_MAGLEV", refused, "requests would lose their affinity to a host"},
	{"LB_REQUEST_ROUNDROBIN", refused, "requests would not start at the first host"},
	{"LB_ORIGINAL_DST", refused, "requests would not go where they were going"},
}

// find returns the policy with that name, or nil, and the names to suggest.
func find(list []filterPolicy, name string) (*filterPolicy, []string) {
	names := make([]string, len(list))
	for i := range list {
		if list[i].name == name {
			return &list[i], nil
		}
		names[i] = list[i].name
	}
	return nil, names
}
