package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// demoBody bounds what the demo reads of a request.
const demoBody = 64 << 20

// startDemo serves the demo upstream until it is closed.
func startDemo(address string) (*http.Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &http.Server{
		Handler:           demoHandler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	// Serve returns when the server is closed; what goes wrong before shows to whoever asks it.
	go func() { _ = s.Serve(listener) }()
	return s, nil
}

func demoHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", demoEcho)
	mux.HandleFunc("/status/{code}", demoStatus)
	return mux
}

// An echo is a request as the demo upstream saw it.
type echo struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Proto   string      `json:"proto"`
	Host    string      `json:"host"`
	From    string      `json:"from"`
	Headers http.Header `json:"headers"`
	Body    int64       `json:"body_bytes"`
}

// demoEcho answers with what arrived: JSON for those who accept it, else text.
func demoEcho(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, demoBody))
	if err != nil {
		http.Error(w, "the body ended early or is larger than 64 MiB: "+err.Error(), http.StatusBadRequest)
		return
	}
	e := echo{r.Method, r.RequestURI, r.Proto, r.Host, r.RemoteAddr, r.Header, n}
	if strings.Contains(r.Header.Get("Accept"), "json") {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(e) // fails only when the client is gone
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, e.text())
}

func (e echo) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Hello from the demo upstream. It received:\n\n%s %s %s\nHost: %s\n", e.Method, e.Path, e.Proto, e.Host)
	names := make([]string, 0, len(e.Headers))
	for name := range e.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range e.Headers[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n(%d bytes of body, from %s)\n", e.Body, e.From)
	return b.String()
}

// demoStatus answers with the status that the path names.
func demoStatus(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, "/status/CODE takes a code from 200 to 599", http.StatusBadRequest)
		return
	}
	http.Error(w, strconv.Itoa(code)+" "+http.StatusText(code), code)
}
