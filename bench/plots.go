package main

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	plotWidth, plotHeight = 5.6 * vg.Inch, 3 * vg.Inch
	barWidth              = vg.Length(22)
)

// sections are the plots, by what they show. A section without data is left out.
func (r *report) sections() ([]section, error) {
	all := []section{
		{Title: "CPU per request", About: "User and system time of all processes of the proxy; lower is better. For large bodies a request is a megabyte."},
		{Title: "Latency at a fixed rate", About: "Open loop: requests are sent on schedule whatever the proxy does, and a request that waits is as late as it is. " +
			"The axis stretches towards the slowest requests; lower is better."},
		{Title: "Throughput against offered load", About: "What was answered of what was offered, up to 90 % of each peer's own saturation; on the line is right, further is more. " +
			"And what the slowest of a hundred requests took."},
		{Title: "Memory", About: "Resident memory that one idle keep-alive connection adds; lower is better."},
	}
	for i, draw := range []func() ([]figure, error){r.cpuPlots, r.latencyPlots, r.loadPlots, r.memoryPlots} {
		var err error
		if all[i].Plots, err = draw(); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.Plots) == 0 }), nil
}

// newPlot has the look that all share.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{Y: 225}
	p.Add(grid)
	return p
}

// svg draws a plot as an element of a page.
func svg(p *plot.Plot, caption string) (figure, error) {
	canvas := vgsvg.New(plotWidth, plotHeight)
	p.Draw(draw.New(canvas))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return figure{}, err
	}
	start := bytes.Index(out.Bytes(), []byte("<svg")) // before it stands what only a file of its own has
	if start < 0 {
		return figure{}, fmt.Errorf("%s: the plotting library drew no SVG", caption)
	}
	// The text comes from this program's own tables, and the library escapes it.
	return figure{Caption: caption, SVG: template.HTML(out.Bytes()[start:])}, nil
}

// colorOf a peer is the same in every plot; sluice's stands out.
func (r *report) colorOf(peer string) color.Color {
	if peer == subject {
		return color.RGBA{R: 214, G: 62, B: 46, A: 255}
	}
	palette := []color.RGBA{
		{120, 130, 140, 255}, {46, 125, 180, 255}, {64, 160, 90, 255}, {150, 100, 190, 255}, {220, 160, 40, 255}, {60, 180, 180, 255},
		{170, 110, 80, 255}, {110, 110, 60, 255},
	}
	at := 0
	for _, p := range r.Peers {
		if p.Name == peer {
			break
		}
		if p.Name != subject {
			at++
		}
	}
	return palette[at%len(palette)]
}

// cpuPlots are a chart per workload: a bar per peer, user time below system time.
func (r *report) cpuPlots() ([]figure, error) {
	var out []figure
	for _, w := range workloads() {
		var names []string
		var user, system plotter.Values
		for _, s := range r.Summaries {
			if s.Workload == w.name && w.kind == closedLoop && !w.scale {
				names, user, system = append(names, s.Peer), append(user, s.User), append(system, s.System)
			}
		}
		if len(names) == 0 {
			continue
		}
		p := newPlot(w.name, "", "microseconds")
		if err := addBars(p, names, []string{"user", "system"}, user, system); err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		f, err := svg(p, w.about+", "+w.shape())
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// addBars stacks the parts of each peer's bar, the first below, and writes their sum above it. Sluice's bar has a colour of its own.
func addBars(p *plot.Plot, names, parts []string, values ...plotter.Values) error {
	shades := [2][2]color.RGBA{{{70, 110, 150, 255}, {170, 195, 220, 255}}, {{190, 45, 30, 255}, {240, 160, 150, 255}}}
	for ours := range shades {
		var below *plotter.BarChart
		for part, all := range values {
			shown := slices.Clone(all)
			for i, name := range names {
				if (name == subject) != (ours == 1) {
					shown[i] = 0
				}
			}
			bars, err := plotter.NewBarChart(shown, barWidth)
			if err != nil {
				return err
			}
			bars.Color, bars.LineStyle.Width = shades[ours][part], 0
			if below != nil {
				bars.StackOn(below)
			}
			below = bars
			p.Add(bars)
			if ours == 0 && len(parts) > 1 {
				p.Legend.Add(parts[part], bars)
			}
		}
	}
	return addSums(p, names, values)
}

// addSums writes the height of every bar above it, and makes room for that.
func addSums(p *plot.Plot, names []string, values []plotter.Values) error {
	sums := plotter.XYLabels{XYs: make(plotter.XYs, len(names)), Labels: make([]string, len(names))}
	for i := range names {
		sums.XYs[i].X = float64(i)
		for _, part := range values {
			sums.XYs[i].Y += part[i]
		}
		sums.Labels[i] = strconv.FormatFloat(sums.XYs[i].Y, 'g', 3, 64)
		if sums.XYs[i].Y >= 1000 {
			sums.Labels[i] = fmt.Sprintf("%.0f", sums.XYs[i].Y)
		}
	}
	labels, err := plotter.NewLabels(sums)
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].XAlign = draw.XCenter
	}
	labels.Offset.Y = vg.Points(2)
	p.Add(labels)
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.6, float64(len(names))-0.4
	p.Y.Min, p.Y.Max = 0, p.Y.Max*1.35
	p.Legend.Top, p.Legend.Left = true, true // the floor's bar, which is low, comes first
	return nil
}

// latencyPlots are a chart per open-loop workload: how late the slowest part of the answers is.
func (r *report) latencyPlots() ([]figure, error) {
	var out []figure
	for _, w := range workloads() {
		p := newPlot(w.name, "answers within it, %", "latency, microseconds")
		drawn := 0
		for _, s := range r.Summaries {
			if s.Workload != w.name || len(s.Distribution) == 0 {
				continue
			}
			var line plotter.XYs
			for _, d := range s.Distribution {
				line = append(line, plotter.XY{X: -math.Log10(1 - d.Part), Y: max(1, d.Latency)})
			}
			if err := r.addLine(p, s.Peer, line); err != nil {
				return nil, err
			}
			drawn++
		}
		if drawn == 0 {
			continue
		}
		p.X.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 1, Label: "90"}, {Value: 2, Label: "99"}, {Value: 3, Label: "99.9"}, {Value: 4, Label: "99.99"}}
		p.X.Max = 4.3 // room for the last label
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		f, err := svg(p, w.about)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (r *report) addLine(p *plot.Plot, peer string, points plotter.XYs) error {
	line, err := plotter.NewLine(points)
	if err != nil {
		return fmt.Errorf("%s: %w", peer, err)
	}
	line.Color, line.Width = r.colorOf(peer), vg.Points(1.3)
	if peer == subject {
		line.Width = vg.Points(2.4)
	}
	p.Add(line)
	p.Legend.Add(peer+"\u00a0\u00a0", line) // fonts of browsers are wider than the library thinks
	return nil
}

// loadPlots show every peer under growing load: what it answers, and its 99th percentile.
func (r *report) loadPlots() ([]figure, error) {
	answered := newPlot("answered", "offered, thousands of requests a second", "thousands a second")
	slow := newPlot("99th percentile", "offered, thousands of requests a second", "latency, microseconds")
	drawn := 0
	for _, peer := range append([]string{subject}, r.others()...) {
		var rates, latencies plotter.XYs
		for _, w := range workloads() {
			if s, ok := r.summaryOf(w.name, peer); ok && w.own {
				rates = append(rates, plotter.XY{X: s.Offered.Median / 1000, Y: s.PerSec.Median / 1000})
				latencies = append(latencies, plotter.XY{X: s.Offered.Median / 1000, Y: max(1, s.P99.Median)})
			}
		}
		if len(rates) < 2 {
			continue
		}
		drawn++
		if err := r.addLine(answered, peer, rates); err != nil {
			return nil, err
		}
		if err := r.addLine(slow, peer, latencies); err != nil {
			return nil, err
		}
	}
	if drawn == 0 {
		return nil, nil
	}
	slow.Y.Scale, slow.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	first, err := svg(answered, "requests answered, by requests offered")
	if err != nil {
		return nil, err
	}
	second, err := svg(slow, "99th percentile of the latency, by requests offered")
	return []figure{first, second}, err
}

func (r *report) memoryPlots() ([]figure, error) {
	var out []figure
	for _, w := range workloads() {
		var names []string
		var values plotter.Values
		held := 0
		for _, s := range r.Idle {
			if s.Workload == w.name {
				names, values, held = append(names, s.Peer), append(values, max(0, s.perConnection())), s.Connections
			}
		}
		if len(names) == 0 {
			continue
		}
		p := newPlot(w.name, "", "KiB")
		if err := addBars(p, names, nil, values); err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		f, err := svg(p, fmt.Sprintf("resident memory per connection, of %d: %s", held, w.about))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}
