package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// The names that ratios and targets refer to.
const (
	subject = "sluice"
	floor   = "forwarder"
	rival   = "nginx"
)

// A peer is one program to measure. To add one, add it to peers().
type peer struct {
	name        string
	about       string
	find        func(ctx context.Context, b *bench) (string, error) // its binary; errSkip when the machine lacks it
	config      string                                              // its template in peers/; "" when it has none
	args        func(p setup) []string
	check       func(p setup) []string // arguments that make it validate its configuration and exit; nil when it cannot
	links       []link                 // what it can speak; nil: everything that there is
	routes      bool                   // its configuration can have many routes
	tls         bool                   // its configuration can have clients that speak TLS
	noWebSocket bool                   // it answers an upgrade with an error
	single      bool                   // it has one worker, whatever it is told
	// version prints the version; nil when it is part of the repository.
	version []string
}

// setup is what a configuration template and a command line are filled with.
type setup struct {
	Listen, Backend, Admin int    // ports on 127.0.0.1
	Down, Up               string // what is spoken on both sides: http1, http2, tcp or bolt
	TLS                    bool   // clients speak it ...
	Certificate, Key, Both string // ... to whom has these files
	WebSocket              bool   // what HTTP/1 is upgraded to
	GRPC                   bool   // it is gRPC that HTTP/2 carries
	Streaming              bool   // ... in calls that stay, with many messages both ways
	Dir, Config            string // a private directory, and the filled template in it
	Workers                int
	Routes                 int    // how many it chooses from, by the path /r/ and six digits; 0: one for everything
	Connections            int    // client connections that it must be able to hold
	Files                  int    // descriptors that those need
	Buffer                 string // nginx: holds the largest small answer
}

// errSkip marks a peer that this machine does not have: it is left out, by name and with the reason.
var errSkip = errors.New("skipped")

// buildSluice compiles ./cmd/sluice as the Makefile would for a release, or takes the binary that --sluice names.
func (b *bench) buildSluice(ctx context.Context) (string, error) {
	if b.options.sluice != "" {
		return filepath.Abs(b.options.sluice)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	b.shop.progress("building sluice")
	out := b.shop.path("sluice")
	if _, err := output(ctx, root, "go", "build", "-trimpath", "-o", out, "./cmd/sluice"); err != nil {
		return "", fmt.Errorf("build ./cmd/sluice: %w", err)
	}
	return out, nil
}

// speaks tells whether a peer can have a link's protocols on its sides.
func (p peer) speaks(l link) bool { return p.links == nil || slices.Contains(p.links, l) }

// does tells whether a peer can do a workload.
func (p peer) does(d deployment) bool {
	return p.speaks(d.link) && (d.routes == 0 || p.routes) && (!d.tls || p.tls) && (!d.scale || !p.single) && (!d.websocket || !p.noWebSocket)
}

// versionOf is the first line that a peer says about itself.
func (p peer) versionOf(ctx context.Context, binary string) string {
	if p.version == nil {
		return "of this tree"
	}
	text, err := output(ctx, "", binary, p.version...)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line = strings.TrimSpace(line); line != "unknown" {
		return strings.TrimSpace(strings.TrimPrefix(line, binary)) // Envoy begins with its own path
	}
	// A Go program that was installed from its module knows better than it says.
	if info, err := buildinfo.ReadFile(binary); err == nil {
		return info.Main.Version
	}
	return line
}

// prepare fills a peer's configuration into a directory of its own.
func (p peer) prepare(shop *workshop, s setup) (setup, error) {
	s.Dir = shop.path(fmt.Sprintf("%s-%d", p.name, s.Listen))
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		return s, err
	}
	if p.config == "" {
		return s, nil
	}
	text, err := shop.template(p.config)
	if err != nil {
		return s, err
	}
	filled, err := template.New(p.config).Option("missingkey=error").Parse(text)
	if err != nil {
		return s, err
	}
	s.Config = filepath.Join(s.Dir, strings.TrimSuffix(p.config, ".tmpl"))
	file, err := os.Create(s.Config)
	if err != nil {
		return s, err
	}
	if err := errors.Join(filled.Execute(file, s), file.Close()); err != nil || s.Routes == 0 {
		return s, err
	}
	return s, os.WriteFile(filepath.Join(s.Dir, "routes.map"), routeMap(s.Routes), 0o644)
}

// routeMap is a table of routes as HAProxy reads it: a path and the name of a backend.
func routeMap(n int) []byte {
	var text []byte
	for i := range n {
		text = fmt.Appendf(text, "/r/%06d back\n", i)
	}
	return text
}

// choose takes the named elements of a table, all when none is named.
func choose[T any](what string, all []T, name func(T) string, wanted []string) ([]T, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	known := make([]string, len(all))
	for i, v := range all {
		known[i] = name(v)
	}
	for _, w := range wanted {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("no %s is called %q; there are: %s", what, w, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !slices.Contains(wanted, name(v)) }), nil
}
