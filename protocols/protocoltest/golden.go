package protocoltest

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// A Golden is a call as other programs made it: the bytes of both directions, either of which may be missing.
type Golden struct {
	Name              string
	Request, Response []byte
}

// Goldens reads a file of lines `NAME request|response HEX`.
func Goldens(tb testing.TB, file string) (all []Golden) {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		words := strings.Fields(line)
		b, err := hex.DecodeString(words[2])
		if err != nil {
			tb.Fatal(err)
		}
		if len(all) == 0 || all[len(all)-1].Name != words[0] {
			all = append(all, Golden{Name: words[0]})
		}
		if g := &all[len(all)-1]; words[1] == "request" {
			g.Request = b
		} else {
			g.Response = b
		}
	}
	return all
}
