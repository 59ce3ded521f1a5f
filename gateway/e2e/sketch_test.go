package e2e

import (
	"fmt"
	"strings"
)

// quiet turns off everything that a gateway adds to a message, so that tests can compare bytes.
const quiet = `"forwarded":{"via":false,"x_forwarded_for":false,"x_forwarded_proto":false,"x_forwarded_host":false,"x_request_id":false}`

// A sketch is a configuration of one listener "l" in front of one cluster "c". Its texts are members of JSON objects.
type sketch struct {
	loops    int    // 0: one
	speaks   string // downstream protocols; "": Http1
	address  string // "": any free port
	listener string // of the listener
	chain    string // of its filter chain
	proxy    string // of the proxy filter's config; "": quiet
	tcp      string // of a tcp_proxy filter's config, which then takes the place of the proxy
	rules    string // rules in front of the one for everything, each followed by a comma
	route    string // of the last rule's action
	cluster  string // of the cluster
	server   string // of the server
	document string // of the document
	hosts    []string
}

func (s sketch) String() string {
	comma := func(members string) string {
		if members == "" {
			return ""
		}
		return "," + members
	}
	if s.proxy == "" {
		s.proxy = quiet
	}
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	if s.speaks == "" {
		s.speaks = "Http1"
	}
	filter := `{"type":"proxy","config":{"downstream_protocol":"` + s.speaks + `","router_config_name":"r"` + comma(s.proxy) + `}}`
	if s.tcp != "" {
		filter = `{"type":"tcp_proxy","config":{` + s.tcp + `}}`
	}
	var hosts []string
	for _, h := range s.hosts {
		hosts = append(hosts, fmt.Sprintf(`{"address":%q}`, h))
	}
	return fmt.Sprintf(`{"servers":[{"default_log_path":"stdout","processor":%d%s,
"routers":[{"router_config_name":"r","virtual_hosts":[{"name":"everybody","domains":["*"],"routers":[%s
  {"match":{"prefix":"/"},"route":{"cluster_name":"c"%s}}]}]}],
"listeners":[{"name":"l","address":%q,"bind_port":true%s,"filter_chains":[{"filters":[%s]%s}]}]}],
"cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[%s]%s}]}%s}`,
		max(s.loops, 1), comma(s.server), s.rules, comma(s.route), s.address, comma(s.listener), filter, comma(s.chain),
		strings.Join(hosts, ","), comma(s.cluster), comma(s.document))
}
