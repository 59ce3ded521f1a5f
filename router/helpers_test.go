package router

import (
	"testing"

	"sluice/protocols"
)

// request makes a request header. fields are name, value pairs.
func request(method, authority, target string, fields ...string) *protocols.Header {
	h := &protocols.Header{}
	h.Reset()
	h.SetMethod([]byte(method))
	h.SetPath([]byte(target))
	h.SetAuthority([]byte(authority))
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	return h
}

func compile(t testing.TB, cfg *Config) *Table {
	t.Helper()
	table, err := Compile(cfg)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return table
}

// single makes a configuration of one default virtual host.
func single(rules ...Rule) *Config {
	return &Config{Name: "test", VirtualHosts: []VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: rules}}}
}

// to is a rule that sends what m matches to a cluster.
func to(cluster string, m Match) Rule { return Rule{Match: m, Cluster: cluster} }

// clusterOf is the cluster of the route that a request gets; a refusal's name in brackets without one.
func clusterOf(table *Table, h *protocols.Header) string {
	r, _, refused := table.Match(&Input{Header: h})
	if refused != nil {
		return "(" + refused.Reason.String() + ")"
	}
	return table.Clusters()[r.Target(0).Cluster]
}
