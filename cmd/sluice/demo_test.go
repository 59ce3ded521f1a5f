package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	demoHandler().ServeHTTP(w, r)
	return w
}

func TestDemoEcho(t *testing.T) {
	r := httptest.NewRequest("POST", "/a/b?c=d", strings.NewReader("12345"))
	r.Header.Set("X-Test", "yes")
	text := ask(r).Body.String()
	for _, want := range []string{"POST /a/b?c=d HTTP/1.1", "Host: example.com", "X-Test: yes", "5 bytes of body"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, text)
		}
	}
}

func TestDemoJSON(t *testing.T) {
	r := httptest.NewRequest("GET", "/x", nil)
	r.Header.Set("Accept", "application/json")
	var e echo
	if err := json.Unmarshal(ask(r).Body.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	if e.Method != "GET" || e.Path != "/x" || e.Headers.Get("Accept") != "application/json" {
		t.Errorf("echo = %+v", e)
	}
}

func TestDemoStatus(t *testing.T) {
	for path, want := range map[string]int{"/status/503": 503, "/status/200": 200, "/status/99": 400, "/status/x": 400} {
		if got := ask(httptest.NewRequest("GET", path, nil)).Code; got != want {
			t.Errorf("%s answered %d, want %d", path, got, want)
		}
	}
}
