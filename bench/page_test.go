package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestPageStandsAlone: one file, no script, nothing from elsewhere, with a plot of each kind.
func TestPageStandsAlone(t *testing.T) {
	r := measured()
	r.Notes = append(r.Notes, "a <b>note</b>")
	text, err := r.page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Where does Sluice stand?", "CPU per request", "Latency at a fixed rate", "Throughput against offered load", "resident memory per connection, of 8000",
		"a &lt;b&gt;note&lt;/b&gt;", `<td class="good">0.75</td>`, "In 11 of 17 kinds of work Sluice needs less CPU than the best of the other gateways, in 6 more.",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<script", "<link", "<?xml", "src=", "@import"} {
		if bytes.Contains(text, []byte(bad)) {
			t.Errorf("the page has %q", bad)
		}
	}
	if plots := bytes.Count(text, []byte("<svg")); plots < 12 {
		t.Errorf("%d plots", plots)
	}
}

func TestPageOfAnEmptyReport(t *testing.T) {
	r := &report{}
	r.conclude(workloads())
	if text, err := r.page(); err != nil || bytes.Contains(text, []byte("<svg")) {
		t.Errorf("%v, or a plot of nothing", err)
	}
}

func TestSaveWritesThreeFiles(t *testing.T) {
	dir := t.TempDir()
	base, err := measured().save(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{".json", ".md", ".html"} {
		text, err := os.ReadFile(base + end)
		if err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", end, len(text), err)
		}
		if end == ".json" && (!json.Valid(text) || strings.Contains(string(text), `"histogram"`)) {
			t.Error("the JSON is not valid, or has every histogram")
		}
	}
}

func TestDistributionMergesRounds(t *testing.T) {
	sampleOf := func(buckets ...[2]uint64) sample {
		return sample{Peer: subject, Workload: "open", Load: loadResult{Histogram: buckets}}
	}
	samples := []sample{sampleOf([2]uint64{1000, 50}, [2]uint64{2000, 40}), sampleOf([2]uint64{1000, 0}, [2]uint64{9000, 10}), {Peer: rival, Workload: "open"}}
	got := map[float64]float64{}
	for _, p := range distributionOf(samples, "open", subject) {
		got[p.Part] = p.Latency
	}
	for part, want := range map[float64]float64{0: 1, 0.5: 1, 0.6: 2, 0.9: 2, 0.99: 9, 0.9999: 9} {
		if got[part] != want {
			t.Errorf("%g of all: %g us, want %g", part, got[part], want)
		}
	}
	if len(got) != len(distributionParts()) {
		t.Errorf("%d points of %d", len(got), len(distributionParts()))
	}
	if distributionOf(samples, "open", rival) != nil {
		t.Error("a distribution of nothing")
	}
}
