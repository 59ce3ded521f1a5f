package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A report is everything that a run found out. It is what results/<date>.json holds.
type report struct {
	Environment environment    `json:"environment"`
	Rounds      int            `json:"rounds"`
	Seconds     float64        `json:"seconds"`
	Peers       []peerInfo     `json:"peers"`
	Skipped     []string       `json:"skipped,omitempty"`
	Notes       []string       `json:"notes,omitempty"`
	Wrong       []string       `json:"wrong,omitempty"` // answers that were not right: such a run proves nothing
	Rates       []rateInfo     `json:"rates,omitempty"`
	Summaries   []summary      `json:"summaries"`
	Idle        []idleSample   `json:"idle,omitempty"`
	Syscalls    []syscallCount `json:"syscalls,omitempty"`
	Verdicts    []verdict      `json:"targets"`
	Samples     []sample       `json:"-"` // the summaries hold what is worth keeping of them
}

type peerInfo struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Version string `json:"version"`
}

// rateInfo says where an open-loop workload's rate came from.
type rateInfo struct {
	Workload   string  `json:"workload"`
	Rate       float64 `json:"rate"`
	Part       float64 `json:"part"`
	Of         string  `json:"of"`
	Saturation float64 `json:"saturation"`
}

// note adds a remark that readers must see.
func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// conclude derives the summaries and the verdicts from what was measured.
func (r *report) conclude(ws []workload) {
	for _, w := range ws {
		for _, p := range r.Peers {
			if s, ok := summarise(r.Samples, w.name, p.Name); ok {
				r.Summaries = append(r.Summaries, s)
			}
		}
	}
	r.Verdicts = judge(r)
	const noticeable, tooShort, tooFew = 0.03, 1.0, 9
	var foreign float64
	for _, s := range r.Summaries {
		foreign = max(foreign, s.Foreign)
	}
	if foreign > noticeable {
		r.Notes = append(r.Notes, fmt.Sprintf("others used up to %.0f %% of the proxy's CPU (median of a workload): repeat on a quiet machine", foreign*100))
	}
	if len(r.Samples) > 0 && (r.Rounds < tooFew || r.Seconds < tooShort) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d rounds of %g s: an indication; to quote, take at least %d of %g s", r.Rounds, r.Seconds, tooFew, tooShort))
	}
	if r.Environment.ProxyCPU == r.Environment.LoadCPU {
		r.Notes = append(r.Notes, "proxy and load share one CPU: the numbers cannot be compared with those of other machines")
	}
}

// A table is text in rows; the first column is aligned left, the others right.
type table struct {
	title  string
	header []string
	rows   [][]string
	foot   string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// text draws the table for a terminal.
func (t table) text() string {
	width := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", t.title)
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("  " + cell + gap)
			} else {
				b.WriteString("  " + gap + cell)
			}
		}
		b.WriteString("\n")
	}
	if t.foot != "" {
		fmt.Fprintf(&b, "  %s\n", t.foot)
	}
	return b.String()
}

// markdown draws the table for a file.
func (t table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| %s |\n|---%s|\n", t.title, strings.Join(t.header, " | "), strings.Repeat("|---:", len(t.header)-1))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	if t.foot != "" {
		fmt.Fprintf(&b, "\n%s\n", t.foot)
	}
	return b.String()
}

// tables are the report as people read it.
func (r *report) tables() []table {
	var out []table
	for _, w := range workloads() {
		t := r.workloadTable(w)
		if len(t.rows) > 0 {
			out = append(out, t)
		}
	}
	for _, t := range []table{r.scaleTable(), r.idleTable(), r.syscallTable()} {
		if len(t.rows) > 0 {
			out = append(out, t)
		}
	}
	return append(out, r.targetTable())
}

func (r *report) workloadTable(w workload) table {
	t := table{
		title:  fmt.Sprintf("%s: %s, %s, %s, %d rounds of %g s", w.name, w.about, w.shape(), w.kind, r.Rounds, r.Seconds),
		header: []string{"peer", "CPU us/req", "user", "system"},
		foot:   "medians over rounds; ratios are of CPU (and p99) within a round: median [min..max]",
	}
	var bases []string
	for _, base := range w.bases() {
		if slices.Contains(peersIn(r.Samples, w.name), base) {
			bases = append(bases, base)
			t.header = append(t.header, "/ "+base)
		}
	}
	if w.bulk {
		t.header = append(t.header, "MiB/CPU-s")
	}
	if w.handshake || w.streaming {
		t.header = append(t.header, "per CPU-s")
	}
	if w.own {
		t.header = append(t.header, "offered/s")
	}
	t.header = append(t.header, "req/s")
	if w.byH2load() { // h2load tells no quantiles
		t.header = append(t.header, "mean us")
	} else {
		t.header = append(t.header, "p50 us", "p90 us", "p99 us", "p99 / "+w.standard())
	}
	t.header = append(t.header, "RSS MiB", "CPU busy", "sleeps/req")
	for _, rate := range r.Rates {
		if rate.Workload == w.name && !w.own {
			t.title += fmt.Sprintf(", offered %.0f req/s = %.2f of %s's %.0f", rate.Rate, rate.Part, rate.Of, rate.Saturation)
		}
	}
	for _, s := range r.Summaries {
		if s.Workload != w.name {
			continue
		}
		if w.kind == openLoop && len(t.rows) == 0 {
			t.foot += fmt.Sprintf("; the load generator's own lateness is within the latencies, p50 %.0f us", s.LatenessMedian)
		}
		row := []string{s.Peer, fmt.Sprintf("%.2f", s.CPU.Median), fmt.Sprintf("%.2f", s.User), fmt.Sprintf("%.2f", s.System)}
		for _, base := range bases {
			row = append(row, ratioText(s.CPURatios, base))
		}
		if w.bulk {
			row = append(row, fmt.Sprintf("%.0f", float64(w.moved())/s.CPU.Median/(1<<20)*1e6))
		}
		if w.handshake || w.streaming {
			row = append(row, fmt.Sprintf("%.0f", 1e6/s.CPU.Median))
		}
		if w.own {
			row = append(row, fmt.Sprintf("%.0f", s.Offered.Median))
		}
		row = append(row, fmt.Sprintf("%.0f", s.PerSec.Median))
		if w.byH2load() {
			row = append(row, fmt.Sprintf("%.0f", s.Mean.Median))
		} else {
			row = append(row, fmt.Sprintf("%.0f", s.P50.Median), fmt.Sprintf("%.0f", s.P90.Median), fmt.Sprintf("%.0f", s.P99.Median),
				ratioText(s.P99Ratios, w.standard()))
		}
		t.add(append(row, fmt.Sprintf("%.1f", s.Resident), fmt.Sprintf("%.0f %%", s.Busy*100), fmt.Sprintf("%.2f", s.Switches))...)
	}
	return t
}

func ratioText(ratios map[string]spread, to string) string {
	s, ok := ratios[to]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f..%.2f]", s.Median, s.Min, s.Max)
}

func (r *report) idleTable() table {
	t := table{
		title:  "idle: connections that have served one request each",
		header: []string{"peer", "of", "connections", "alive", "empty MiB", "held MiB", "KiB/connection", "of it anonymous"},
		foot:   "resident memory of all the peer's processes; the empty process was started afresh and has answered one request",
	}
	for _, s := range r.Idle {
		t.add(s.Peer, s.Workload, fmt.Sprint(s.Connections), fmt.Sprint(s.Alive), fmt.Sprintf("%.1f", float64(s.Empty.Resident)/(1<<20)),
			fmt.Sprintf("%.1f", float64(s.Held.Resident)/(1<<20)), fmt.Sprintf("%.2f", s.perConnection()),
			fmt.Sprintf("%.2f", s.anonymousPerConnection()))
	}
	return t
}

func (r *report) syscallTable() table {
	t := table{
		title:  "system calls per request under the tiny workload, by strace",
		header: []string{"peer", "requests", "data", "EAGAIN", "epoll_wait", "eventfd", "epoll_ctl", "futex", "all others"},
		foot: "requests, data, EAGAIN, epoll_wait and eventfd are of a process that strace slows: it finds more at each wake-up, and epoll_wait " +
			"is a lower bound; the others are counted at almost full speed",
	}
	for _, c := range r.Syscalls {
		ctl, futex := c.rest("epoll_ctl"), c.rest("futex")
		row := []string{c.Peer, fmt.Sprint(c.Requests)}
		for _, n := range []float64{
			c.data(), c.per(c.Again), c.perRequest(pollCalls[:]...), c.eventfd(), ctl, futex, c.rest() - ctl - futex,
		} {
			row = append(row, fmt.Sprintf("%.3f", n))
		}
		t.add(row...)
	}
	return t
}

func (r *report) targetTable() table {
	t := table{title: "targets for " + subject, header: []string{"target", "must be", "is", "spread", "verdict"}}
	for _, v := range r.Verdicts {
		limit, is, word := fmt.Sprintf("<= %.2f", v.Limit), "-", "not measured"
		if v.AtLeast {
			limit = ">" + limit[1:]
		}
		if v.Measured != nil {
			is, word = fmt.Sprintf("%.3f", *v.Measured), "MISSED"
			if v.Met {
				word = "met"
			}
		}
		if v.Unit != "" {
			limit += " " + v.Unit
		}
		t.add(v.Name, limit, is, v.Spread, word)
	}
	return t
}

// prose is what stands before the tables.
func (r *report) prose() string {
	var b strings.Builder
	e := r.Environment
	fmt.Fprintf(&b, "%s, %s, Linux %s, Go %s, commit %s\n", e.Date, e.CPU, e.Kernel, e.Go, e.Commit)
	fmt.Fprintf(&b, "proxy on CPU %d, load and backend on CPU %d; one worker each; no access log\n", e.ProxyCPU, e.LoadCPU)
	for _, p := range r.Peers {
		fmt.Fprintf(&b, "- %s: %s (%s)\n", p.Name, p.About, p.Version)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	return b.String()
}

// remarks are what stands after them.
func (r *report) remarks() string {
	var b strings.Builder
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\nNote: %s.\n", n)
	}
	for _, w := range r.Wrong {
		fmt.Fprintf(&b, "\nWRONG: %s\n", w)
	}
	return b.String()
}

func (r *report) text() string {
	var b strings.Builder
	b.WriteString(r.prose())
	for _, t := range r.tables() {
		b.WriteString(t.text())
	}
	b.WriteString(r.remarks())
	return b.String()
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmark, %s\n\n%s", r.Environment.Date, r.prose())
	for _, t := range r.tables() {
		b.WriteString(t.markdown())
	}
	b.WriteString(r.remarks())
	return b.String()
}
