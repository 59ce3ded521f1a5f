package mosn

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONSyntax(t *testing.T) {
	for _, tc := range []struct{ doc, want string }{
		{``, `1:1: the file is empty; expected an object: { ... }`},
		{" \n\t", `2:2: the file is empty; expected an object: { ... }`},
		{"\ufeff{}", `1:1: the file starts with a byte order mark; save it as UTF-8 without one`},
		{"{\"a\": \"\xff\"}", `1:8: byte 0xff is not UTF-8; save the file as UTF-8`},
		{"{\n  \"a\": 1\n  \"b\": 2\n}", `2:9: a comma is missing after the value of "a" (in front of '"' at 3:3)`},
		{"[1 2]", `1:4: expected ',' or ']' after an item, found "2"`},
		{`[{} {}]`, `1:4: a comma is missing after an item (in front of '{' at 1:5)`},
		{"{\"a\": 1,\n}", `1:8: a comma in front of '}' is not allowed in JSON; remove it`},
		{`[1,]`, `1:3: a comma in front of ']' is not allowed in JSON; remove it`},
		{`[1,,2]`, `1:4: two commas in a row; remove one`},
		{`[,1]`, `1:2: two commas in a row; remove one`},
		{"{\n// note\n}", `2:1: JSON has no comments; remove it, or write the file as YAML (.yaml)`},
		{"{\"a\": 1 # note\n}", `1:9: JSON has no comments; remove it, or write the file as YAML (.yaml)`},
		{"{\"a\": /* */ 1}", `1:7: JSON has no comments; remove it, or write the file as YAML (.yaml)`},
		{"{} // end", `1:4: JSON has no comments; remove it, or write the file as YAML (.yaml)`},
		{`{'a': 1}`, `1:2: keys are written in double quotes in JSON, not in single ones`},
		{`{"a": 'x'}`, `1:7: strings are written in double quotes in JSON, not in single ones`},
		{`{a: 1}`, `1:2: the key "a" needs double quotes`},
		{`{"a" 1}`, `1:5: expected ':' after the key "a", found "1"`},
		{`{"a": }`, `1:7: expected the value of "a", found '}'`},
		{`{"a": True}`, `1:7: expected the value of "a", found "True"; did you mean true?`},
		{`{"a": yes}`, `1:7: expected the value of "a", found "yes"; a string needs double quotes`},
		{`{"a": 30s}`, `1:7: "30s" is not a number; a duration needs double quotes, as in "30s"`},
		{`{"a": 010}`, `1:7: "010" is not a number; a number must not start with a zero`},
		{`{"a": 1.}`, `1:7: "1." is not a number; a JSON number is like 10, -3 or 1.5e3`},
		{`{"a": +1}`, `1:7: expected the value of "a", found "+1"; a number starts with a digit or '-' in JSON`},
		{"{\"a\": \"x\ny\"}", `1:7: the string is not closed on its line; a line break in it is written \n`},
		{"{\"a\": \"x\ty\"}", `1:9: a control character (0x09) in a string; write it as \u0009 or, for a tab, \t`},
		{`{"a": "x`, `1:7: the string is not closed`},
		{`{"a": "\x"}`, `1:8: "\\x" is not an escape of JSON; a backslash itself is written \\`},
		{`{"a": "\u12"}`, `1:8: \u needs four hexadecimal digits, as in \u00e9`},
		{`{"a": [1}`, `1:9: found '}', but what was opened at 1:7 ends with ']'`},
		{`{"a": {`, `1:8: the file ends, but what was opened at 1:7 is not closed with '}'`},
		{`[[1]`, `1:5: the file ends, but what was opened at 1:1 is not closed with ']'`},
		{`{}}`, `1:3: an unmatched '}': the document has ended at 1:3`},
		{`{} {}`, `1:4: unexpected '{': the document has ended at 1:3`},
		{`{"ä": "ö" 1}`, `1:11: expected ',' or '}' after the value of "ä", found "1"`},
		{"servers:\n- listeners: []\n", `1:1: expected an object: { ... }, found "servers"; a file that is YAML needs a name that ends in .yaml or .yml`},
		{"--- \n{}", `1:1: expected an object: { ... }, found "---"; a file that is YAML needs a name that ends in .yaml or .yml`},
		{"True", `1:1: expected an object: { ... }, found "True"; did you mean true?`},
		{"?", `1:1: expected an object: { ... }, found '?'`},
		{strings.Repeat("[", maxDepth+1), `1:129: nested deeper than 128 levels`},
	} {
		_, err := parseJSON(&source{file: "c.json", text: tc.doc})
		if err == nil || err.Error() != tc.want {
			t.Errorf("%q:\n got %v\nwant %s", tc.doc, err, tc.want)
		}
	}
}

func TestJSONValues(t *testing.T) {
	root, err := parseJSON(&source{file: "c.json", text: `{"s":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x","n":-1.5e+3,"t":true,"z":null,"o":[{}]}`})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := root.member("S").text, "a\"\\/\b\f\n\r\té😀\ufffdx"; got != want {
		t.Errorf("string %q, want %q", got, want)
	}
	if got := root.member("n"); got.kind != kindNumber || got.text != "-1.5e+3" {
		t.Errorf("number %+v", got)
	}
	if got := root.member("o").items[0].path(); got != "o[0]" {
		t.Errorf("path %s", got)
	}
	if got := root.member("z"); got.kind != kindNull || !got.inert() {
		t.Errorf("null %+v", got)
	}
}

// depth is how deep brackets nest outside of strings, at most.
func depth(s string) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// FuzzJSON: we accept what encoding/json accepts, and what we write back means the same to it.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `[1,2.5e-3,"x\u0041",true,false,null,{"a":[]}]`, `{"a":1,"A":2}`, `"\ud800"`, `01`, `-`, `1e`, `{"a":1,}`, `[1 2]`,
		"\"\x7f\"", "\"\t\"", `{"a"}`, ` 7 `, `truex`, `"\u00"`, `{"private_key":"x"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		root, err := parseJSON(&source{file: "c.json", text: s})
		if utf8.ValidString(s) && depth(s) <= maxDepth && len(s) < maxNodes {
			if valid := json.Valid([]byte(s)); valid != (err == nil) {
				t.Fatalf("encoding/json: %v, ours: %v", valid, err)
			}
		}
		var syntax *syntaxError
		if err != nil {
			if !errors.As(err, &syntax) || syntax.line < 1 || syntax.col < 1 {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if out := redacted(root); !json.Valid(out) {
			t.Fatalf("written back: %s", out)
		}
	})
}

// FuzzParse: no input panics, and what is refused has a reason.
func FuzzParse(f *testing.F) {
	f.Add(around("", ""), false)
	f.Add(around("listener", `"access_logs":[{"log_path":5}]`), false)
	f.Add(`{"servers":[{"listeners":[{"filter_chains":[{"filters":[{"type":"connection_manager","config":{"virtual_hosts":[null]}}]}]}]}]}`, false)
	f.Add(`{"servers":[{}],"extends":[{"type":1}],"metrics":{"sinks":[{"type":"prometheus","config":{"port":1}}]},"pprof":{"debug":true}}`, false)
	f.Add("servers:\n- listeners:\n  - &a {name: x}\n  - *a\n  - <<: *a\n    address: :80\n", true)
	f.Add("a: &a [*a]\nb: !!str x\n? c\n: |\n  text\n--- \nd: 0x1f\n", true)
	f.Add("servers: [{routers: [{router_config_name: r, virtual_hosts: [{domains: ['*']}]}]}]", true)
	f.Fuzz(func(t *testing.T, s string, yaml bool) {
		name := "c.json"
		if yaml {
			name = "c.yaml"
		}
		o := testOptions()
		o.ReadDir = func(string) ([]Document, error) { return nil, errors.New("no directories here") }
		c, problems, err := Parse(name, []byte(s), o)
		if (c == nil) != (err != nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err != nil && len(problems) == 0 {
			t.Fatal("refused without a reason")
		}
		if c != nil && !json.Valid(c.Document) {
			t.Fatalf("Document: %s", c.Document)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > 0 && p.Column < 1 {
				t.Fatalf("a problem without a place: %+v", p)
			}
		}
	})
}
