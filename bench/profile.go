package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// profiled is the workload that --profile is of: tiny, or when that is not run the first closed loop; "" when there is none.
func (o options) profiled() string {
	name := ""
	for _, w := range o.workloads {
		if w.name == tiny || w.kind == closedLoop && name == "" {
			name = w.name
		}
	}
	return name
}

// profile starts to collect sluice's CPU profile when it was asked for: once, in the first round of one workload. What
// it returns waits for the profile and saves it. That round's CPU includes the profiler's.
func (b *bench) profile(ctx context.Context, p *proxy, w workload, round int) (func() error, error) {
	if b.options.profile == "" || p.name != subject || w.name != b.options.profiled() || round != 0 {
		return func() error { return nil }, nil
	}
	seconds := max(1, int(b.options.warmup+b.options.seconds))
	url := fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/profile?seconds=%d", p.setup.Admin, seconds)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds+30)*time.Second)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	result := make(chan error, 1)
	go func() {
		defer cancel()
		result <- saveAnswer(request, b.options.profile)
	}()
	return func() error {
		if err := <-result; err != nil {
			return fmt.Errorf("profile from %s: %w", url, err)
		}
		b.shop.progress("profile in %s; look at it with: go tool pprof -top %s", b.options.profile, b.options.profile)
		return nil
	}, nil
}

func saveAnswer(request *http.Request, path string) error {
	const most = 64 << 20
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.200s", answer.Status, body)
	}
	return os.WriteFile(path, body, 0o644)
}
