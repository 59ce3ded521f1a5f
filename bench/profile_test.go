package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfileIsTakenOnceAndSaved(t *testing.T) {
	asked := 0
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/debug/pprof/profile" || r.URL.Query().Get("seconds") != "2" {
			http.Error(w, "no such profile", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "a profile")
	}))
	defer admin.Close()
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	b := &bench{options: options{profile: path, seconds: 2, warmup: 0.3, workloads: workloads()}, shop: &workshop{progress: t.Logf}}
	p := &proxy{contestant: contestant{peer: peer{name: subject}}}
	p.setup.Admin = admin.Listener.Addr().(*net.TCPAddr).Port
	for round := range 2 {
		for _, w := range workloads() {
			finish, err := b.profile(t.Context(), p, w, round)
			if err != nil {
				t.Fatal(err)
			}
			if err := finish(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "a profile" || asked != 1 {
		t.Errorf("%q, %v, asked %d times", text, err, asked)
	}
	b.options.seconds = 7 // the server knows no such profile
	finish, err := b.profile(t.Context(), p, workloads()[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := finish(); err == nil || !strings.Contains(err.Error(), "404 Not Found: no such profile") {
		t.Error(err)
	}
}

func TestProfiledWorkload(t *testing.T) {
	for names, want := range map[string]string{"tiny,h2-h2": tiny, "h2-h2,h2-h1": h2h1, "idle,open": "", "open,16k,1m": "16k"} {
		all, err := choose("workload", workloads(), workloadName, split(names))
		if got := (options{workloads: all}).profiled(); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", names, got, err, want)
		}
	}
}
