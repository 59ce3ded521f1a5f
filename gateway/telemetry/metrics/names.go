package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// checkFamily enforces Prometheus's naming conventions on what the program declares:
// https://prometheus.io/docs/practices/naming/
func checkFamily(kind Kind, name, help string, labels []string) error {
	switch {
	case !validName(name):
		return fmt.Errorf("%q is not a metric name: lower case letters, digits and single underscores", name)
	case !strings.HasPrefix(name, "sluice_"):
		return fmt.Errorf("%s must begin with sluice_", name)
	case kind == KindCounter && !strings.HasSuffix(name, "_total"):
		return fmt.Errorf("%s is a counter and must end in _total", name)
	case kind != KindCounter && strings.HasSuffix(name, "_total"):
		return fmt.Errorf("%s is no counter and must not end in _total", name)
	case kind == KindHistogram && !strings.HasSuffix(name, "_seconds"):
		return fmt.Errorf("%s measures durations and must end in _seconds", name)
	case help == "" || !strings.HasSuffix(help, "."):
		return fmt.Errorf("%s needs a help text that ends with a full stop", name)
	}
	for i, l := range labels {
		if !validName(l) || l == "le" || l == "quantile" {
			return fmt.Errorf("%s: %q can't be a label", name, l)
		}
		if slices.Contains(labels[:i], l) {
			return fmt.Errorf("%s has the label %s twice", name, l)
		}
	}
	return nil
}

func validName(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' || strings.Contains(s, "__") || strings.HasSuffix(s, "_") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
