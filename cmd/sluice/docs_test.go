package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/gateway"
	"sluice/gateway/config"
	"sluice/gateway/telemetry/metrics"
)

// TestDocumentedConfigurations loads every configuration that README.md and docs/ show. A block of JSON or YAML that
// names "servers" is a whole configuration and must be accepted without so much as a warning.
func TestDocumentedConfigurations(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```(json|yaml)\n(.*?)^```$")
	whole := regexp.MustCompile(`(?m)^\s*\{?\s*"?servers"?\s*:`)
	b := newBench(t)
	loaded := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			if !whole.MatchString(m[2]) {
				continue
			}
			loaded++
			cfg, problems := b.parseConfig(filepath.Base(page)+"."+m[1], []byte(m[2]))
			for _, p := range problems {
				if p.Severity != config.Note {
					t.Errorf("%s: %s\n%s", page, p, m[2])
				}
			}
			if cfg == nil && len(problems) == 0 {
				t.Errorf("%s: refused without a reason:\n%s", page, m[2])
			}
		}
	}
	if loaded == 0 {
		t.Error("no configuration found: the pattern no longer fits the pages")
	}
}

// TestLinks checks that what the pages point to exists: their links, and the files where the code map says to start.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../bench/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var targets []string
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllSubmatch(text, -1) {
			targets = append(targets, string(m[1]))
		}
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z/]+/)` \\|.*\\| (`[^|]*) \\|$").FindAllSubmatch(text, -1) {
			for _, name := range strings.Split(string(m[2]), ", ") {
				targets = append(targets, filepath.Join(string(m[1]), strings.Trim(name, "`")))
			}
		}
		for _, target := range targets {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s points to %s, which does not exist", page, target)
			}
		}
	}
}

// TestDocumentedFlags checks that the page of the command names every command and flag, and no flag that is gone.
func TestDocumentedFlags(t *testing.T) {
	text, err := os.ReadFile("../../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"--help": true, "--version": true}
	for _, cmd := range newRoot(&newBench(t).app).Commands() {
		if !strings.Contains(string(text), "sluice "+cmd.Name()) {
			t.Errorf("docs/command.md does not name sluice %s", cmd.Name())
		}
		for _, flag := range visibleFlags(cmd) {
			known["--"+flag] = true
			if !strings.Contains(string(text), "--"+flag) {
				t.Errorf("docs/command.md does not name --%s of sluice %s", flag, cmd.Name())
			}
		}
	}
	for _, g := range ignoredFlags() {
		known["--"+g.name] = true
		if !strings.Contains(string(text), "--"+g.name) {
			t.Errorf("docs/command.md does not name --%s, which is accepted and ignored", g.name)
		}
	}
	for _, flag := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(text), -1) {
		if !known[flag] {
			t.Errorf("docs/command.md names %s, which no command has", flag)
		}
	}
}

func visibleFlags(cmd *cobra.Command) []string {
	var names []string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// declaredMetrics are the gateway's, by name.
func declaredMetrics() map[string]metrics.Declaration {
	byName := map[string]metrics.Declaration{}
	for _, d := range gateway.DeclaredMetrics() {
		byName[d.Name] = d
	}
	return byName
}

// TestDocumentedMetrics compares the tables of docs/metrics.md with what the gateway declares, row by row.
func TestDocumentedMetrics(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for name, d := range declaredMetrics() {
		labels := ""
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "` `") + "` "
		}
		want[name] = "| `" + name + "` | " + labels + "| " + d.Help + " |"
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(sluice_[a-z_]+)`.*$").FindAllSubmatch(page, -1) {
		if _, twice := got[string(m[1])]; twice {
			t.Errorf("docs/metrics.md lists %s twice", m[1])
		}
		got[string(m[1])] = string(m[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/metrics.md (-declared +listed):\n%s", diff)
	}
}

// TestNamedMetrics checks that every metric that any page names, as in a query, is there.
func TestNamedMetrics(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	known := declaredMetrics()
	for _, page := range append(pages, "../../README.md", "../../ARCHITECTURE.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bsluice_[a-z_]+`).FindAllString(string(text), -1) {
			if _, ok := known[name]; ok {
				continue
			}
			part := regexp.MustCompile(`_(bucket|sum|count)$`).FindString(name)
			if d, ok := known[strings.TrimSuffix(name, part)]; part == "" || !ok || d.Kind != metrics.KindHistogram {
				t.Errorf("%s names %s, which is no metric", page, name)
			}
		}
	}
}

// TestServedMetrics asks a running gateway, which may count what the tables do not know of.
func TestServedMetrics(t *testing.T) {
	upstream := httptest.NewServer(demoHandler())
	defer upstream.Close()
	p := launch(t, "proxy", "--listen", "127.0.0.1:0", "--upstream", upstream.Listener.Addr().String(), "--admin", "127.0.0.1:0")
	admin := p.until(`admin.*(127\.0\.0\.1:[1-9][0-9]*)`)
	known := declaredMetrics()
	served := regexp.MustCompile(`(?m)^# TYPE (sluice_[a-z_]+)`).FindAllStringSubmatch(get(t, "http://"+admin+"/metrics"), -1)
	if len(served) == 0 {
		t.Error("no metric of ours is served")
	}
	for _, m := range served {
		if _, ok := known[m[1]]; !ok {
			t.Errorf("%s is served and not documented", m[1])
		}
	}
	p.signal(syscall.SIGINT)
	p.code()
}

// TestDocumentedAnswer checks that the answer that README.md shows is one of the demo upstream.
func TestDocumentedAnswer(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(text), "$ curl 127.0.0.1:2045/hello\n")
	shown, _, found := strings.Cut(shown, "\n\n    $ ")
	if !found {
		t.Fatal("README.md no longer shows the answer to its first request")
	}
	r := httptest.NewRequest("GET", "/hello", nil)
	r.Host, r.RemoteAddr = "127.0.0.1:2045", "127.0.0.1:47070"
	for _, line := range strings.Split(shown, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && name != "Host" {
			r.Header.Add(name, value)
		}
	}
	want := strings.ReplaceAll("    "+strings.TrimRight(ask(r).Body.String(), "\n"), "\n", "\n    ")
	if diff := cmp.Diff(strings.ReplaceAll(want, "    \n", "\n"), shown); diff != "" {
		t.Errorf("README.md (-demo +shown):\n%s", diff)
	}
}
