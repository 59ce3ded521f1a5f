package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// Streams are what Stdout and Stderr stand for; nil means the process's.
type Streams struct{ Stdout, Stderr io.Writer }

// An output is where lines go: a file, which is closed, or a stream, which is not.
type output struct {
	io.Writer
	file *os.File // nil for a stream
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// open opens a normalized path for appending, and makes its folder when there is none.
func (s Streams) open(path string) (*output, error) {
	switch {
	case path == Stdout && s.Stdout != nil:
		return &output{Writer: s.Stdout}, nil
	case path == Stdout:
		return &output{Writer: os.Stdout}, nil
	case path == Stderr && s.Stderr != nil:
		return &output{Writer: s.Stderr}, nil
	case path == Stderr:
		return &output{Writer: os.Stderr}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("log %s: can't make its folder: %w", path, err)
	}
	// Without O_NONBLOCK opening a named pipe would wait for a reader.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
			err = wrapped.Err // the path is named already
		}
		return nil, fmt.Errorf("log %s: can't open it: %w", path, err)
	}
	return &output{Writer: f, file: f}, nil
}
