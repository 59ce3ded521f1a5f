package protocoltest

import (
	"path/filepath"
	"strings"
	"testing"

	"sluice/protocols"
)

// maxCuts bounds the single cuts of one step; longer ones are cut at so many places, evenly.
const maxCuts = 600

// Splits plays the transcripts that match the pattern again and again: once for each point at which one arrival of bytes
// can be cut in two, and once with every byte arriving alone. The outcome must not depend on it.
func Splits(t *testing.T, p *protocols.Protocol, pattern string) {
	t.Helper()
	for _, file := range files(t, pattern) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			tr := parse(t, file)
			want := playAll(p, tr, -1, nil)
			for i := range tr.steps {
				n := len(tr.steps[i].bytes)
				for k, every := 1, 1+n/maxCuts; k < n; k += every {
					compare(t, tr, want, playAll(p, tr, i, []int{k}), k)
				}
				if n > 1 && n <= maxCuts {
					compare(t, tr, want, playAll(p, tr, i, everyByte(n)), -1)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

func everyByte(n int) (cuts []int) {
	for k := 1; k < n; k++ {
		cuts = append(cuts, k)
	}
	return cuts
}

// playAll plays a transcript with step number cut cut at the offsets, and returns the outcome of each step.
func playAll(p *protocols.Protocol, tr *transcript, cut int, offsets []int) [][]string {
	player := newPlayer(p, tr)
	outcomes := make([][]string, len(tr.steps))
	for i := range tr.steps {
		cuts := offsets
		if i != cut {
			cuts = nil
		}
		outcomes[i] = player.play(&tr.steps[i], cuts)
	}
	return outcomes
}

func compare(t *testing.T, tr *transcript, want, got [][]string, at int) {
	t.Helper()
	for i := range want {
		if strings.Join(want[i], "\n") != strings.Join(got[i], "\n") {
			t.Errorf("cut at %d (-1: everywhere), step\n%s\ngives:\n%s\nbut whole:\n%s", at,
				strings.Join(tr.steps[i].source, "\n"), strings.Join(got[i], "\n"), strings.Join(want[i], "\n"))
			return
		}
	}
}
