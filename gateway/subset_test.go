package gateway

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"sluice/gateway/config/mosn"
	"sluice/loop"
	"sluice/loop/looptest"
	"sluice/upstream"
)

// metadataOf is the metadata_match, or the metadata, that names a subset.
func metadataOf(version string) string {
	return fmt.Sprintf(`{"filter_metadata":{"mosn.lb":{"version":%q}}}`, version)
}

// subsetDoc has three hosts, 10.0.0.1 of version 1, 10.0.0.2 and 10.0.0.3 of version 2; routes are those of its one virtual
// host, and subsets its lb_subset_config.
func subsetDoc(routes, subsets string) string {
	var hosts []string
	for i, version := range []string{"1", "2", "2"} {
		hosts = append(hosts, fmt.Sprintf(`{"address":"10.0.0.%d:80","metadata":%s}`, i+1, metadataOf(version)))
	}
	doc := strings.Replace(plain(toCluster, ""), `{"match":{"prefix":"/"},`+toCluster+`}`, routes, 1)
	return strings.Replace(doc, `"hosts":[{"address":"10.0.0.1:80"}]`, `"lb_subset_config":`+subsets+`,"hosts":[`+strings.Join(hosts, ",")+`]`, 1)
}

// named makes 10.0.0.n an upstream that answers its number, for each n, and returns their connections.
func (r *rig) named(n int) (connections func() int) {
	count := 0
	for i := range n {
		addr := loop.Addr{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80)}
		r.l.Listen(addr, func(p *looptest.Peer) {
			count++
			answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", i+1))(p)
		})
	}
	return func() int { return count }
}

// ask is the body of the answer to a request for path, with its status if that is not 200.
func (r *rig) ask(client *looptest.Peer, path string) string {
	r.t.Helper()
	client.Send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
	r.l.Run()
	head, body, _ := strings.Cut(client.Take(), "\r\n\r\n")
	if status := strings.Fields(head + " - -")[1]; status != "200" {
		return status + " " + body
	}
	return body
}

func TestRoutesToSubsets(t *testing.T) {
	route := func(prefix, more string) string {
		return fmt.Sprintf(`{"match":{"prefix":%q},"route":{"cluster_name":"c"%s}}`, prefix, more)
	}
	to := func(version string) string { return `,"metadata_match":` + metadataOf(version) }
	routes := route("/1", to("1")) + "," + route("/2", to("2")) + "," + route("/3", to("3")) + "," + route("/", "")
	for _, tt := range []struct {
		subsets     string
		three, none string // for a subset that there is not, and for no metadata
	}{
		{`{"fall_back_policy":0,"subset_selectors":[["version"]]}`,
			`502 no_healthy_endpoint: no subset of hosts has the metadata "version"="3", and the fall_back_policy is 0`,
			"502 no_healthy_endpoint: the route has no metadata_match, and the fall_back_policy is 0"},
		{`{"fall_back_policy":1,"subset_selectors":[["version"]]}`, "123", "123"},
		{`{"fall_back_policy":2,"default_subset":{"version":"2"},"subset_selectors":[["version"]]}`, "23", "23"},
	} {
		r := newRig(t, subsetDoc(routes, tt.subsets))
		connections := r.named(3)
		client := r.connect()
		want := func(path, hosts string) {
			t.Helper()
			seen := map[string]bool{}
			for range 12 {
				got := r.ask(client, path)
				seen[got] = true
				if len(got) == 1 && !strings.Contains(hosts, got) || len(got) != 1 && strings.TrimSpace(got) != hosts {
					t.Errorf("%s: %s gets %q, want %s", tt.subsets, path, got, hosts)
				}
			}
			if len(hosts) < 4 && len(seen) != len(hosts) {
				t.Errorf("%s: %s reaches %v of %s", tt.subsets, path, seen, hosts)
			}
		}
		want("/1", "1")
		want("/2", "23")
		want("/3", tt.three)
		want("/", tt.none)
		// A host is one endpoint, whichever subset has chosen it.
		if n := connections(); n != 3 {
			t.Errorf("%s: %d connections to 3 hosts", tt.subsets, n)
		}
	}
}

// Parts of a cluster may share the requests of a route, by weight.
func TestWeightedSubsetsOfOneCluster(t *testing.T) {
	part := func(weight int, version string) string {
		return fmt.Sprintf(`{"cluster":{"name":"c","weight":%d,"metadata_match":%s}}`, weight, metadataOf(version))
	}
	r := newRig(t, subsetDoc(`{"match":{"prefix":"/"},"route":{"weighted_clusters":[`+part(90, "1")+","+part(10, "2")+`]}}`,
		`{"subset_selectors":[["version"]]}`))
	r.named(3)
	client := r.connect()
	count := map[string]int{}
	for range 1000 {
		count[r.ask(client, "/")]++
	}
	// 900 of 1000 with a standard deviation of 9.5.
	if n := count["1"]; n < 830 || n > 970 || n+count["2"]+count["3"] != 1000 || count["2"] == 0 || count["3"] == 0 {
		t.Errorf("got %v", count)
	}
}

// A retry stays in the subset, and an update of the hosts moves them between subsets.
func TestSubsetsRetryAndUpdate(t *testing.T) {
	r := newRig(t, subsetDoc(`{"match":{"prefix":"/"},"route":{"cluster_name":"c","metadata_match":`+metadataOf("2")+`}}`,
		`{"subset_selectors":[["version"]]}`))
	r.named(3)
	r.l.Refuse(loop.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.2:80")})
	client := r.connect()
	for range 6 {
		if got := r.ask(client, "/"); got != "3" {
			t.Errorf("got %q, want the other host of the subset", got)
		}
	}
	cfg := r.g.cfg.Clusters[0]
	cfg.Hosts = append([]upstream.HostConfig(nil), cfg.Hosts...)
	cfg.Hosts[2].Metadata = map[string]string{"version": "1"}
	cfg.Hosts[0].Metadata = map[string]string{"version": "2"}
	r.g.clusters.Update([]upstream.ClusterConfig{cfg})
	r.l.Run()
	for range 6 {
		if got := r.ask(client, "/"); got != "1" {
			t.Errorf("after the update: got %q", got)
		}
	}
}

// MOSN's sample of subsets, as it stands.
func TestSubsetSampleOfMOSN(t *testing.T) {
	const sample = "config/mosn/testdata/samples/subset.json"
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems, err := mosn.Parse(sample, text, mosn.Options{})
	if err != nil {
		t.Fatal(err, problems)
	}
	r := newRigOf(t, cfg)
	servers := map[string]*looptest.Peer{}
	for _, addr := range []string{"127.0.0.1:8080", "127.0.0.1:8081"} {
		r.l.Listen(loop.Addr{AddrPort: netip.MustParseAddrPort(addr)}, func(p *looptest.Peer) { servers[addr] = p })
	}
	client := r.connect()
	for i := range uint32(10) {
		service, addr := "com.example.Green", "127.0.0.1:8080"
		if i%2 == 1 {
			service, addr = "com.example.Other", "127.0.0.1:8081"
		}
		sendBolt(client, call(i+1, service, "hello"))
		r.l.Run()
		server := servers[addr]
		if server == nil {
			t.Fatalf("the call of %s has not reached %s", service, addr)
		}
		calls := boltFrames(t, server)
		if len(calls) != 1 || calls[0].fields["service"] != service {
			t.Fatalf("%s has %v", addr, calls)
		}
		sendBolt(server, calls[0].answer(0, addr))
		r.l.Run()
		if got := boltFrames(t, client); len(got) != 1 || got[0].id != i+1 || got[0].content != addr {
			t.Errorf("call %d: %v", i+1, got)
		}
	}
}
