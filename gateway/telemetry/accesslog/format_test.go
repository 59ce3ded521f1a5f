package accesslog

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/loop"
	"sluice/protocols"
)

// request returns a decoded request head, as a codec makes it.
func request(method, target string, fields ...string) *protocols.Header {
	h := &protocols.Header{}
	h.Lend(nil)
	h.Proto = protocols.ProtocolHTTP1
	h.SetMethod([]byte(method))
	h.SetPath([]byte(target))
	h.SetScheme([]byte("http"))
	h.SetAuthority([]byte("shop.example:80"))
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	return h
}

func sample() *Record {
	response := &protocols.Header{Status: 200}
	response.AddString("Content-Type", "text/plain")
	return &Record{
		Start:            time.Date(2026, 1, 2, 3, 4, 5, 67_000_000, time.UTC),
		RequestReceived:  150 * time.Microsecond,
		RequestFinished:  200 * time.Microsecond,
		ResponseReceived: 1500 * time.Microsecond,
		Duration:         2 * time.Millisecond,
		Process:          300 * time.Microsecond,
		BytesReceived:    12,
		BytesSent:        3456,
		Protocol:         "Http1",
		Request: request("POST", "/new?a=1&b=%20x", "User-Agent", "curl/8", "Cookie", "sid=42; theme=dark",
			"X-Shop", "eu"),
		OriginalPath:         []byte("/old?a=1&b=%20x"),
		Response:             response,
		ResponseCode:         200,
		Listener:             "serverListener",
		ServerName:           "shop.example",
		ListenerType:         "ingress",
		VirtualHost:          "shop",
		Cluster:              "backend",
		UpstreamHost:         "backend-1",
		DownstreamLocal:      tcp("127.0.0.1:2046"),
		DownstreamRemote:     tcp("[2001:db8::1]:50000"),
		UpstreamLocal:        tcp("127.0.0.1:41000"),
		UpstreamRemote:       tcp("127.0.0.1:8080"),
		ConnectionID:         7,
		UpstreamConnectionID: 9,
		StreamID:             3,
		RequestID:            []byte("0f1e"),
		Attempts:             2,
	}
}

func tcp(s string) loop.Addr { return loop.Addr{AddrPort: netip.MustParseAddrPort(s)} }

func TestDefaultFormat(t *testing.T) {
	f, warnings := Compile("")
	if len(warnings) > 0 {
		t.Error(warnings)
	}
	got := string(f.Append(nil, sample()))
	want := "2026/01/02 03:04:05.067 0f1e  7 9 150µs 1.5ms 3456 12 Http1 200 2ms - 200 127.0.0.1:41000 127.0.0.1:2046 " +
		"[2001:db8::1]:50000 backend-1\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestEveryVariable(t *testing.T) {
	want := map[string]string{
		"start_time": "2026/01/02 03:04:05.067", "request_received_duration": "150µs", "request_finished_duration": "200µs",
		"response_received_duration": "1.5ms", "process_time_duration": "300µs", "duration": "2ms", "bytes_sent": "3456",
		"bytes_received": "12", "protocol": "Http1", "response_code": "200", "response_flag": "-", "response_flags": "-",
		"reason": "-", "upstream_transport_failure_reason": "-", "upstream_local_address": "127.0.0.1:41000",
		"upstream_remote_address": "127.0.0.1:8080", "downstream_local_address": "127.0.0.1:2046",
		"downstream_remote_address": "[2001:db8::1]:50000", "upstream_host": "backend-1", "upstream_cluster": "backend",
		"virtual_host": "shop", "attempts": "2", "connection_id": "7", "upstream_connection_id": "9", "stream_id": "3",
		"requested_server_name": "shop.example", "listener_name": "serverListener", "listener_type": "ingress", "listener_port": "2046", "request_id": "0f1e",
		"trace_id": "0f1e", "authority": "shop.example:80", "x-mosn-host": "shop.example:80", "x-mosn-path": "/new",
		"x-mosn-path-original": "/old", "x-mosn-querystring": "a=1&b=%20x", "x-mosn-method": "POST", "x-mosn-scheme": "http",
		"x-mosn-status": "200", "request_scheme": "http", "request_method": "POST", "request_length": "12",
		"request_uri": "/new?a=1&b=%20x", "request_path": "/new", "request_path_original": "/old", "request_arg": "a=1&b=%20x",
		"http1_request_scheme": "http", "http1_request_method": "POST", "http1_request_length": "12",
		"http1_request_uri": "/new?a=1&b=%20x", "http1_request_path": "/new", "http1_request_path_original": "/old",
		"http1_request_arg": "a=1&b=%20x", "http2_request_scheme": "-", "request_class": "-", "response_class": "-", "bolt_status": "-",
		"x-mosn-rpc-service": "-", "x-mosn-rpc-method": "-",

		"request_header_user-agent": "curl/8", "Request_Header_X-SHOP": "eu", "request_header_none": "-",
		"response_header_content-type": "text/plain", "request_arg_b": "%20x", "request_arg_c": "-", "cookie_theme": "dark",
		"Http1_cookie_sid": "42", "Http1_cookie_si": "-", "Http1_request_header_user-agent": "curl/8",
		"Http1_request_arg_a": "1", "Http2_request_header_user-agent": "-", "Http2_cookie_sid": "-",
	}
	for _, v := range variables {
		if _, ok := want[v.name]; !ok {
			t.Errorf("%s is not tested", v.name)
		}
	}
	empty := &Record{}
	for name, value := range want {
		f, warnings := Compile("[%" + name + "%]")
		if len(warnings) > 0 {
			t.Errorf("%s: %v", name, warnings)
		}
		if got := string(f.Append(nil, sample())); got != "["+value+"]\n" {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
		f.Append(nil, empty) // must not panic where nothing is known
	}
}

func TestReasons(t *testing.T) {
	r := sample()
	r.Reason = protocols.ReasonConnectTimeout
	for text, want := range map[string]string{
		"%response_flag%": "connect_timeout\n", "%reason%": "connect_timeout\n",
		"%upstream_transport_failure_reason%": "connect_timeout\n",
	} {
		f, _ := Compile(text)
		if got := string(f.Append(nil, r)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestPercentSigns(t *testing.T) {
	for text, want := range map[string]string{
		`100\% of %protocol%`: "100% of Http1\n", `100%% of %protocol%`: "100% of Http1\n", "": DefaultFormat, "json": "{",
		"plain": "plain\n", `\%protocol\%`: "%protocol%\n",
	} {
		f, warnings := Compile(text)
		if len(warnings) > 0 {
			t.Errorf("%q: %v", text, warnings)
		}
		if got := string(f.Append(nil, sample())); text != "" && text != "json" && got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestUnknownVariablesWarnWithTheNearest(t *testing.T) {
	for text, nearest := range map[string]string{
		"%responsecode%": "%response_code%", "%protocl% x": "%protocol%", "%request_headers_host%": "%request_header_NAME%",
		"%upstream_hots%": "%upstream_host%", "%request_header_%": "%request_header_NAME%",
		"%x-mosn-direction%": "has no value", "50% of": "no partner", "a %protocol% b %": "no partner",
	} {
		f, warnings := Compile(text)
		if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), nearest) {
			t.Errorf("%q: warnings %v, want one that names %s", text, warnings, nearest)
		}
		if got := string(f.Append(nil, sample())); !strings.Contains(got, "-") && !strings.Contains(nearest, "partner") {
			t.Errorf("%q gives %q, want a -", text, got)
		}
	}
}

func TestAValueCanNotForgeALine(t *testing.T) {
	r := sample()
	r.Request = request("GET", "/", "X-Evil", "a\"b\\c\r\n2026/01/01 fake\x1b[31m\x7fé")
	f, _ := Compile(`"%request_header_x-evil%"`)
	want := `"a\x22b\x5cc\x0d\x0a2026/01/01 fake\x1b[31m\x7f\xc3\xa9"` + "\n"
	if got := string(f.Append(nil, r)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}

	r.Request = request("GET", "/", "X-Evil", strings.Repeat("\n", 100_000))
	if n := len(f.Append(nil, r)); n > 4*maxValue+16 {
		t.Errorf("a value of 100 000 bytes makes a line of %d", n)
	}
}

func TestHeaderValues(t *testing.T) {
	r := sample()
	r.Request = request("GET", "/", "X-Evil", "é\r\nSet-Cookie: a=b\x00\"")
	f, warnings := CompileValue("v=%request_header_x-evil%;%request_header_none%;%request_header_user-agent%")
	if len(warnings) > 0 || f.Constant() {
		t.Errorf("warnings %v, constant %v", warnings, f.Constant())
	}
	if got, want := string(f.AppendValue(nil, r)), "v=é  Set-Cookie: a=b \";;"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, text := range []string{"", "json", "plain"} {
		f, warnings := CompileValue(text)
		if got := string(f.AppendValue(nil, r)); got != text || !f.Constant() || len(warnings) > 0 {
			t.Errorf("CompileValue(%q) gives %q, constant %v, %v", text, got, f.Constant(), warnings)
		}
	}
}

func TestJSON(t *testing.T) {
	f, _ := Compile("json")
	r := sample()
	r.Reason = protocols.ReasonUpstreamCut
	r.OriginalPath = []byte("/\"\\\x01\n\u0085\u00e9\xff\u4e16\xe4\xb8")
	line := f.Append(nil, r)
	if strings.Count(string(line), "\n") != 1 {
		t.Errorf("not one line: %q", line)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for key, want := range map[string]any{
		"start_time": "2026-01-02T03:04:05.067Z", "protocol": "Http1", "method": "POST", "scheme": "http",
		"authority": "shop.example:80", "path": "/new?a=1&b=%20x", "original_path": "/\"\\\x01\n\u0085\u00e9\ufffd\u4e16\ufffd\ufffd",
		"response_code": 200.0, "reason": "upstream_cut", "bytes_received": 12.0, "bytes_sent": 3456.0,
		"duration_ms": 2.0, "request_received_ms": 0.15, "request_finished_ms": 0.2, "response_received_ms": 1.5,
		"process_ms": 0.3, "listener": "serverListener", "server_name": "shop.example", "virtual_host": "shop", "upstream_cluster": "backend",
		"upstream_host": "backend-1", "upstream_remote_address": "127.0.0.1:8080",
		"upstream_local_address": "127.0.0.1:41000", "downstream_remote_address": "[2001:db8::1]:50000",
		"downstream_local_address": "127.0.0.1:2046", "attempts": 2.0, "connection_id": 7.0,
		"upstream_connection_id": 9.0, "stream_id": 3.0, "request_id": "0f1e",
	} {
		if got[key] != want {
			t.Errorf("%s is %#v, want %#v", key, got[key], want)
		}
		delete(got, key)
	}
	for key, value := range got {
		t.Errorf("%s is %v and is not tested", key, value)
	}
	if err := json.Unmarshal(f.Append(nil, &Record{}), &got); err != nil {
		t.Errorf("an empty record: %v", err)
	}
	r.DownstreamRemote = loop.Addr{Path: "/run/a\"b"}
	if err := json.Unmarshal(f.Append(nil, r), &got); err != nil || got["downstream_remote_address"] != "unix:/run/a\"b" {
		t.Errorf("a unix socket: %v, %v", err, got["downstream_remote_address"])
	}
}

func TestTimeAndDigits(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(1999, 1, 1, 0, 0, 0, 0, time.FixedZone("x", -3600)),
	} {
		if got, want := string(appendTime(nil, at)), at.Format("2006/01/02 15:04:05.000"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzCompileAndAppend(f *testing.F) {
	f.Add(DefaultFormat, "value")
	f.Add(`%%\%%request_header_x%`, "a\r\nb")
	f.Fuzz(func(t *testing.T, text, value string) {
		r := sample()
		r.Request.AddString("x", value)
		r.OriginalPath = []byte(value)
		format, _ := Compile(text)
		line := format.Append(nil, r)
		if line[len(line)-1] != '\n' || strings.Count(string(line), "\n") > 1+strings.Count(text, "\n") {
			t.Errorf("%q with %q is not one line: %q", text, value, line)
		}
		if format.json {
			return
		}
		if v := format.AppendValue(nil, r); strings.ContainsAny(string(v), "\r\n\x00") {
			t.Errorf("%q with %q is no header value: %q", text, value, v)
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add("/a\"\xff")
	f.Fuzz(func(t *testing.T, value string) {
		r := sample()
		r.OriginalPath = []byte(value)
		line := appendJSON(nil, r)
		if !json.Valid(line) {
			t.Errorf("%q gives %s", value, line)
		}
	})
}
