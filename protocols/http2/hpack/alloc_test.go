//go:build !race

package hpack

import "testing"

// Blocks of every kind: all indexed, with literals of their own, and with fields that push out each other.
func TestNoAllocationPerBlock(t *testing.T) {
	churn := make([][]testField, 500)
	for i := range churn {
		churn[i] = request(i)
		churn[i][4].value = append(churn[i][4].value, byte('a'+i%26), byte('a'+i%25))
		churn[i] = append(churn[i], fieldOf("X-Trace-"+string(rune('A'+i%20)), string(churn[i][3].value)))
	}
	for name, lists := range map[string][][]testField{"typical": typical(), "indexed": indexed(), "churn": churn} {
		var (
			e   Encoder
			d   Decoder
			s   Scratch
			err error
			i   int
		)
		_, peer := peerBlocks(lists)
		var dp Decoder
		warm, _ := peerBlocks(lists)
		for _, block := range warm {
			if _, err = decodeAll(&dp, block, &s); err != nil {
				t.Fatal(err)
			}
		}
		dst := make([]byte, 0, 4096)
		exchange := func() {
			dst = appendFields(&e, dst[:0], lists[i%len(lists)])
			if _, err = decodeAll(&d, dst, &s); err != nil {
				t.Fatal(name, err)
			}
			if _, err = decodeAll(&dp, peer[i%len(peer)], &s); err != nil {
				t.Fatal(name, err)
			}
			i++
		}
		for range 1000 {
			exchange() // the tables and the scratch grow once
		}
		if allocs := testing.AllocsPerRun(2, func() {
			for range 1000 {
				exchange()
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations in 1000 blocks", name, allocs)
		}
	}
}

func TestNoAllocationPerRefusal(t *testing.T) {
	blocks := [][]byte{unhex(t, "80"), unhex(t, "ff80"), unhex(t, "41821fff"), unhex(t, "8220"), unhex(t, "3fe21f")}
	var s Scratch
	if allocs := testing.AllocsPerRun(10, func() {
		for _, block := range blocks {
			var d Decoder
			if _, err := decodeAll(&d, block, &s); err == nil {
				t.Fatal("accepted")
			}
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for %d refusals", allocs, len(blocks))
	}
}
