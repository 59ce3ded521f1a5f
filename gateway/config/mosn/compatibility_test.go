package mosn

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const compatibilityPage = "../../../docs/mosn-compatibility.md"

// The tables of docs/mosn-compatibility.md are made from the schemas; -rewrite renews them.
func TestCompatibilityPage(t *testing.T) {
	const from, to = "<!-- tables: made by go test ./gateway/config/mosn -rewrite -->\n", "<!-- end of tables -->\n"
	page, err := os.ReadFile(compatibilityPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), from)
	old, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatal("the page has lost its markers")
	}
	tables := compatibilityTables()
	if tables == old {
		return
	}
	if !*rewrite {
		t.Fatal("the tables differ from the schemas; run this test with -rewrite")
	}
	if err := os.WriteFile(compatibilityPage, []byte(before+from+tables+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func compatibilityTables() string {
	var b strings.Builder
	b.WriteString("\n## Keys that are read\n\n| in | keys |\n| --- | --- |\n")
	for _, s := range allSchemas() {
		if keys := keysOf(s, used, ""); len(keys) > 0 {
			fmt.Fprintf(&b, "| %s | %s |\n", s.what, strings.Join(keys, " "))
		}
	}
	b.WriteString("\n## Keys that are known and not read\n\n| in | keys | what happens | why |\n| --- | --- | --- | --- |\n")
	for _, s := range allSchemas() {
		for _, u := range []use{refused, plainer, noEffect} {
			for _, why := range reasons(s, u) {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.what, strings.Join(keysOf(s, u, why), " "), happens(u), why)
			}
		}
	}
	for _, list := range []struct {
		title    string
		policies []filterPolicy
	}{
		{"Network filters", networkFilters}, {"Listener filters", listenerFilters}, {"Stream filters", streamFilters},
		{"Extensions (`extends`)", extensions}, {"Load balancing (`lb_type`)", balancers},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| name | what happens | why |\n| --- | --- | --- |\n", list.title)
		for _, p := range list.policies {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.name, happens(p.use), p.why)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func happens(u use) string {
	return [...]string{"supported", "note", "warning", "**refused**"}[u]
}

// keysOf lists the keys of one use, and of one reason unless that is empty.
func keysOf(s *schema, u use, why string) []string {
	var out []string
	for _, k := range s.keys {
		if k.use == u && (why == "" || k.why == why) {
			out = append(out, "`"+k.name+"`")
		}
	}
	return out
}

func reasons(s *schema, u use) []string {
	var out []string
	seen := make(map[string]bool)
	for _, k := range s.keys {
		if k.use == u && !seen[k.why] {
			seen[k.why] = true
			out = append(out, k.why)
		}
	}
	return out
}

// A key stands in its schema once, in lower case except where MOSN writes it otherwise, and what is not read says why.
func TestSchemas(t *testing.T) {
	for _, s := range allSchemas() {
		seen := make(map[string]bool)
		for _, k := range s.keys {
			if seen[strings.ToLower(k.name)] {
				t.Errorf("%s has %s twice", s.what, k.name)
			}
			seen[strings.ToLower(k.name)] = true
			if (k.use == used) != (k.why == "") {
				t.Errorf("%s: %s: a reason is for what is not read, and only for that", s.what, k.name)
			}
		}
	}
}
