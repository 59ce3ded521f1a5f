package mosn

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sluice/gateway/config"
)

// Every file in testdata/mistakes is refused, and its golden file has all that is said about it.
func TestMistakes(t *testing.T) {
	paths, err := filepath.Glob("testdata/mistakes/*.*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("mistakes: %v, %v", paths, err)
	}
	for _, path := range paths {
		if filepath.Ext(path) == ".golden" {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, problems, err := Load(path, testOptions())
			if c != nil || err == nil {
				t.Fatalf("it is accepted: %+v", c)
			}
			var b bytes.Buffer
			if err := config.FormatSource(&b, problems); err != nil {
				t.Fatal(err)
			}
			golden(t, path+".golden", b.Bytes())
		})
	}
}

// around puts a value into a configuration that is otherwise right.
func around(key, value string) string {
	clusters := `[{"name":"c","hosts":[{"address":"127.0.0.1:80"}]}]`
	listener := `"name":"l","address":"127.0.0.1:1","bind_port":true`
	proxy := `"downstream_protocol":"Http1","router_config_name":"r"`
	route := `"cluster_name":"c"`
	server, filters, rule := "", "", ""
	switch key {
	case "server":
		server = value + ","
	case "listener":
		listener += "," + value
	case "address":
		listener = `"name":"l","address":` + value + `,"bind_port":true`
	case "proxy":
		proxy += "," + value
	case "filter":
		filters = "," + value
	case "route":
		route += "," + value
	case "rule":
		rule = "," + value
	case "clusters":
		clusters = value
	}
	return fmt.Sprintf(`{"servers":[{%s"listeners":[{%s,"filter_chains":[{"filters":[{"type":"proxy","config":{%s}}%s]}]}],`+
		`"routers":[{"router_config_name":"r","virtual_hosts":[{"domains":["*"],"routers":[{"match":{"prefix":"/"},"route":{%s}%s}]}]}]}],`+
		`"cluster_manager":{"clusters":%s}}`, server, listener, proxy, filters, route, rule, clusters)
}

func TestAroundIsRight(t *testing.T) {
	_, problems, err := Parse("c.json", []byte(around("", "")), testOptions())
	if err != nil || len(problems) != 0 {
		t.Fatalf("%v, %v", problems, err)
	}
}

// One mistake gives one message: nothing is reported twice, nothing follows from something else.
func TestOneMistakeOneMessage(t *testing.T) {
	for _, tc := range []struct{ key, value, want string }{
		{"address", `5`, `listeners[0].address: expected an address such as "127.0.0.1:2045", found the number 5`},
		{"address", `"::1"`, `did you mean "[::1]:80"?`},
		{"address", `"http://127.0.0.1:80"`, `an address has no scheme`},
		{"address", `"/run/x.sock"`, `did you mean "unix:/run/x.sock"?`},
		{"address", `"127.0.0.1:65536"`, `with a port from 0 to 65535`},
		{"address", `"nowhere.invalid:80"`, `"nowhere.invalid" can't be resolved: no such host`},
		{"address", `"unix:"`, `expected the path of a unix socket`},
		{"address", `"unix:/` + strings.Repeat("x", 200) + `"`, `at most 107 bytes`},
		{"listener", `"network":"tpc"`, `unknown network "tpc"; did you mean "tcp"?`},
		{"listener", `"access_logs":{}`, `expected an array, found an empty object`},
		{"listener", `"access_logs":[null]`, `expected a value, found null`},
		{"listener", `"max_connections":-2`, `from -1 to 2147483647, found the number -2`},
		{"listener", `"connection_idle_timeout":"-1s"`, `not negative`},
		{"proxy", `"forwarded":{"trusted_networks":["10.0.0.0/33"]}`, `expected a network such as "10.0.0.0/8"`},
		{"proxy", `"forwarded":{"via_name":"a b"}`, `expected a name of letters`},
		{"proxy", `"extend_config":{"Http1":{"max_header_size":"8k"}}`, `found the string "8k"`},
		{"proxy", `"extend_config":{"sub_protocol":"bolt"},"fallback_for_unknown_protocol":true`, `no tcp_proxy filter follows in the chain`},
		{"proxy", `"router_handler_name":"mine"`, `"router_handler_name" is not available in this version`},
		{"filter", `{"type":"tcp_proxy","config":{"cluster":"c"}}`, `a chain has one filter that serves its connections`},
		{"filter", `{"typ":"x","type":"tunnel"}`, `"tunnel" is not available in this version`},
		{"route", `"timeout":30`, `did you mean "30s"?`},
		{"route", `"prefix_rewrite":"a"`, `expected a path that starts with "/"`},
		{"route", `"host_rewrite":"a b"`, `without spaces`},
		{"route", `"retry_policy":{"num_retries":101}`, `from 0 to 100`},
		{"route", `"upstream_protocol":"tars"`, `the protocol tars is not available in this version; Http1, Http2, bolt and dubbo are`},
		{"route", `"upstream_protocol":"Http2,Http1"`, `expected one protocol`},
		{"route", `"upstream_protocol":"HTTP/2"`, `unknown protocol "HTTP/2"; did you mean "Http2"?`},
		{"route", `"retry_policy":{"retry_conditions":"5xx"}`, `expected an array, found the string "5xx"`},
		{"route", `"retry_policy":{"retry_conditions":["unavailble"]}`, `unknown retry condition "unavailble"; did you mean "unavailable"?`},
		{"route", `"retry_policy":{"retry_on":"5xx"}`, `conditions stand in a list: "retry_conditions": ["5xx", "unavailable"]`},
		{"proxy", `"upstream_protocol":"X","extend_config":{"sub_protocol":["Http2"]}`, `expected a string, found an array`},
		{"proxy", `"http2":{"initial_stream_window":0}`, `from 1 to 134217728, found the number 0`},
		{"proxy", `"http2":{"max_stream_window":134217729}`, `from 1 to 134217728, found the number 134217729`},
		{"proxy", `"http2":{"max_stream_window":65535}`, `it is smaller than initial_stream_window, which is 65536 where nothing is said`},
		{"proxy", `"http2":{"ping_interval":"-1s"}`, `not negative`},
		{"proxy", `"http2":{"ping_interval":"1ms"}`, `expected at least "100ms", or "off"; found the string "1ms"`},
		{"proxy", `"bolt":{"class_bytes":65535}`, `from 1 to 32767, found the number 65535`},
		{"proxy", `"bolt":{"max_concurrent_calls":4001}`, `from 1 to 4000, found the number 4001`},
		{"proxy", `"bolt":{"collect_bytes":16777217}`, `from 1 to 16777216`},
		{"proxy", `"extend_config":{"boltv2":{"enable_bolt_goaway":"yes"}}`, `found the string "yes"`},
		{"proxy", `"http2":[]`, `expected an object (http2)`},
		{"listener", `"stream_filters":[{"type":"transcoder","config":{}}]`, `"type" is missing: expected "httpTohttp2", "http2Tohttp" or "http2bolt_simple"`},
		{"listener", `"stream_filters":[{"type":"transcoder","config":{"type":5}}]`, `expected a string`},
		{"listener", `"stream_filters":[{"type":"transcoder","config":{"type":"http2bolt_simpel"}}]`, `unknown transcoder "http2bolt_simpel"; did you mean "http2bolt_simple"?`},
		{"listener", `"stream_filters":[{"type":"transcoder","config":{"rules":[1]}}]`, `give their route an upstream_protocol`},
		{"listener", `"stream_filters":[{"type":"grpc_web","config":5}]`, `expected an object`},
		{"listener", `"stream_filters":[{"type":7}]`, `expected a string`},
		{"clusters", `[{"name":"c","protocol":"tars","hosts":[{"address":"a:1"}]}]`, `the protocol tars is not available`},
		{"clusters", `[{"name":"c","max_concurrent_streams":0,"hosts":[{"address":"a:1"}]}]`, `from 1 to 2147483647`},
		{"clusters", `[{"name":"c","keepalive":{"timeout":"0s"},"hosts":[{"address":"a:1"}]}]`, `expected a duration above zero`},
		{"route", `"request_headers_to_remove":["Host"]`, `host_rewrite`},
		{"rule", `"redirect":{"host_redirect":"x"}`, `a route does one thing, this one has redirect and route`},
		{"clusters", `[{"name":"c","hosts":[{"address":":80"}]}]`, `did you mean "127.0.0.1:80"?`},
		{"clusters", `[{"name":"c","hosts":[{"address":"a:0"}]}]`, `a port from 1 to 65535`},
		{"clusters", `[{"name":"c","lb_type":"LB_MAGLEV","hosts":[{"address":"a:1"}]}]`, `"LB_MAGLEV" is not available`},
		{"clusters", `[{"name":"c","source_address":"eth0","hosts":[{"address":"a:1"}]}]`, `an IP address of this machine`},
		{"clusters", `[{"name":"c","dns_resolvers":{"port":"0"},"hosts":[{"address":"a:1"}]}]`, `a port from 1 to 65535`},
		{"server", `"default_log_path":"syslog"`, `syslog is not available`},
		{"server", `"processor":4096`, `from 0 to 1024`},
	} {
		_, problems, err := Parse("c.json", []byte(around(tc.key, tc.value)), testOptions())
		errs := 0
		for _, p := range problems {
			if p.Severity == config.Error {
				errs++
			}
		}
		if errs != 1 || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: want one error with %q, got\n%v", tc.key, tc.value, tc.want, err)
		}
	}
}

func TestStrict(t *testing.T) {
	doc := []byte(around("listener", `"adress":""`))
	_, problems, err := Parse("c.json", doc, testOptions())
	if err != nil || len(problems) != 1 || problems[0].Severity != config.Warning {
		t.Errorf("not strict: %v, %v", problems, err)
	}
	o := testOptions()
	o.Strict = true
	if _, _, err := Parse("c.json", doc, o); err == nil || !strings.Contains(err.Error(), `did you mean "address"?`) {
		t.Errorf("strict: %v", err)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	doc := []byte(around("listener", `"access_logs":[`+strings.Repeat("1,", 3*maxProblems)+`1]`))
	_, problems, err := Parse("c.json", doc, testOptions())
	if err == nil || len(problems) != maxProblems+1 {
		t.Fatalf("%d problems, %v", len(problems), err)
	}
	if last := problems[maxProblems].Message; last != fmt.Sprintf("and %d more problems", 2*maxProblems+1) {
		t.Errorf("the last problem is %q", last)
	}
}

func TestDirectories(t *testing.T) {
	o := testOptions()
	o.ReadDir = func(path string) ([]Document, error) {
		switch path {
		case "clusters":
			return []Document{
				{Name: "clusters/a.json", Data: []byte(`{"name":"a","hosts":[{"address":"127.0.0.1:80"}]}`)},
				{Name: "clusters/b.yaml", Data: []byte("name: b\nhosts:\n- address: 127.0.0.1:81\n")},
			}, nil
		case "routers":
			return []Document{{Name: "routers/v.json", Data: []byte(
				`{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"b"}}]}`)}}, nil
		}
		return nil, fmt.Errorf("no such directory")
	}
	parse := func(clusters, routers string) (*config.Config, error) {
		c, _, err := Parse("c.json", fmt.Appendf(nil, `{"servers":[{"routers":[{"router_config_name":"r","router_configs":%q}]}],`+
			`"cluster_manager":{"clusters_configs":%q}}`, routers, clusters), o)
		return c, err
	}
	c, err := parse("clusters", "routers")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Clusters) != 2 || c.Clusters[1].Hosts[0].Origin != "clusters/b.yaml:3:3" || len(c.Routers[0].VirtualHosts) != 1 {
		t.Errorf("got %+v", c)
	}
	if _, err := parse("elsewhere", "routers"); err == nil || !strings.Contains(err.Error(), `"elsewhere" can't be read: no such directory`) {
		t.Errorf("an absent directory: %v", err)
	}
}

// The default ReadDir looks beside the configuration as well.
func TestDirectoryBesideTheFile(t *testing.T) {
	docs, err := readDir("mistakes", "testdata")
	if err != nil || len(docs) == 0 || !strings.HasPrefix(docs[0].Name, "testdata/mistakes/") {
		t.Errorf("%v, %v", docs, err)
	}
	if _, err := readDir("absent", "testdata"); err == nil {
		t.Error("an absent directory is read")
	}
}

func TestDocumentHidesSecrets(t *testing.T) {
	const doc = `{"servers":[],"a":{"private_key":"path/or/PEM","Password":"p","api-key":7,"auth_token":["x"],"cert_chain":"public",` +
		`"inline":"-----BEGIN RSA PRIVATE KEY-----\nabc"},"h":[{"header":{"key":"Authorization","value":"Bearer 1"}},` +
		`{"header":{"key":"X-Plain","value":"<v>"}},{"name":"Cookie","value":"s=1"}],"n":[1e3,null,true,{}]}`
	src := &source{file: "c.json", text: doc}
	root, err := parseJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	got := string(redacted(root))
	want := strings.NewReplacer(
		`"path/or/PEM"`, `"***REDACTED***"`, `"p"`, `"***REDACTED***"`, `7`, `"***REDACTED***"`, `["x"]`, `["***REDACTED***"]`,
		`"-----BEGIN RSA PRIVATE KEY-----\nabc"`, `"***REDACTED***"`, `"Bearer 1"`, `"***REDACTED***"`, `"s=1"`, `"***REDACTED***"`,
	).Replace(doc)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
