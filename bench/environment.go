package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An environment is where numbers come from; without it they mean nothing later.
type environment struct {
	Date     string   `json:"date"`
	CPU      string   `json:"cpu"`
	Kernel   string   `json:"kernel"`
	Go       string   `json:"go"`
	Commit   string   `json:"commit"`
	Command  []string `json:"command"`
	ProxyCPU int      `json:"proxy_cpu"`
	LoadCPU  int      `json:"load_cpu"`
}

func describe(ctx context.Context, o options, args []string) environment {
	e := environment{
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), CPU: cpuModel(), Kernel: "unknown", Go: runtime.Version(),
		Commit: "unknown", Command: args, ProxyCPU: o.proxyCPU, LoadCPU: o.loadCPU,
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		e.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if commit, err := output(ctx, "", "git", "rev-parse", "--short", "HEAD"); err == nil {
		e.Commit = strings.TrimSpace(commit)
		if changes, err := output(ctx, "", "git", "status", "--porcelain", "--untracked-files=no"); err == nil && changes != "" {
			e.Commit += " with changes"
		}
	}
	return e
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

// save writes a report as JSON, as Markdown, and as a page with plots.
func (r *report) save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	base := filepath.Join(dir, time.Now().UTC().Format("2006-01-02T150405"))
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode the report: %w", err)
	}
	page, err := r.page()
	if err != nil {
		return "", err
	}
	return base, errors.Join(
		os.WriteFile(base+".html", page, 0o644),
		os.WriteFile(base+".json", append(text, '\n'), 0o644),
		os.WriteFile(base+".md", []byte(r.markdown()), 0o644))
}
