package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A pidFile tells `sluice stop` which process serves a configuration. Its owner holds a lock on it, so that a file left
// behind by a crash, whose number may belong to another process by now, is told from a live one.
type pidFile struct {
	file *os.File
}

// createPidFile writes this process's number to path and locks it.
func createPidFile(path string) (*pidFile, error) {
	// A holder removes its file when it ends: what was opened may be gone from the directory once it is locked.
	for range 10 {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, fmt.Errorf("pid file: %w", err)
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			pid, _ := readPid(file)
			file.Close()
			return nil, fmt.Errorf("pid file %s: process %d has it; stop that one first, or set another `pid`", path, pid)
		}
		if !stillAt(file, path) {
			file.Close()
			continue
		}
		if err := writePid(file); err != nil {
			file.Close()
			return nil, fmt.Errorf("pid file %s: %w", path, err)
		}
		return &pidFile{file}, nil
	}
	return nil, fmt.Errorf("pid file %s: it is replaced all the time; set another `pid`", path)
}

func stillAt(file *os.File, path string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

func writePid(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// remove deletes the file, unless it is another's by now, and gives the lock up.
func (p *pidFile) remove() error {
	defer p.file.Close()
	if !stillAt(p.file, p.file.Name()) {
		return nil
	}
	return os.Remove(p.file.Name())
}

// errNotRunning says that nothing holds a pid file.
var errNotRunning = errors.New("not running")

// runningPid returns the process that holds the pid file at path, or errNotRunning.
func runningPid(path string) (int, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%w: there is no pid file %s", errNotRunning, path)
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return 0, fmt.Errorf("%w: the pid file %s was left behind by a process that has ended", errNotRunning, path)
	}
	pid, err := readPid(file)
	if err != nil {
		return 0, fmt.Errorf("pid file %s: %w", path, err)
	}
	return pid, nil
}

// readPid reads a process number; anything but a positive one is an error.
func readPid(file *os.File) (int, error) {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 32))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("it holds %q, not a process number", text)
	}
	return pid, nil
}

// runtimeDir is where pid files go that no configuration names.
func runtimeDir() string {
	if os.Getuid() == 0 {
		return "/run/sluice"
	}
	return filepath.Join(os.TempDir(), "sluice-"+strconv.Itoa(os.Getuid()))
}

// defaultPidFile is where the number goes when the configuration names no `pid`: a name in dir that follows from the
// configuration's path ("" for the built-in demo). It makes dir, which nobody but this user may write to.
func defaultPidFile(dir, configPath string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 || !ok || int(owner.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not a directory of this user alone", dir)
	}
	if configPath == "" {
		return filepath.Join(dir, "demo.pid"), nil
	}
	full, err := filepath.Abs(configPath)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(full))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".pid"), nil
}
