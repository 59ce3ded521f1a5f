package main

import (
	"bytes"
	"fmt"
	"html/template"
)

// A page is what the template of the HTML report is filled with. It is one file without scripts that needs no network.
type page struct {
	Report    *report
	Lead      string
	Promises  string
	Headlines []headline
	Standing  standing
	Sections  []section
	Tables    []pageTable
}

// A standing is the table of ratios to every peer: a row per workload.
type standing struct {
	Header []string
	Rows   [][]cell
}

type cell struct{ Text, Class string }

type section struct {
	Title, About string
	Plots        []figure
}

type figure struct {
	Caption string
	SVG     template.HTML
}

type pageTable struct {
	Title, Foot string
	Header      []string
	Rows        [][]string
}

// page renders the report.
func (r *report) page() ([]byte, error) {
	text, err := sources.ReadFile("page.html.tmpl")
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Parse(string(text))
	if err != nil {
		return nil, err
	}
	p := page{Report: r, Standing: r.standing(), Lead: r.lead(), Promises: r.promises(), Headlines: r.headlines()}
	if p.Sections, err = r.sections(); err != nil {
		return nil, fmt.Errorf("draw a plot: %w", err)
	}
	for _, t := range r.tables() {
		p.Tables = append(p.Tables, pageTable{Title: t.title, Foot: t.foot, Header: t.header, Rows: t.rows})
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("fill bench/page.html.tmpl: %w", err)
	}
	return out.Bytes(), nil
}

// others are the peers that sluice is compared with, the floor last.
func (r *report) others() []string {
	var names []string
	below := false
	for _, p := range r.Peers {
		switch p.Name {
		case subject:
		case floor:
			below = true
		default:
			names = append(names, p.Name)
		}
	}
	if below {
		names = append(names, floor)
	}
	return names
}

// summaryOf finds what was measured.
func (r *report) summaryOf(workload, peer string) (summary, bool) {
	for _, s := range r.Summaries {
		if s.Workload == workload && s.Peer == peer {
			return s, true
		}
	}
	return summary{}, false
}

func (r *report) standing() standing {
	out := standing{Header: append([]string{"work"}, r.others()...)}
	for _, w := range workloads() {
		ours, ok := r.summaryOf(w.name, subject)
		if !ok || len(ours.CPURatios) == 0 || w.own || w.scale { // at its own rate each does another amount of work
			continue
		}
		row := []cell{{Text: w.name + ": " + w.about}}
		for _, peer := range r.others() {
			c := ratioCell(ours.CPURatios, peer)
			if peer == floor {
				c.Class = "" // it is no gateway: being above it is no defeat
			}
			row = append(row, c)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

func ratioCell(ratios map[string]spread, peer string) cell {
	const noticeable = 0.03
	ratio, ok := ratios[peer]
	switch {
	case !ok:
		return cell{Text: "–"}
	case ratio.Median <= 1-noticeable:
		return cell{Text: fmt.Sprintf("%.2f", ratio.Median), Class: "good"}
	case ratio.Median >= 1+noticeable:
		return cell{Text: fmt.Sprintf("%.2f", ratio.Median), Class: "bad"}
	}
	return cell{Text: fmt.Sprintf("%.2f", ratio.Median), Class: "even"}
}
