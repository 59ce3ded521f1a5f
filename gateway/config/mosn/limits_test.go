package mosn

import (
	"strings"
	"testing"
)

// What is too large is refused with a reason, and in time that grows with its size.
func TestLimits(t *testing.T) {
	large := strings.Repeat(" ", maxDocument)
	for _, tc := range []struct{ name, doc, want string }{
		{"c.json", large + "{}", "larger than 16 MiB"},
		{"c.json", `{"a":[` + strings.Repeat("1,", maxNodes) + `1]}`, "more than 1048576 values"},
		{"c.json", `{` + strings.Repeat(`"a":1,`, maxKeys) + `"b":1}`, "the configuration has 256 keys at most, this one has 257"},
		{"c.json", `{"servers":[{"listeners":[` + strings.Repeat("{},", maxListeners) + `{}]}]}`, "there are 4096 listeners at most, these are 4097"},
		{"c.json", `{"servers":[{}],"extends":[` + strings.Repeat(`{"x":1},`, 100_000) + `{}]}`, " more problems"},
	} {
		c, problems, err := Parse(tc.name, []byte(tc.doc), testOptions())
		if c != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.20s...: %d problems, %.200v; want %q", tc.doc, len(problems), err, tc.want)
		}
	}
}
