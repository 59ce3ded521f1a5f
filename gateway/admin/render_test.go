package admin

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reference renders v as the standard library does: what people's scripts have been reading.
func reference(t *testing.T, l layout, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(l.html)
	e.SetIndent("", l.indent)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if !l.line {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String()
}

func TestJSONIsLaidOutAsByTheStandardLibrary(t *testing.T) {
	layouts := []layout{{html: true}, {html: true, line: true}, {indent: "\t", html: true}, {indent: " ", line: true}}
	for _, name := range []string{"", "plain", "a<b>&c", `"quoted\"`, "\x00\x1f\x7f\t\r\n", "é世😀", "no\xff\xc0UTF-8", "half a rune \xe4\xb8"} {
		raw, err := json.Marshal(map[string]any{"z": name, "a": []any{1.5e9, true, nil, map[string]any{}, []any{}}})
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]json.RawMessage{name: raw, "A": json.RawMessage(` { "b" : 1.0 , "a" : [ ] } `)}
		for _, v := range []any{
			map[string]string{name: name, "b": "1", "A": "2", "a": "3"},
			map[string]map[string]map[string]string{"x": {name: {name: "1", "0": "2"}, "empty": {}}, "none": nil},
			parts, raw, json.RawMessage(raw),
			&ConfigDump{Document: raw, Listeners: parts, Clusters: map[string]json.RawMessage{}, Extends: []json.RawMessage{raw}},
		} {
			for _, l := range layouts {
				w := httptest.NewRecorder()
				if err := writeJSON(w, 207, l, v); err != nil || w.Code != 207 {
					t.Errorf("%+v of %#v: %d, %v", l, v, w.Code, err)
				}
				if diff := cmp.Diff(reference(t, l, v), w.Body.String()); diff != "" {
					t.Errorf("%+v of %#v (-standard library +ours):\n%s", l, v, diff)
				}
			}
		}
	}
}

// TestJSONSpelledOtherwise holds what the standard library spells otherwise: the meaning must be the same.
func TestJSONSpelledOtherwise(t *testing.T) {
	want := map[string]string{"\b\f": "\u2028\u2029"}
	for _, html := range []bool{false, true} {
		w := httptest.NewRecorder()
		if err := writeJSON(w, 200, layout{html: html}, want); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %v", w.Body, got, err)
		}
	}
}

func TestWhatDoesNotRender(t *testing.T) {
	for _, v := range []any{map[string]any{"a": make(chan int)}, map[string]json.RawMessage{"a": json.RawMessage("{")}} {
		w := httptest.NewRecorder()
		err := writeJSON(w, 200, layout{indent: " ", line: true}, v)
		if err == nil || w.Code != 500 || w.Body.String() != `{"error":"internal error","detail":"see the log"}`+"\n" {
			t.Errorf("%#v: %d %q, %v", v, w.Code, w.Body, err)
		}
	}
}

// TestAnswersShareNoBuffer asks from many goroutines: the buffers come from a pool.
func TestAnswersShareNoBuffer(t *testing.T) {
	f := counted(t)
	targets := []string{"/api/v1/config_dump", "/api/v1/config_dump?alllisteners", "/api/v1/get_loglevel", "/api/v1/stats?key=request_total",
		"/api/v1/stats_glob", "/api/v1/nothing", "/api/v1/config_dump?listener=x"}
	var wanted []string
	for _, target := range targets {
		wanted = append(wanted, f.ask("GET", target, "").Body.String())
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 20 * len(targets) {
				n := i % len(targets)
				if got := f.ask("GET", targets[n], "").Body.String(); got != wanted[n] {
					t.Errorf("%s: %s, want %s", targets[n], got, wanted[n])
				}
			}
		})
	}
	all.Wait()
}
