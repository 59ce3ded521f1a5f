package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.pid")
	if _, err := runningPid(path); !errors.Is(err, errNotRunning) {
		t.Errorf("without a file: %v, want errNotRunning", err)
	}
	held, err := createPidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := runningPid(path); err != nil || pid != os.Getpid() {
		t.Errorf("runningPid = %d, %v, want %d", pid, err, os.Getpid())
	}
	if _, err := createPidFile(path); err == nil || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("a second holder got %v", err)
	}
	if err := held.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestPidFileLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.pid")
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := runningPid(path); !errors.Is(err, errNotRunning) {
		t.Errorf("a file that nobody holds: %v, want errNotRunning", err)
	}
	held, err := createPidFile(path) // a crash does not prevent the next start
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); len(text) < 2 || string(text) == "1\n" {
		t.Errorf("the old number is still there: %q", text)
	}
	// Somebody else's file at the same path is not removed.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := held.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("another's file was removed: %v", err)
	}
}

func TestReadPid(t *testing.T) {
	for text, want := range map[string]int{"12\n": 12, "12": 12, "": 0, "x": 0, "-1": 0, "0": 0, strings.Repeat("9", 100): 0} {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		got, err := readPid(file)
		if (err == nil) != (want != 0) || want != 0 && got != want {
			t.Errorf("readPid(%q) = %d, %v", text, got, err)
		}
	}
}

func TestDefaultPidFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	demo, err := defaultPidFile(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	relative, err1 := defaultPidFile(dir, "a.json")
	wd, err2 := os.Getwd()
	absolute, err3 := defaultPidFile(dir, filepath.Join(wd, "a.json"))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if relative != absolute {
		t.Errorf("two spellings of one file: %s and %s", relative, absolute)
	}
	if relative == demo {
		t.Errorf("two configurations, one pid file: %s", demo)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if path, err := defaultPidFile(dir, ""); err == nil {
		t.Errorf("%s is in a directory that everybody may write to", path)
	}
}
