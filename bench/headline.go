package main

import (
	"fmt"
	"math"
	"slices"
)

// A headline says where sluice stands in one kind of work: beside the gateway that is best at it but for sluice.
type headline struct {
	Work, About string
	Ours, Best  string // CPU per request
	Peer        string // whose the best is
	Width       int    // of sluice's bar, in percent of the best's, at most mostWidth
	Text, Class string
}

const mostWidth = 200

// headlines are of all closed loops that other gateways took part in. The floor is no gateway.
func (r *report) headlines() []headline {
	var out []headline
	for _, w := range workloads() {
		ours, ok := r.summaryOf(w.name, subject)
		if !ok || w.kind != closedLoop || w.scale {
			continue
		}
		best, least := "", math.Inf(1)
		for _, peer := range r.others() {
			if s, ok := r.summaryOf(w.name, peer); ok && peer != floor && s.CPU.Median < least {
				best, least = peer, s.CPU.Median
			}
		}
		ratio, ok := ours.CPURatios[best]
		if !ok {
			continue
		}
		than := best
		if w.link.down == bolt && best == "haproxy" {
			than += ", which only moves bytes"
		}
		h := headline{
			Work: w.name, About: w.about, Peer: best, Ours: cpuText(ours.CPU.Median), Best: cpuText(least),
			Width: min(mostWidth, int(math.Round(ratio.Median*100))), Class: ratioCell(ours.CPURatios, best).Class,
		}
		switch change := math.Round(math.Abs(ratio.Median-1) * 100); h.Class {
		case "good":
			h.Text = fmt.Sprintf("%.0f %% less than %s", change, than)
		case "bad":
			h.Text = fmt.Sprintf("%.0f %% more than %s", change, than)
			if ratio.Median >= 2 {
				h.Text = fmt.Sprintf("%.1f times that of %s", ratio.Median, than)
			}
		default:
			h.Text = "as much as " + than
		}
		out = append(out, h)
	}
	return out
}

func cpuText(us float64) string {
	if us >= 100 {
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.2g µs", us)
}

// lead is the one sentence that a reader takes home.
func (r *report) lead() string {
	all := r.headlines()
	if len(all) == 0 {
		return ""
	}
	less, more := 0, 0
	var widths []float64
	for _, h := range all {
		widths = append(widths, float64(h.Width)/100)
		switch h.Class {
		case "good":
			less++
		case "bad":
			more++
		}
	}
	middle := spreadOf(slices.Clone(widths)).Median
	text := fmt.Sprintf("In %d of %d kinds of work Sluice needs less CPU than the best of the other gateways", less, len(all))
	if even := len(all) - less - more; even > 0 {
		text += fmt.Sprintf(", in %d as much", even)
	}
	if more > 0 {
		text += fmt.Sprintf(", in %d more", more)
	}
	text += "."
	if middle < 1 {
		text += fmt.Sprintf(" In half of them it needs at least %.0f\u00a0%% less.", (1-middle)*100)
	}
	return text
}

// promises is how many of its targets a run met.
func (r *report) promises() string {
	met, measured := 0, 0
	for _, v := range r.Verdicts {
		if v.Measured != nil {
			measured++
			if v.Met {
				met++
			}
		}
	}
	if measured == 0 {
		return ""
	}
	return fmt.Sprintf("Of the %d targets that Sluice has set itself and this run measured, it meets %d; the last table names them all.", measured, met)
}
