package config

import "testing"

func TestNearest(t *testing.T) {
	keys := []string{"address", "access_logs", "name", "bind_port", "type"}
	for s, want := range map[string]string{
		"adress": "address", "Adress": "address", "accesslogs": "access_logs", "nmae": "name", "bindport": "bind_port",
		"port": "", "x": "", "": "", "filter_chains": "",
	} {
		if got := Nearest(s, keys); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}} {
		if got := editDistance(tc.a, tc.b); got != tc.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
