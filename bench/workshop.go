package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// sources are the C programs and the peers' configurations: the harness runs from any directory.
//
//go:embed common/*.h forwarder/*.c backend/*.c http2backend/*.c http2backend/*.h boltbackend/*.c load/*.c load/*.h boltload/*.c handshake/*.c
//go:embed streamload/*.c
//go:embed peers/*.tmpl page.html.tmpl
var sources embed.FS

// A workshop is where a run keeps what it makes: a temporary directory with programs, configurations and logs.
type workshop struct {
	dir      string
	compiler string   // the C compiler
	flags    []string // more flags for it
	progress func(format string, args ...any)
}

// newWorkshop makes the directory; the caller removes it with close.
func newWorkshop(progress func(string, ...any)) (*workshop, error) {
	compiler, err := findCompiler()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, compiler: compiler, progress: progress}
	// nginx drops its privileges and must still reach its files.
	if err := errors.Join(os.Chmod(dir, 0o755), os.CopyFS(filepath.Join(dir, "src"), sources)); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *workshop) close() { _ = os.RemoveAll(w.dir) }

func (w *workshop) path(name string) string { return filepath.Join(w.dir, name) }

func findCompiler() (string, error) {
	for _, name := range []string{"cc", "gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no C compiler found (cc, gcc, clang): the load generator, the backend and the floor are C programs; " +
		"install one, on Debian: apt-get install gcc libc6-dev")
}

// compile builds one of the C programs and returns where it is. Building it twice is harmless.
func (w *workshop) compile(ctx context.Context, name string) (string, error) {
	return w.compileAs(ctx, name, name)
}

// compileAs gives the program a name of its own, and more flags.
func (w *workshop) compileAs(ctx context.Context, as, name string, flags ...string) (string, error) {
	out := w.path(as)
	args := append([]string{"-O2", "-Wall", "-Wextra", "-o", out}, w.flags...)
	args = append(append(args, filepath.Join(w.dir, "src", name, name+".c")), flags...) // libraries come behind who needs them
	if _, err := output(ctx, w.dir, w.compiler, args...); err != nil {
		return "", fmt.Errorf("compile bench/%s/%s.c: %w", name, name, err)
	}
	return out, nil
}

// template returns a file of peers/.
func (w *workshop) template(name string) (string, error) {
	text, err := fs.ReadFile(sources, "peers/"+name)
	return string(text), err
}

// freePort finds a port on 127.0.0.1 that nobody has. It lies below the range that the kernel hands to outgoing
// connections, so that none of the thousands of ours can take it before the server does.
func freePort() (int, error) {
	const first, last, tries = 15000, 32000, 200
	for range tries {
		port := first + rand.IntN(last-first)
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return 0, err
		}
		return port, nil
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 between %d and %d after %d tries", first, last, tries)
}

// moduleRoot is the directory of the module's go.mod, from which sluice is built.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above: run the benchmark inside the repository, or name a binary with --sluice")
		}
		dir = parent
	}
}
