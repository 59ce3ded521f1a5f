package mosn

import (
	"strings"
	"testing"
)

func TestYAMLValues(t *testing.T) {
	root, err := parseYAML(&source{file: "c.yaml", text: `
plain: some words
quoted: "a\tb"
single: 'it''s'
number: 0x1F
float: 1.5
yes: true
nothing: ~
empty:
8080: port
text: |
  line
flow: {a: [1, 2]}
base: &base
  a: 1
  b: 2
merged:
  <<: *base
  b: 3
same: *base
`})
	if err != nil {
		t.Fatal(err)
	}
	got := string(redacted(root))
	want := `{"plain":"some words","quoted":"a\tb","single":"it's","number":31,"float":1.5,"yes":true,"nothing":null,"empty":null,` +
		`"8080":"port","text":"line\n","flow":{"a":[1,2]},"base":{"a":1,"b":2},"merged":{"b":3,"a":1},"same":{"a":1,"b":2}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for path, place := range map[string]mark{"plain": {2, 8}, "flow": {13, 7}, "merged": {18, 3}} {
		if n := root.member(path); n.line != place.line || n.col != place.col {
			t.Errorf("%s is at %d:%d, want %v", path, n.line, n.col, place)
		}
	}
}

func TestYAMLLongLine(t *testing.T) {
	doc := "a: [" + strings.Repeat("{b: 1}, ", 1000) + "]\n"
	if root, err := parseYAML(&source{file: "c.yaml", text: doc}); err != nil || len(root.member("a").items) != 1000 {
		t.Errorf("%v, %v", root, err)
	}
}

func TestYAMLMistakes(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		n := string(rune('0' + i))
		prev := "*a" + string(rune('0'+i-1))
		bomb.WriteString("a" + n + ": &a" + n + " [" + strings.Repeat(prev+", ", 9) + prev + "]\n")
	}
	for _, tc := range []struct{ doc, want string }{
		{"", "the file is empty"},
		{"# only a comment\n", "the file is empty"},
		{"a: 1\n---\nb: 2\n", "found a second one"},
		{"a: !!binary x\n", "1:4: tags such as !!binary have no meaning here"},
		{"a: *b\n", `there is no anchor named "b" above`},
		{"a: &a [*a]\n", `there is no anchor named "a" above`},
		{"a: .inf\n", "has no meaning here"},
		{"a: b: c\n", "1:"},
		{"a:\n\t- b\n", "not with tabs"},
		{"a:\n  - b: 1\n\tc: 2\n", "not with tabs"},
		{"a:\n - b: 1\n  c: 2\n", "3:3: value is not allowed in this context; is it indented as far as its neighbours?"},
		{"a: b\n- c\n", "is it indented as far as its neighbours?"},
		{"a: - b\n", "a list starts on the line below its key"},
		{"a:\n  b:1\n  c: 2\n", "a key needs a colon and a space behind it, as in name: value"},
		{"a: [*]\n", `write "*" in quotes`},
		{"a: *\n", `write "*" in quotes`},
		{"a: @b\n", "put the value in quotes"},
		{"a: \"\xff\"\n", "is not UTF-8"},
		{"<<: 5\n", "expected a mapping behind <<, found the number 5"},
		{bomb.String(), "values, aliases expanded"},
		{strings.Repeat("[", 1000), "nested deeper than 128 levels"},
		{strings.Repeat("- ", 1000) + "x", "nested deeper than 128 levels"},
		{strings.Repeat("{a: ", 1000), "nested deeper than 128 levels"},
		{strings.Repeat("- \n", 9) + strings.Repeat("k: v\n", maxYAMLKeys+1), "a mapping with more than 4096 keys"},
		{"{" + strings.Repeat("k: v, ", maxYAMLKeys+1) + "}", "a mapping with more than 4096 keys"},
		{strings.Repeat("x", maxYAML+1), "larger than 4 MiB"},
	} {
		_, err := parseYAML(&source{file: "c.yaml", text: tc.doc})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.60q: got %v, want %s", tc.doc, err, tc.want)
		}
	}
}
