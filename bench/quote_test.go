package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsQuoteResults: every table of the documents is what the results that it names hold, and beside these tables the
// documents state no measured number.
func TestDocumentsQuoteResults(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	results, err := readResults(root)
	if err != nil || len(results) == 0 {
		t.Fatal(results, err)
	}
	tables := 0
	for _, name := range quoted() {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := requote(string(text), results, false, resultsFrom(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fresh != string(text) {
			t.Errorf("%s quotes something else than its results say; go run ./bench --quote mends it. It should be:\n%s", name, fresh)
		}
		tables += strings.Count(string(text), quoteEnd)
		outside := regexp.MustCompile(`(?s)`+quoteBegin+`.*?`+quoteEnd).ReplaceAllString(string(text), "")
		measured := regexp.MustCompile(`\d[\d.,]*\s*(us|µs|ms|microseconds?|KiB/connection|(requests|messages|calls|handshakes)[ /](per|a|s))\b`)
		if found := measured.FindString(outside); found != "" {
			t.Errorf("%s says %q outside a table that is made from results", name, found)
		}
	}
	if tables < 6 {
		t.Errorf("the documents have only %d tables of results", tables)
	}
}

func TestQuoteTakesTheNewestRow(t *testing.T) {
	old, err := parseResult("2026-01-01T000000", strings.NewReader(`# Benchmark

## tiny: GET, 9 rounds

| peer | CPU us/req | req/s | / nginx |
|---|---:|---:|---:|
| sluice | 9.00 | 100 | 0.90 |
| nginx | 10.00 | 90 | - |

medians over rounds

## idle: connections

| peer | connections | KiB/connection |
|---|---:|---:|
| sluice | 8000 | 0.33 |
`))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := parseResult("2026-02-02T000000", strings.NewReader(`## tiny: GET

| peer | CPU us/req |
|---|---:|
| forwarder | 7.00 |
| sluice | 8.00 |
`))
	if err != nil {
		t.Fatal(err)
	}
	const was = "before\n<!-- bench: cpu x -->\nold\n<!-- bench: end -->\nbetween <!-- bench: memory -->\n<!-- bench: end --> after"
	got, err := requote(was, []result{fresh, old}, true, "results")
	want := `before
<!-- bench: cpu 2026-02-02T000000 -->
| CPU per request, microseconds | sluice | forwarder |
| --- | ---: | ---: |
| GET, answers of 200 bytes, 64 connections | 8.00 | 7.00 |

From [2026-02-02T000000](results/2026-02-02T000000.md).
<!-- bench: end -->
between <!-- bench: memory 2026-01-01T000000 -->
| resident KiB per idle connection | sluice |
| --- | ---: |
| keep-alive connections that have served one request each, 8000 connections | 0.33 |

From [2026-01-01T000000](results/2026-01-01T000000.md).
<!-- bench: end --> after`
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	// Once made, it is made the same from the results that it names, whatever came later.
	if again, err := requote(got, []result{{name: "2026-03-03T000000", tables: fresh.tables}, fresh, old}, false, "results"); err != nil || again != got {
		t.Errorf("%v\n%s", err, again)
	}
}

// TestQuoteOfOldAndNewRows: it stays as it is when its first row is older than another, which the older result has too.
func TestQuoteOfOldAndNewRows(t *testing.T) {
	row := func(cpu string) resultTable {
		return resultTable{rows: []map[string]string{{"peer": subject, "CPU us/req": cpu}}}
	}
	fresh := result{name: "2026-02-02T000000", tables: map[string]resultTable{h2h2: row("1.00")}}
	old := result{name: "2026-01-01T000000", tables: map[string]resultTable{tiny: row("8.00"), h2h2: row("2.00")}}
	results := []result{fresh, old}
	made, err := requote("<!-- bench: cpu -->\n<!-- bench: end -->", results, true, "results")
	if err != nil || !strings.Contains(made, "| 8.00 |") || !strings.Contains(made, "| 1.00 |") {
		t.Errorf("%v\n%s", err, made)
	}
	if again, err := requote(made, results, false, "results"); err != nil || again != made {
		t.Errorf("%v\n%s\nwant\n%s", err, again, made)
	}
}

func TestMistakenQuotes(t *testing.T) {
	for text, want := range map[string]string{
		"<!-- bench: cpu -->":                           "has no end",
		"<!-- bench: nothing --><!-- bench: end -->":    `no table is called "nothing"`,
		"<!-- bench: cpu 2020 -->\n<!-- bench: end -->": "bench/results has no 2020.md",
	} {
		if _, err := requote(text, nil, false, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestResultsAreReadBack: what markdown writes is what parseResult reads.
func TestResultsAreReadBack(t *testing.T) {
	r := measured()
	got, err := parseResult("x", strings.NewReader(r.markdown()))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{tiny, h2h2, grpcStream} {
		if s, _ := r.summaryOf(w, subject); got.cell(w, subject, "CPU us/req") == "" || s.CPU.N == 0 {
			t.Errorf("%s: no CPU per request", w)
		}
	}
	if memory := got.idleCell(h2Idle, subject); memory != "2.00" {
		t.Errorf("%q KiB per HTTP/2 connection, want 2.00", memory)
	}
}
