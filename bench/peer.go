package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	name   string
	about  string
	find   func(ctx context.Context, b *bench) (string, error) // its binary; errSkip when the machine lacks it
	config string                                              // its template in peers/; "" when it has none
	args   func(p setup) []string
	check  func(p setup) []string // arguments that make it validate its configuration and exit; nil when it cannot
	links  []link                 // what it can speak; nil: everything that there is
	// version prints the version; nil when it is part of the repository.
	version []string
}

// setup is what a configuration template and a command line are filled with.
type setup struct {
	Listen, Backend, Admin int    // ports on 127.0.0.1
	Down, Up               string // what is spoken on both sides: a wire's name
	Dir, Config            string // a private directory, and the filled template in it
	Workers                int
	Connections            int    // client connections that it must be able to hold
	Files                  int    // descriptors that those need
	Buffer                 string // nginx: holds the largest small answer
}

// errSkip marks a peer that this machine does not have: it is left out, by name and with the reason.
var errSkip = errors.New("skipped")

// peers are all that can be measured, in the order of a round.
func peers() []peer {
	return []peer{
		{
			name: floor, about: "the floor: moves bytes in C, parses nothing",
			find: func(ctx context.Context, b *bench) (string, error) { return b.shop.compile(ctx, "forwarder") },
			args: func(p setup) []string { return []string{fmt.Sprint(p.Listen), fmt.Sprint(p.Backend)} },
			// Bytes are bytes: it can have any protocol on both sides, as long as it is the same one.
			links: []link{{http1, http1}, {http2, http2}},
		},
		{
			name: subject, about: "this gateway, its defaults",
			find:   func(ctx context.Context, b *bench) (string, error) { return b.buildSluice(ctx) },
			config: "sluice.json.tmpl",
			args:   func(p setup) []string { return []string{"start", "-c", p.Config} },
			check:  func(p setup) []string { return []string{"check", "-c", p.Config} },
		},
		{
			name: rival, about: "nginx, tuned",
			find:    func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, "nginx", "nginx") },
			config:  "nginx.conf.tmpl",
			links:   []link{{http1, http1}, {http2, http1}}, // it has no HTTP/2 to backends, but for gRPC
			args:    func(p setup) []string { return []string{"-p", p.Dir, "-e", "stderr", "-c", p.Config} },
			check:   func(p setup) []string { return []string{"-t", "-p", p.Dir, "-e", "stderr", "-c", p.Config} },
			version: []string{"-v"},
		},
		{
			name: "haproxy", about: "HAProxy, tuned",
			find:    func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, "haproxy", "haproxy") },
			config:  "haproxy.cfg.tmpl",
			args:    func(p setup) []string { return []string{"-db", "-f", p.Config} },
			check:   func(p setup) []string { return []string{"-c", "-f", p.Config} },
			version: []string{"-v"},
		},
		{
			name: "nghttpx", about: "nghttpx of the nghttp2 project, tuned",
			find:   func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, "nghttpx", "nghttp2-proxy") },
			config: "nghttpx.conf.tmpl",
			// Its trade is HTTP/2; as an HTTP/1 proxy nobody would choose it.
			links:   []link{{http2, http1}, {http2, http2}},
			args:    func(p setup) []string { return []string{"--conf=" + p.Config} },
			version: []string{"--version"},
		},
	}
}

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

// speaks tells whether a peer can do a workload.
func (p peer) speaks(l link) bool { return p.links == nil || slices.Contains(p.links, l) }

// debian finds a program, or installs the package of Debian that has it.
func (b *bench) debian(ctx context.Context, name, pkg string) (string, error) {
	if path, err := lookServer(name); err == nil {
		return path, nil
	}
	switch _, err := exec.LookPath("apt-get"); {
	case b.options.noInstall:
		return "", fmt.Errorf("%w: %s is not installed, and --no-install is given", errSkip, name)
	case err != nil:
		return "", fmt.Errorf("%w: %s is not installed, and there is no apt-get to install it", errSkip, name)
	case os.Geteuid() != 0:
		return "", fmt.Errorf("%w: %s is not installed; as root: apt-get install %s", errSkip, name, pkg)
	}
	b.shop.progress("installing %s", pkg)
	if err := aptInstall(ctx, pkg); err != nil {
		return "", fmt.Errorf("%w: %s could not be installed: %w", errSkip, name, err)
	}
	path, err := lookServer(name)
	if err != nil {
		return "", fmt.Errorf("%w: %s is not there after its installation", errSkip, name)
	}
	return path, nil
}

// lookServer also looks where Debian keeps servers, which is not on every user's PATH.
func lookServer(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// aptInstall installs a package without letting it start a service: a policy-rc.d that forbids it (Debian's own
// means, /usr/share/doc/init-system-helpers/README.policy-rc.d.gz) stands there meanwhile, unless there is one.
func aptInstall(ctx context.Context, name string) error {
	const policy = "/usr/sbin/policy-rc.d"
	file, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err == nil {
		defer os.Remove(policy)
		_, err = file.WriteString("#!/bin/sh\nexit 101\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	install := []string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends", name}
	if _, err = output(ctx, "", "env", install...); err == nil {
		return nil
	}
	if _, err := output(ctx, "", "apt-get", "update"); err != nil {
		return err
	}
	_, err = output(ctx, "", "env", install...)
	return err
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
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
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
	return s, errors.Join(filled.Execute(file, s), file.Close())
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
