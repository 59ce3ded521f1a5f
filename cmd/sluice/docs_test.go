package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/gateway/config"
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

// TestDocumentedMetrics compares the page of the metrics with what the gateway declares.
func TestDocumentedMetrics(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../gateway/telemetry/metrics/set.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, m := range regexp.MustCompile(`\("(sluice_[a-z_]+)"`).FindAllSubmatch(source, -1) {
		declared[string(m[1])] = true
	}
	if len(declared) == 0 {
		t.Fatal("no metric found: the pattern no longer fits set.go")
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(sluice_[a-z_]+)`").FindAllSubmatch(page, -1) {
		listed[string(m[1])] = true
	}
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("docs/metrics.md (-declared +listed):\n%s", diff)
	}
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
