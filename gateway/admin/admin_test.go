package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/telemetry/accesslog"
	"sluice/gateway/telemetry/logging"
	"sluice/gateway/telemetry/metrics"
)

// A fakeGateway is what the admin API shows.
type fakeGateway struct {
	state  int
	why    string
	config *ConfigDump
}

func (g *fakeGateway) State() (int, string)  { return g.state, "running" }
func (g *fakeGateway) Ready() (bool, string) { return g.why == "", g.why }
func (g *fakeGateway) Config() *ConfigDump   { return g.config }

type fixture struct {
	*Server
	gateway   *fakeGateway
	logs      *logging.Manager
	access    *accesslog.Manager
	logPath   string
	accessLog string
	registry  *metrics.Registry
	shard     *metrics.Shard
	options   Options
}

const document = `{"Servers":[{"Listeners":[{"Name":"in","address":"127.0.0.1:1"},{"address":"127.0.0.1:2"}],
"routers":[{"router_config_name":"r<1>"}]}],"cluster_manager":{"clusters":[{"name":"c","tls_context":{"private_key":"***REDACTED***"}}]},
"extends":[{"type":"x"}]}`

func setup(t *testing.T) *fixture {
	t.Helper()
	dump, err := NewConfigDump([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := &fixture{gateway: &fakeGateway{state: 6, config: dump}, logs: logging.NewManager(logging.Options{}),
		logPath: filepath.Join(dir, "a.log"), accessLog: filepath.Join(dir, "access.log"), registry: metrics.NewRegistry()}
	log, err := f.logs.Open(f.logPath, slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	f.access = accesslog.NewManager(log)
	if _, err := f.access.Open(f.accessLog); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.logs.Close(time.Minute)
		if err := f.access.Close(time.Minute); err != nil {
			t.Error(err)
		}
	})
	f.shard = f.registry.NewShard(func(g func()) bool { g(); return true })
	f.options = Options{Version: "1.2.3", Gateway: f.gateway, Logs: f.logs, AccessLogs: f.access, Registry: f.registry, Log: log}
	f.Server = New(f.options)
	return f
}

// ask sends one request; fields are names and values of the head.
func (f *fixture) ask(method, target, body string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func (f *fixture) expect(t *testing.T, method, target, body string, status int, want string) {
	t.Helper()
	w := f.ask(method, target, body)
	if w.Code != status || w.Body.String() != want {
		t.Errorf("%s %s: %d %q, want %d %q", method, target, w.Code, w.Body, status, want)
	}
}

func TestPlainAnswers(t *testing.T) {
	f := setup(t)
	f.expect(t, "GET", "/api/v1/version", "", 200, "mosn version: 1.2.3")
	f.expect(t, "POST", "/api/v1/version", "", 200, "mosn version: 1.2.3")
	f.expect(t, "GET", "/api/v1/states", "", 200, fmt.Sprintf("pid=%d&state=6\n", os.Getpid()))
	f.expect(t, "GET", "/healthz", "", 200, "ok\n")
	f.expect(t, "GET", "/ready", "", 200, "ok\n")
	f.gateway.why = "draining"
	f.expect(t, "GET", "/ready", "", 503, "draining\n")
	f.expect(t, "GET", "/healthz", "", 200, "ok\n")
	if w := f.ask("HEAD", "/healthz", ""); w.Code != 200 {
		t.Errorf("HEAD /healthz: %d", w.Code)
	}
}

func TestTheListAndWhatIsNotOnIt(t *testing.T) {
	f := setup(t)
	w := f.ask("GET", "/", "")
	list := w.Body.String()
	if w.Code != 200 || !strings.HasPrefix(list, "supported APIs:\n/") {
		t.Errorf("GET /: %d %q", w.Code, list)
	}
	for _, path := range []string{"/api/v1/version", "/api/v1/config_dump", "/api/v1/stats", "/api/v1/states",
		"/api/v1/update_loglevel", "/api/v1/get_loglevel", "/api/v1/enable_log", "/api/v1/disable_log", "/metrics",
		"/debug/pprof/", "/ready", "/healthz"} {
		if !strings.Contains(list, "\n"+path+"\n") {
			t.Errorf("%s is not on the list", path)
		}
	}
	for _, path := range []string{"/nothing", "/api/v1/", "/api/v1/stats/", "/readyy", "//", "/debug/pprofx"} {
		w := f.ask("GET", path, "")
		if w.Code != 404 || !strings.Contains(w.Body.String(), list) || !strings.Contains(w.Body.String(), path) {
			t.Errorf("GET %s: %d %q, want 404 and the list", path, w.Code, w.Body)
		}
	}
	if w := f.ask("GET", "/%0a%1b[31m", ""); strings.ContainsAny(w.Body.String(), "\x1b") {
		t.Errorf("a path is shown as it came: %q", w.Body)
	}
}

func TestWrongMethods(t *testing.T) {
	f := setup(t)
	for _, c := range []struct{ method, path, allow, usage string }{
		{"POST", "/api/v1/states", "GET, HEAD", "GET /api/v1/states"},
		{"DELETE", "/api/v1/config_dump", "GET, HEAD", "?router=NAME"},
		{"GET", "/api/v1/update_loglevel", "POST", "log_level"},
		{"HEAD", "/api/v1/enable_log", "POST", "the path of a log"},
		{"PUT", "/api/v1/disbale_log", "POST", "the path of a log"},
		{"POST", "/ready", "GET, HEAD", "GET /ready"},
		{"POST", "/metrics", "GET, HEAD", "GET /metrics"},
		{"POST", "/debug/pprof/heap", "GET, HEAD", "/debug/pprof/"},
	} {
		w := f.ask(c.method, c.path, "")
		if w.Code != 405 || w.Header().Get("Allow") != c.allow || !strings.Contains(w.Body.String(), c.usage) ||
			strings.Count(w.Body.String(), "\n") != 1 {
			t.Errorf("%s %s: %d, Allow %q, %q", c.method, c.path, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

func TestConfigDump(t *testing.T) {
	f := setup(t)
	get := func(query string) string {
		w := f.ask("GET", "/api/v1/config_dump"+query, "")
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		return w.Body.String()
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal([]byte(get("")), &whole); err != nil {
		t.Fatal(err)
	}
	if keys := slices.Sorted(maps.Keys(whole)); fmt.Sprint(keys) != "[cluster extends listener mosn_config routers]" {
		t.Errorf("keys %v", keys)
	}
	for query, want := range map[string]string{
		"?mosnconfig":               document,
		"?allrouters":               `{"r<1>":{"router_config_name":"r<1>"}}`,
		"?allclusters":              `{"c":{"name":"c","tls_context":{"private_key":"***REDACTED***"}}}`,
		"?alllisteners":             `{"127.0.0.1:2":{"address":"127.0.0.1:2"},"in":{"Name":"in","address":"127.0.0.1:1"}}`,
		"?router=r%3C1%3E":          `{"router_config_name":"r<1>"}`,
		"?cluster=c":                `{"name":"c","tls_context":{"private_key":"***REDACTED***"}}`,
		"?listener=in":              `{"Name":"in","address":"127.0.0.1:1"}`,
		"?listener=127.0.0.1%3A2":   `{"address":"127.0.0.1:2"}`,
		"?listener=in&listener=zzz": `{"Name":"in","address":"127.0.0.1:1"}`,
	} {
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(want), "", " "); err != nil {
			t.Fatal(err)
		}
		if got := get(query); got != indented.String()+"\n" {
			t.Errorf("%s: %s, want %s", query, got, indented.String())
		}
	}
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"?router=x&cluster=y": {400, `"error":"only support one parameter"`},
		"?listener=x":         {404, `[\"127.0.0.1:2\" \"in\"]`},
		"?router":             {404, `r<1>`},
		"?allrooters":         {400, "allrouters"},
	} {
		w := f.ask("GET", "/api/v1/config_dump"+query, "")
		body := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(w.Body.String())
		if w.Code != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s: %d %s, want %d with %s", query, w.Code, body, want.status, want.text)
		}
	}
	if _, err := NewConfigDump([]byte("{")); err == nil {
		t.Error("a document that is no JSON should be refused")
	}
	if d, err := NewConfigDump([]byte(`{"servers":[{"listeners":[5]}]}`)); err != nil || len(d.Listeners) != 1 {
		t.Errorf("a part that is no object: %v, %v", d, err)
	}
}

func TestLogLevels(t *testing.T) {
	f := setup(t)
	f.expect(t, "GET", "/api/v1/get_loglevel", "", 200, fmt.Sprintf(`{%q:"INFO"}`, f.logPath))
	body := fmt.Sprintf(`{"log_path":%q,"log_level":"debug"}`, f.logPath)
	f.expect(t, "POST", "/api/v1/update_loglevel", body, 200, "update logger success\n")
	f.expect(t, "GET", "/api/v1/get_loglevel", "", 200, fmt.Sprintf(`{%q:"DEBUG"}`, f.logPath))
	for body, want := range map[string]string{
		"": "EOF", "{": "unexpected EOF", "[]": "log_path", `{"log_path":"x"}`: "log_path", body + "{}": "log_path",
		`{"log_path":"/nowhere","log_level":"INFO"}`:                     f.logPath,
		fmt.Sprintf(`{"log_path":%q,"log_level":"loud"}`, f.logPath):     "TRACE, DEBUG",
		fmt.Sprintf(`{"log_path":%q,"log_levle":"INFO"}`, f.logPath):     "log_levle",
		`{"log_path":"` + strings.Repeat("x", 2000) + `","log_level":5}`: "log_level",
	} {
		w := f.ask("POST", "/api/v1/update_loglevel", body)
		var got struct{ Error, Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%q: %v in %q", body, err, w.Body)
		}
		if w.Code != 400 || got.Error != "update logger failed" || !strings.Contains(got.Detail, want) {
			t.Errorf("%q: %d %+v, want 400 with %q", body, w.Code, got, want)
		}
	}
	if w := f.ask("POST", "/api/v1/update_loglevel", strings.Repeat(" ", maxBody+1)); w.Code != 413 {
		t.Errorf("a body over the limit: %d, want 413", w.Code)
	}
}

func TestLogsAreSwitched(t *testing.T) {
	f := setup(t)
	file, err := f.access.Open(f.accessLog)
	if err != nil {
		t.Fatal(err)
	}
	access := (&accesslog.Buffers{}).Buffer(file)
	enabled := func(path string) bool {
		if path == f.accessLog {
			return access.Enabled()
		}
		return f.options.Log.Enabled(t.Context(), slog.LevelError)
	}
	for _, path := range []string{f.logPath, f.accessLog} {
		for _, c := range []struct {
			api, answer string
			want        bool
		}{
			{"disable_log", "disable logger success\n", false}, {"enable_log", "enable logger success\n", true},
			{"disbale_log", "disable logger success\n", false}, {"enable_log", "enable logger success\n", true},
		} {
			f.expect(t, "POST", "/api/v1/"+c.api, path+"\n", 200, c.answer)
			if enabled(path) != c.want {
				t.Errorf("after %s %s is enabled: %v", c.api, path, !c.want)
			}
		}
	}
	for _, body := range []string{"", " \n", "/nowhere"} {
		w := f.ask("POST", "/api/v1/disable_log", body)
		if w.Code != 400 || !strings.Contains(w.Body.String(), `{"error":"disable logger failed","detail":"`) {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestMetricsAndProfiles(t *testing.T) {
	f := setup(t)
	f.shard.Inc(metrics.NewSet(f.registry).Listener("in").Requests)
	w := f.ask("GET", "/metrics", "")
	for _, line := range []string{`sluice_downstream_requests_total{listener="in"} 1`, "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(w.Body.String(), "\n"+line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	for path, want := range map[string]string{
		"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/cmdline": os.Args[0], "/debug/pprof/symbol": "num_symbols",
	} {
		if w := f.ask("GET", path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %.100s", path, w.Code, w.Body)
		}
	}
	for _, seconds := range []string{"x", "-1", "301", "NaN"} {
		if w := f.ask("GET", "/debug/pprof/profile?seconds="+seconds, ""); w.Code != 400 || !strings.Contains(w.Body.String(), "300") {
			t.Errorf("seconds=%s: %d %s", seconds, w.Code, w.Body)
		}
	}
	w = f.ask("GET", "/debug/pprof/trace?seconds=0.01", "", "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 {
		t.Errorf("a profile started by another site: %d, want 403", w.Code)
	}
}

func TestServersForOnePurpose(t *testing.T) {
	f := setup(t)
	f.Server = NewMetrics(f.options, "/m", metrics.HandlerOptions{})
	if w := f.ask("GET", "/m", ""); w.Code != 200 || strings.Contains(w.Body.String(), "go_goroutines") {
		t.Errorf("/m: %d", w.Code)
	}
	if w := f.ask("GET", "/api/v1/states", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "/m\n") {
		t.Errorf("/api/v1/states: %d %s", w.Code, w.Body)
	}
	f.Server = NewMetrics(f.options, "", metrics.HandlerOptions{})
	if w := f.ask("GET", "/metrics", ""); w.Code != 200 {
		t.Errorf("/metrics: %d", w.Code)
	}
	f.Server = NewPprof(f.options)
	if w := f.ask("GET", "/debug/pprof/", ""); w.Code != 200 {
		t.Errorf("/debug/pprof/: %d", w.Code)
	}
}

func TestAnotherOriginChangesNothing(t *testing.T) {
	f := setup(t)
	post := func(fields ...string) int {
		return f.ask("POST", "http://127.0.0.1:34901/api/v1/enable_log", f.logPath, fields...).Code
	}
	for _, c := range []struct {
		fields []string
		want   int
	}{
		{nil, 200},
		{[]string{"Origin", "http://127.0.0.1:34901"}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		if got := post(c.fields...); got != c.want {
			t.Errorf("%q: %d, want %d", c.fields, got, c.want)
		}
	}
	if w := f.ask("GET", "/api/v1/states", "", "Origin", "http://evil.example"); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("GET from another origin: %d, %v", w.Code, w.Header())
	}
}

func TestMeansLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "127.0.0.1": true, "127.0.0.1:34901": true, "[::1]:34901": true, "[::1]": true, "localhost:1": true,
		"LOCALHOST.": true, "a.localhost": true, "10.0.0.1:1": true,
		"evil.example": false, "evil.example:34901": false, "localhost.evil.example": false, "127.0.0.1.evil.example:1": false,
	} {
		if got := meansLoopback(host); got != want {
			t.Errorf("meansLoopback(%q) = %v, want %v", host, got, want)
		}
	}
}

// readAll sends a request over a connection.
func readAll(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
