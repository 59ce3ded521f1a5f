package config

import "strings"

// Nearest returns the one of all that s most probably means, or "". Case does not count.
func Nearest(s string, all []string) string {
	const (
		most       = 64   // longer names are no typing mistakes
		candidates = 4096 // are looked at
	)
	if len(s) > most {
		return ""
	}
	all = all[:min(len(all), candidates)]
	best, distance := "", 1+max(1, len(s)/3)
	a := strings.ToLower(s)
	for _, c := range all {
		b := strings.ToLower(c)
		if len(b) > most || b == "" {
			continue
		}
		d := editDistance(a, b)
		if d >= max(len(a), len(b)) {
			continue // nothing in common
		}
		if d < distance {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours that make b of a.
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[(i+1)%3], rows[(i+2)%3], rows[i%3]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
