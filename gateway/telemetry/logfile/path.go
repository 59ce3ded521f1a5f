package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// The names of the process's own streams.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Normalize gives each log one name, so that two spellings of a path share a writer: [Stdout], [Stderr] or an absolute
// path. An empty path is stderr, as in MOSN.
func Normalize(path string) (string, error) {
	switch path {
	case Stdout, "/dev/stdout":
		return Stdout, nil
	case "", Stderr, "/dev/stderr":
		return Stderr, nil
	}
	if path == "syslog" || strings.HasPrefix(path, "syslog:") || strings.HasPrefix(path, "syslog+") {
		return "", fmt.Errorf("log %q: syslog is not supported; name a file, stdout or stderr", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("log %q: %w", path, err)
	}
	return abs, nil
}

// open opens a normalized path for appending, and makes its folder when there is none.
func open(path string) (*os.File, error) {
	switch path {
	case Stdout:
		return os.Stdout, nil
	case Stderr:
		return os.Stderr, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("log %s: can't make its folder: %w", path, err)
	}
	// Without O_NONBLOCK opening a named pipe would wait for a reader.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log %s: can't open it: %w", path, err)
	}
	return f, nil
}

func closeFile(f *os.File) error {
	if f == os.Stdout || f == os.Stderr {
		return nil
	}
	return f.Close()
}
