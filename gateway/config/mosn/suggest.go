package mosn

import (
	"sort"
	"strings"

	"sluice/gateway/config"
)

// didYouMean is the end of a message about s: a suggestion, or all candidates when they are few.
func didYouMean(s string, candidates []string) string {
	if near := config.Nearest(s, candidates); near != "" {
		return "; did you mean " + quote(near) + "?"
	}
	if len(candidates) > 0 && len(candidates) <= 10 {
		quoted := make([]string, len(candidates))
		for i, c := range candidates {
			quoted[i] = quote(c)
		}
		sort.Strings(quoted)
		return "; valid here: " + strings.Join(quoted, ", ")
	}
	return ""
}
