package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The documents quote results in marked blocks, and nowhere else:
//
//	<!-- bench: cpu 2026-11-23T202037 2026-11-23T171337 -->
//	... a table that is made from these files of bench/results/ ...
//	<!-- bench: end -->
//
// A row is of the first of the files that has it. --quote makes all blocks anew from the newest files; a test makes them anew
// from the files that they name, and compares.

const (
	quoteBegin, quoteEnd = "<!-- bench: ", "<!-- bench: end -->"
	markClose            = " -->"
)

// quoted are the documents with such blocks.
func quoted() []string { return []string{"README.md", "docs/performance.md"} }

// A result is a file of bench/results/, read back: its tables by their titles' first words.
type result struct {
	name   string // without .md
	tables map[string]resultTable
}

// A resultTable has a map of cells, by the names of the columns, for every row.
type resultTable struct {
	title string
	rows  []map[string]string
}

// parseResult reads the Markdown that report.markdown writes.
func parseResult(name string, r io.Reader) (result, error) {
	out := result{name: name, tables: map[string]resultTable{}}
	scanner := bufio.NewScanner(r)
	var at string
	var header []string
	for scanner.Scan() {
		line := scanner.Text()
		if title, ok := strings.CutPrefix(line, "## "); ok {
			at, _, _ = strings.Cut(title, ":")
			header = nil
			out.tables[at] = resultTable{title: title}
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch {
		case at == "" || !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|-"):
		case header == nil:
			header = cells
		default:
			row := map[string]string{}
			for i, cell := range cells[:min(len(cells), len(header))] {
				if row[header[i]] == "" { // two columns of a name: the first
					row[header[i]] = cell
				}
			}
			t := out.tables[at]
			t.rows = append(t.rows, row)
			out.tables[at] = t
		}
	}
	return out, scanner.Err()
}

// cell of a peer in the table of a workload; "" when there is none.
func (r result) cell(workload, peer, column string) string {
	for _, row := range r.tables[workload].rows {
		if row["peer"] == peer {
			return row[column]
		}
	}
	return ""
}

// idleCell is the memory per idle connection. The oldest results name no workload: there was one.
func (r result) idleCell(workload, peer string) string {
	for _, row := range r.tables[idle].rows {
		if of, ok := row["of"]; row["peer"] == peer && (of == workload || !ok && workload == idle) {
			return row["KiB/connection"]
		}
	}
	return ""
}

// A quote is one table that documents can show.
type quote struct {
	name   string
	header string                // of the first column
	works  func(w workload) bool // its rows
	cell   func(r result, w workload, peer string) string
	peers  []string // its columns; nil: all
}

func cpuCell(r result, w workload, peer string) string { return r.cell(w.name, peer, "CPU us/req") }

func quotes() []quote {
	closed := func(w workload) bool { return w.kind == closedLoop && !w.scale }
	main := []string{tiny, "16k", "post4k", https, h2h1, h2h2, grpcUnary, grpcStream, boltOne, boltMany}
	return []quote{
		{
			name: "short", header: "CPU per request, microseconds", works: func(w workload) bool { return slices.Contains(main, w.name) },
			cell: cpuCell, peers: []string{subject, rival, "haproxy", "nghttpx", "envoy", floor},
		},
		{name: "cpu", header: "CPU per request, microseconds", works: closed, cell: cpuCell},
		{
			name: "throughput", header: "requests per second, on one core", works: closed,
			cell: func(r result, w workload, peer string) string { return r.cell(w.name, peer, "req/s") },
		},
		{
			name: "latency", header: "latency p50 / p99, microseconds", works: func(w workload) bool { return w.kind == openLoop },
			cell: func(r result, w workload, peer string) string {
				p50, p99 := r.cell(w.name, peer, "p50 us"), r.cell(w.name, peer, "p99 us")
				if p50 == "" {
					return ""
				}
				return p50 + " / " + p99
			},
		},
		{
			name: "memory", header: "resident KiB per idle connection", works: func(w workload) bool { return w.kind == idleHold },
			cell: func(r result, w workload, peer string) string { return r.idleCell(w.name, peer) },
		},
		{
			name: "scale", header: "CPU per request, microseconds", works: func(w workload) bool { return w.scale }, cell: cpuCell,
		},
	}
}

// table makes a quote from results, and names those that it took rows from. A row is of the first result that has it.
func (q quote) table(results []result) (text string, used []string) {
	type line struct {
		about string
		cells map[string]string
	}
	var lines []line
	shown := map[string]bool{}
	for _, w := range workloads() {
		for _, r := range results {
			if !q.works(w) || q.cell(r, w, subject) == "" {
				continue
			}
			l := line{about: w.about + ", " + w.shape(), cells: map[string]string{}}
			for _, p := range peers() {
				if cell := q.cell(r, w, p.name); cell != "" && (q.peers == nil || slices.Contains(q.peers, p.name)) {
					l.cells[p.name], shown[p.name] = cell, true
				}
			}
			lines = append(lines, l)
			if !slices.Contains(used, r.name) {
				used = append(used, r.name)
			}
			break
		}
	}
	if len(lines) == 0 {
		return "No result in bench/results has these numbers yet.\n", nil
	}
	slices.Sort(used) // they are dates: the newest first, which is the order that rows are looked for in
	slices.Reverse(used)
	columns := slices.DeleteFunc(columnOrder(), func(peer string) bool { return !shown[peer] })
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |\n| --- |%s\n", q.header, strings.Join(columns, " | "), strings.Repeat(" ---: |", len(columns)))
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s |", l.about)
		for _, peer := range columns {
			cell := l.cells[peer]
			if cell == "" {
				cell = "–"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String(), used
}

// columnOrder is sluice first, the floor, which is no gateway, last.
func columnOrder() []string {
	names := []string{subject}
	for _, p := range peers() {
		if p.name != subject && p.name != floor {
			names = append(names, p.name)
		}
	}
	return append(names, floor)
}

// requote makes the blocks of a document anew: from the results that each of them names, or with newest from the first of all
// that have the rows. results are newest first; below is the way from the document to bench/results/.
func requote(text string, results []result, newest bool, below string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, quoteBegin)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		mark, rest, okMark := strings.Cut(rest, markClose)
		_, rest, okEnd := strings.Cut(rest, quoteEnd)
		words := strings.Fields(mark)
		if !okMark || !okEnd || len(words) == 0 {
			return "", fmt.Errorf("a block that begins with %q has no end", quoteBegin+mark)
		}
		all := quotes()
		at := slices.IndexFunc(all, func(q quote) bool { return q.name == words[0] })
		if at < 0 {
			return "", fmt.Errorf("no table is called %q", words[0])
		}
		from := results
		if !newest {
			from = nil
			for _, name := range words[1:] {
				i := slices.IndexFunc(results, func(r result) bool { return r.name == name })
				if i < 0 {
					return "", fmt.Errorf("table %s: bench/results has no %s.md", words[0], name)
				}
				from = append(from, results[i])
			}
		}
		table, used := all[at].table(from)
		fmt.Fprintf(&out, "%s%s%s\n%s", quoteBegin, strings.Join(append(words[:1:1], used...), " "), markClose, table)
		for i, name := range used {
			lead := map[bool]string{true: "\nFrom ", false: ", "}[i == 0]
			fmt.Fprintf(&out, "%s[%s](%s/%s.md)", lead, name, below, name)
		}
		if len(used) > 0 {
			out.WriteString(".\n")
		}
		out.WriteString(quoteEnd)
		text = rest
	}
}

// readResults reads bench/results/, newest first.
func readResults(root string) ([]result, error) {
	files, err := filepath.Glob(filepath.Join(root, "bench", "results", "*.md"))
	if err != nil {
		return nil, err
	}
	byName := map[string]result{}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".md")
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		byName[name], err = parseResult(name, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	names := slices.Sorted(maps.Keys(byName)) // they are dates
	slices.Reverse(names)
	out := make([]result, len(names))
	for i, name := range names {
		out[i] = byName[name]
	}
	return out, nil
}

// quoteAll makes the blocks of all documents anew from the newest results.
func quoteAll(stdout io.Writer) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	results, err := readResults(root)
	if err != nil {
		return err
	}
	for _, name := range quoted() {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fresh, err := requote(string(text), results, true, resultsFrom(name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if fresh == string(text) {
			fmt.Fprintf(stdout, "%s: as it was\n", name)
			continue
		}
		if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: new tables\n", name)
	}
	return nil
}

// resultsFrom is the way from a document to the results.
func resultsFrom(name string) string {
	return strings.Repeat("../", strings.Count(name, "/")) + "bench/results"
}
