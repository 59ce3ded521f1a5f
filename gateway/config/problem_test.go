package config

import (
	"os"
	"strings"
	"testing"
)

func TestProblemString(t *testing.T) {
	for _, tc := range []struct {
		p    Problem
		want string
	}{
		{
			Problem{Error, "config.json", 12, 9, "servers[0]", `unknown key "adress"; did you mean "address"?`, ""},
			`config.json:12:9: error: servers[0]: unknown key "adress"; did you mean "address"?`,
		},
		{Problem{Severity: Warning, File: "environment", Message: "m"}, `environment: warning: m`},
		{Problem{Severity: Note, Message: "m"}, `note: m`},
	} {
		if got := tc.p.String(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestProblemsSortAndErr(t *testing.T) {
	ps := Problems{
		{Severity: Note, File: "b", Line: 1, Column: 1, Message: "1"},
		{Severity: Warning, File: "a", Line: 2, Column: 1, Message: "5"},
		{Severity: Error, File: "a", Line: 1, Column: 9, Message: "4"},
		{Severity: Warning, File: "b", Line: 2, Column: 7, Message: "3"},
		{Severity: Error, File: "b", Line: 2, Column: 7, Message: "2"},
	}
	ps.Sort()
	var order strings.Builder
	for _, p := range ps {
		order.WriteString(p.Message)
	}
	if order.String() != "12345" {
		t.Errorf("order %s", order.String())
	}
	if got, want := ps.Err().Error(), "b:2:7: error: 2\na:1:9: error: 4"; got != want {
		t.Errorf("Err = %q, want %q", got, want)
	}
	if err := ps[:1].Err(); err != nil {
		t.Errorf("a note is an error: %v", err)
	}
}

func TestFormat(t *testing.T) {
	long := strings.Repeat("x", 200)
	ps := Problems{
		{Error, "f", 1, 3, "", "short", "\t\t\"a\": 1"},
		{Error, "f", 2, 150, "", "long", long},
		{Error, "f", 3, 99, "", "behind the end", "ab"},
		{Warning, "f", 0, 0, "", "no place", ""},
	}
	var b strings.Builder
	if err := FormatSource(&b, ps); err != nil {
		t.Fatal(err)
	}
	want := "f:1:3: error: short\n      \"a\": 1\n      ^\n" +
		"f:2:150: error: long\n    " + strings.Repeat("x", 91) + "\n    " + strings.Repeat(" ", 40) + "^\n" +
		"f:3:99: error: behind the end\n    ab\n      ^\n" +
		"f: warning: no place\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := Format(&b, ps); err != nil || strings.Count(b.String(), "\n") != len(ps) {
		t.Errorf("not a terminal: %q, %v", b.String(), err)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a temporary file
	if err := Format(f, ps); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || strings.Contains(string(got), "^") {
		t.Errorf("a file gets carets: %q, %v", got, err)
	}
}
