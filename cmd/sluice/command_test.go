package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/gateway/config"
)

// writeFile writes text to a file of the test's own and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// small is a configuration that serves; %s is further text in its server.
const small = `{"servers":[{"default_log_path":"stderr",%s
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],
  "routers":[{"match":{"prefix":"/"},"route":{"cluster_name":"c"}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:2045","bind_port":true,"filter_chains":[{"filters":[
  {"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"r"}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_RANDOM","hosts":[{"address":"127.0.0.1:9"}]}]}}`

// expect runs one command line and checks its exit code and, each in either stream, some words.
func (b *bench) expect(t *testing.T, code int, line []string, words ...string) {
	t.Helper()
	b.out.Reset()
	b.errs.Reset()
	got := b.run(line)
	text := b.out.String() + b.errs.String()
	if got != code {
		t.Errorf("sluice %s: exit code %d, want %d\n%s", strings.Join(line, " "), got, code, text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("sluice %s: %q is missing from\n%s", strings.Join(line, " "), word, text)
		}
	}
}

func TestUsage(t *testing.T) {
	b := newBench(t)
	b.expect(t, exitOK, nil, "sluice start", "sluice proxy --listen")
	b.expect(t, exitOK, []string{"--help"}, "Available Commands")
	b.expect(t, exitOK, []string{"-v"}, "sluice version: ")
	b.expect(t, exitOK, []string{"version"}, "sluice version: ", "go1.")
	b.expect(t, exitUsage, []string{"strat"}, `did you mean "start"?`)
	b.expect(t, exitUsage, []string{"nothing-like-it"}, "sluice --help")
	b.expect(t, exitUsage, []string{"start", "word"}, "takes no argument")
	b.expect(t, exitUsage, []string{"start", writeFile(t, "c.json", "{}")}, "`sluice start -c ", "c.json`")
	b.expect(t, exitUsage, []string{"start", "--confg", "x"}, "unknown flag", "did you mean --config?", "`sluice start --help`")
	b.expect(t, exitUsage, []string{"start", "--nothing-like-it", "x"}, "unknown flag", "`sluice start --help`")
	b.expect(t, exitUsage, []string{"start", "--log-level", "loud"}, "--log-level: unknown level \"loud\"; known are")
	b.expect(t, exitUsage, []string{"start", "--drain-time-s", "-1"}, "--drain-time-s")
	b.expect(t, exitUsage, []string{"start", "--drain-time-s", "1m"}, `--drain-time-s: expected a whole number, not "1m"`)
	b.expect(t, exitUsage, []string{"start", "--strict=maybe"}, `--strict: expected true or false, not "maybe"`)
	b.expect(t, exitUsage, []string{"proxy", "--drain-time", "30"}, `--drain-time: expected a time such as 30s or 5m, not "30"`)
	b.expect(t, exitUsage, []string{"check"}, "which file")
	b.expect(t, exitUsage, []string{"stop", "--pid", "1", "-c", "x"}, "give one")
	b.expect(t, exitUsage, []string{"stop", "--pid", "-1"}, "not the number of a process")
	b.expect(t, exitUsage, []string{"completion"}, "which shell")
	b.expect(t, exitUsage, []string{"completion", "csh"}, "bash, zsh, fish")
	for shell, word := range map[string]string{"bash": "__start_sluice", "zsh": "#compdef sluice", "fish": "complete -c sluice", "powershell": "Register-ArgumentCompleter"} {
		b.expect(t, exitOK, []string{"completion", shell}, word)
	}
}

func TestHelpTeachesByExample(t *testing.T) {
	for _, cmd := range newRoot(&newBench(t).app).Commands() {
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s: its help has no example", cmd.Name())
		}
	}
}

func TestStart(t *testing.T) {
	b := newBench(t)
	b.signal <- syscall.SIGINT
	b.env["POD_NAME"] = "p"
	b.env["LOG_LEVEL"] = "debug"
	file := writeFile(t, "c.json", fmt.Sprintf(small, `"future_key":1,`))
	b.expect(t, exitOK, []string{"start", "-c", file, "-sm", "a=b", "-l", "error", "--concurrency", "2"})
	if b.cfg == nil || len(b.cfg.Listeners) != 1 || b.cfg.Listeners[0].Address.String() != "127.0.0.1:2045" {
		t.Fatalf("opened with %+v", b.cfg)
	}
	if l := b.options.LogLevel; l == nil || l.String() != "ERROR" { // the flag wins over the environment
		t.Errorf("level %v, want ERROR", l)
	}
	log := b.gateway.text()
	for _, word := range []string{"--service-meta", "--concurrency", "POD_NAME", "future_key"} {
		if n := strings.Count(log, word); n != 1 {
			t.Errorf("%s is named %d times, want once:\n%s", word, n, log)
		}
	}
	left, err := filepath.Glob(filepath.Join(b.runDir, "*.pid"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestStartFromEnvironment(t *testing.T) {
	b := newBench(t)
	b.signal <- syscall.SIGINT
	b.env["MOSN_CONFIG"] = writeFile(t, "c.json", fmt.Sprintf(small, ""))
	b.env["LOG_LEVEL"] = "off"
	b.expect(t, exitOK, []string{"start"})
	if b.cfg == nil || b.cfg.Source != b.env["MOSN_CONFIG"] {
		t.Errorf("opened with %+v", b.cfg)
	}
	if l := b.options.LogLevel; l == nil || *l != levelOff {
		t.Errorf("level %v, want off", l)
	}
	b.env["LOG_LEVEL"] = "loud"
	b.expect(t, exitUsage, []string{"start"}, `environment variable LOG_LEVEL, as --log-level: unknown level "loud"`)
}

func TestDrainTime(t *testing.T) {
	file := writeFile(t, "c.json", fmt.Sprintf(small, `"graceful_timeout":"7s",`))
	for _, c := range []struct {
		args []string
		want time.Duration
	}{
		{[]string{"-c", file}, 7 * time.Second},
		{[]string{"-c", writeFile(t, "d.json", fmt.Sprintf(small, ""))}, 600 * time.Second}, // MOSN's
		{[]string{"-c", file, "--drain-time-s", "3"}, 3 * time.Second},
		{[]string{"-c", file, "--drain-time-s", "600"}, 600 * time.Second}, // given, even though it is the default
	} {
		b := newBench(t)
		b.signal <- syscall.SIGTERM
		b.gateway.drained <- nil
		b.expect(t, exitOK, append([]string{"start"}, c.args...))
		if got := b.gateway.calls[len(b.gateway.calls)-1]; got != "drain "+c.want.String() {
			t.Errorf("%v: %s, want drain %s", c.args, got, c.want)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	b := newBench(t)
	bad := writeFile(t, "bad.json", strings.Replace(fmt.Sprintf(small, ""), `"cluster_name":"c"`, `"cluster_name":"d"`, 1))
	b.expect(t, exitFailed, []string{"start", "-c", bad}, "bad.json:3:", `"d"`, "1 mistake; nothing was started")
	unknown := writeFile(t, "unknown.json", fmt.Sprintf(small, `"future_key":1,`))
	b.expect(t, exitFailed, []string{"start", "--strict", "-c", unknown}, "future_key", "1 mistake")
	b.expect(t, exitFailed, []string{"start", "-c", filepath.Join(t.TempDir(), "none.json")}, "none.json")
	if len(b.gateway.calls) != 0 {
		t.Errorf("the gateway was touched: %v", b.gateway.calls)
	}

	good := writeFile(t, "good.json", fmt.Sprintf(small, ""))
	b.openErr = errors.New("/var/log/x: permission denied")
	b.expect(t, exitFailed, []string{"start", "-c", good}, "permission denied")
	b.openErr = nil
	b.gateway.startErr = errors.New("listener l: 127.0.0.1:2045: address in use")
	b.expect(t, exitFailed, []string{"start", "-c", good}, "address in use")
	if got := strings.Join(b.gateway.calls, ", "); got != "start, stop" {
		t.Errorf("calls %s, want start, stop", got)
	}
}

func TestSecondInstance(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "s.pid")
	held, err := createPidFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer held.remove()
	b := newBench(t)
	file := writeFile(t, "c.json", strings.Replace(fmt.Sprintf(small, ""), "{", `{"pid":"`+pid+`",`, 1))
	b.expect(t, exitFailed, []string{"start", "-c", file}, "stop that one first")
	if got := strings.Join(b.gateway.calls, ", "); got != "start, stop" {
		t.Errorf("calls %s, want start, stop", got)
	}
}

func TestCheck(t *testing.T) {
	b := newBench(t)
	b.env["LOG_LEVEL"] = "debug"
	good := writeFile(t, "good.json", fmt.Sprintf(small, ""))
	b.expect(t, exitOK, []string{"check", "-c", good}, "ok: 1 listener, 1 router, 1 cluster")
	unknown := writeFile(t, "unknown.json", fmt.Sprintf(small, `"future_key":1,`))
	b.expect(t, exitOK, []string{"check", "-c", unknown}, "unknown.json:1:", "warning", "future_key", "ok, with 1 warning: 1 listener")
	b.expect(t, exitFailed, []string{"check", "--strict", "-c", unknown}, "error", "future_key", "cannot be served")
	two := strings.NewReplacer(`"cluster_name":"c"`, `"cluster_name":"d"`, `127.0.0.1:9`, `nowhere`).Replace(fmt.Sprintf(small, ""))
	b.expect(t, exitFailed, []string{"check", "-c", writeFile(t, "two.json", two)}, "two.json:3:", "two.json:6:", "2 mistakes")
}

func TestStop(t *testing.T) {
	b := newBench(t)
	b.env["LOG_LEVEL"] = "debug" // start's: nothing to stop and check
	file := writeFile(t, "c.json", fmt.Sprintf(small, ""))
	b.expect(t, exitFailed, []string{"stop"}, "not running")
	b.expect(t, exitFailed, []string{"stop", "-c", file}, "not running")
	b.expect(t, exitFailed, []string{"stop", "--pid", filepath.Join(t.TempDir(), "x.pid")}, "there is no pid file")
	b.expect(t, exitFailed, []string{"stop", "--pid", "2147483647"}, "there is no process")
	bad := writeFile(t, "bad.json", "{")
	b.expect(t, exitFailed, []string{"stop", "-c", bad}, "bad.json:1:", "give --pid")
}

func TestProxy(t *testing.T) {
	b := newBench(t)
	b.signal <- syscall.SIGINT
	b.expect(t, exitOK, []string{"proxy", "--listen", ":8081", "--upstream", "127.0.0.1:9000,[::1]:9001", "--access-log", "stdout"})
	c := b.cfg
	if c == nil || len(c.Listeners) != 1 || len(c.Clusters) != 1 || c.Admin == nil {
		t.Fatalf("opened with %+v", c)
	}
	l := c.Listeners[0]
	if l.Address.AddrPort != netip.MustParseAddrPort("0.0.0.0:8081") || !l.Bind || l.HTTP == nil || len(l.AccessLogs) != 1 {
		t.Errorf("listener %+v", l)
	}
	if hosts := c.Clusters[0].Hosts; len(hosts) != 2 || hosts[1].Address != "[::1]:9001" {
		t.Errorf("hosts %+v", hosts)
	}
	if c.Router(l.HTTP.Router) == nil {
		t.Errorf("no router %q", l.HTTP.Router)
	}
}

func TestProxyBytes(t *testing.T) {
	b := newBench(t)
	b.signal <- syscall.SIGINT
	b.expect(t, exitOK, []string{"proxy", "--listen", "unix:/tmp/in.sock", "--listen", "127.0.0.1:0", "--upstream", "unix:/tmp/out.sock", "--tcp", "--admin", "off"})
	c := b.cfg
	if c == nil || len(c.Listeners) != 2 || c.Listeners[0].TCP == nil || c.Admin != nil {
		t.Fatalf("opened with %+v", c)
	}
	if a := c.Listeners[0].Address; a.Path != "/tmp/in.sock" {
		t.Errorf("listens on %v", a)
	}
	if a := c.Clusters[0].Hosts[0].Address; a != "unix:/tmp/out.sock" {
		t.Errorf("forwards to %s", a)
	}
}

func TestProxyRefuses(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ line, want string }{
		{"proxy --listen :8081", "needs both ends"},
		{"proxy --upstream a:1", "needs both ends"},
		{"proxy --listen 8081 --upstream a:1", "--listen: \"8081\" is a port alone; did you mean :8081?"},
		{"proxy --listen :8081 --upstream 9000", "--upstream: \"9000\" is a port alone; did you mean 127.0.0.1:9000?"},
		{"proxy --listen here --upstream a:1", "--listen: \"here\" is not HOST:PORT"},
		{"proxy --listen :x --upstream a:1", "the port must be a number"},
		{"proxy --listen :8081 --upstream http://a:1", "is a URL; give HOST:PORT"},
		{"proxy --listen :8081 --upstream :1", "lacks a host"},
		{"proxy --listen :8081 --upstream a:0", "from 1 to 65535"},
		{"proxy --listen :8081 --upstream unix:", "needs a path"},
		{"proxy --listen :8081 --upstream a:1 --admin here", "--admin"},
		{"proxy --listen :8081 --upstream a:1 --admin unix:/x", "--admin"},
		{"proxy --listen :8081 --upstream a:1 --drain-time -1s", "--drain-time"},
	} {
		b.expect(t, exitUsage, strings.Fields(c.line), c.want)
	}
}

// TestPrintConfig checks that what proxy prints is a file that start takes, and means the same.
func TestPrintConfig(t *testing.T) {
	b := newBench(t)
	flags := []string{"--listen", ":8081", "--upstream", "127.0.0.1:9000"}
	b.expect(t, exitOK, append([]string{"proxy", "--print-config"}, flags...))
	file := writeFile(t, "printed.json", b.out.String())
	b.expect(t, exitOK, []string{"check", "--strict", "-c", file}, "ok: 1 listener, 1 router, 1 cluster")
	if strings.Contains(b.errs.String(), "warning") {
		t.Errorf("what proxy prints is warned about:\n%s", b.errs.String())
	}
}

// TestExamplesServe loads every configuration of the repository that a reader may copy.
func TestExampleFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.[jy]*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	b := newBench(t)
	for _, file := range files {
		cfg, problems := b.loadConfig(file, true)
		if cfg == nil {
			t.Errorf("%s: %v", file, problems)
		}
	}
	if cfg, problems := b.loadConfig("", true); cfg == nil || cfg.Source != config.DefaultSource {
		t.Errorf("the embedded default: %v", problems)
	}
}
