package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// h2load, of the nghttp2 project, is the load generator of the HTTP/2 workloads. It has no gate, but it can be told how many
// requests to make: the books are read before it starts and after it has ended, so they too are of exactly the requests that
// were counted (and of opening the connections, once per run). A first run warms up and tells the rate, from which the
// number for the measured one follows. Its latencies are of a closed loop and only a mean and a maximum.

// h2loadResult is what h2load says at its end.
type h2loadResult struct {
	seconds   float64
	succeeded uint64
	failures  map[string]uint64
	data      uint64 // bytes of bodies
	traffic   uint64 // bytes in all, received
	mean, max time.Duration
}

// runH2load makes n requests.
func (b *bench) runH2load(ctx context.Context, p *proxy, w workload, n int) (h2loadResult, error) {
	var out bytes.Buffer
	args := []string{"--requests", strconv.Itoa(n), "--clients", strconv.Itoa(w.connections),
		"--max-concurrent-streams", strconv.Itoa(w.streams), "--connection-inactivity-timeout", "10s"}
	if w.link.up == grpc {
		message := b.shop.path("message")
		if err := os.WriteFile(message, grpcMessage(w.body), 0o644); err != nil {
			return h2loadResult{}, err
		}
		args = append(args, "--data", message, "--header", "content-type: application/grpc", "--header", "te: trailers")
	}
	scheme := "http"
	if w.tls != "" {
		scheme = "https"
		args = append(args, "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--npn-list", "h2") // as the other generators: one suite for all
	}
	url := fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, p.setup.Listen, w.path)
	if w.paths > 0 {
		list := b.shop.path(fmt.Sprintf("urls-%d", p.setup.Listen))
		if err := os.WriteFile(list, urls(url, w.paths), 0o644); err != nil {
			return h2loadResult{}, err
		}
		args = append(append(args, "--input-file", list), browserFields()...)
	} else {
		args = append(args, url)
	}
	cmd := exec.Command(b.h2loadBinary, args...)
	cmd.Stdout = &out
	run, err := b.launch.start("h2load", b.options.loadCPU, b.shop.path("h2load.log"), cmd)
	if err != nil {
		return h2loadResult{}, err
	}
	select {
	case <-run.exited:
	case <-ctx.Done():
	}
	b.launch.stop(run) // it has ended, or must
	if ctx.Err() != nil {
		return h2loadResult{}, context.Cause(ctx)
	}
	if run.err != nil {
		return h2loadResult{}, fmt.Errorf("h2load: %w: %s", run.err, run.lastWords())
	}
	r, err := parseH2load(out.String())
	if err != nil {
		return r, err
	}
	// What it calls succeeded had an answer; that the answers are whole shows in their bytes.
	if want := r.succeeded * uint64(w.answer); r.data != want {
		r.failures["length"]++
	}
	if missing := uint64(n) - r.succeeded; missing > 0 && r.failed() == nil {
		r.failures["unfinished"] = missing
	}
	return r, nil
}

// urls are n addresses, a line each.
func urls(base string, n int) []byte {
	var list []byte
	for i := range n {
		list = fmt.Appendf(list, "%s%06d\n", base, i)
	}
	return list
}

// browserFields are h2load's options for what a browser sends with every request.
func browserFields() []string {
	var args []string
	for _, field := range []string{
		"user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "accept-language: en-US,en;q=0.5",
		"accept-encoding: gzip, deflate, br, zstd", "referer: http://127.0.0.1/", "cookie: session=d2f1c9b0a7e84f6c9b1e3a5d7f90214c; theme=dark; lang=en",
	} {
		args = append(args, "--header", field)
	}
	return args
}

func (r h2loadResult) failed() error { return loadResult{Failures: r.failures}.failed() }

// load is the result in the terms of the other load generator.
func (r h2loadResult) load() loadResult {
	return loadResult{
		Requests: r.succeeded, AllRequests: r.succeeded, Seconds: r.seconds, Bytes: r.traffic, Failures: r.failures,
		Latency: quantiles{Count: r.succeeded, Mean: float64(r.mean), Max: uint64(r.max)},
	}
}

// warmUp runs a proxy for the time of the warm-up, and returns how many requests take the time of a measurement.
func (b *bench) warmUp(ctx context.Context, p *proxy, w workload) (int, error) {
	least := 2 * w.inFlight()
	rate := b.rates[rateKey{p.name, w.name}]
	if rate == 0 {
		r, err := b.runH2load(ctx, p, w, least)
		if err := errors.Join(err, r.failed()); err != nil {
			return 0, err
		}
		rate = float64(r.succeeded) / r.seconds
	}
	r, err := b.runH2load(ctx, p, w, max(least, int(rate*b.options.warmup)))
	if err := errors.Join(err, r.failed()); err != nil {
		return 0, err
	}
	rate = float64(r.succeeded) / r.seconds
	b.rates[rateKey{p.name, w.name}] = rate
	return max(least, int(rate*b.options.seconds)), nil
}

// rateKey names what one peer can do under one workload.
type rateKey struct{ peer, workload string }

// parseH2load reads what h2load 1.52 and its neighbours print:
//
//	finished in 1.00s, 848928.00 req/s, 122.25MB/s
//	requests: 848928 total, 849952 started, 848928 done, 848928 succeeded, 0 failed, 0 errored, 0 timeout
//	status codes: 848928 2xx, 0 3xx, 0 4xx, 0 5xx
//	traffic: 122.25MB (128191200) total, 4.05MB (4246336) headers (space savings 94.73%), 103.63MB (108662784) data
//	                     min         max         mean         sd        +/- sd
//	time for request:      136us     10.08ms       618us       334us    98.79%
func parseH2load(text string) (h2loadResult, error) {
	r := h2loadResult{failures: map[string]uint64{}}
	counts := map[string]uint64{}
	seen := 0
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "finished in "):
			words := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == ',' })
			took, err := time.ParseDuration(words[2])
			if err != nil {
				return r, fmt.Errorf("h2load: %q: %w", line, err)
			}
			r.seconds = took.Seconds()
			seen++
		case name == "requests" || name == "status codes":
			for _, m := range countPattern().FindAllStringSubmatch(rest, -1) {
				counts[m[2]], _ = strconv.ParseUint(m[1], 10, 64)
			}
			seen++
		case name == "traffic":
			all := bytesPattern().FindAllStringSubmatch(rest, -1)
			if len(all) != 3 {
				return r, fmt.Errorf("h2load: %q does not say three numbers of bytes", line)
			}
			r.traffic, _ = strconv.ParseUint(all[0][1], 10, 64)
			r.data, _ = strconv.ParseUint(all[2][1], 10, 64)
			seen++
		case name == "time for request":
			columns := strings.Fields(rest)
			if len(columns) < 3 {
				return r, fmt.Errorf("h2load: %q does not say a maximum and a mean", line)
			}
			var errMax, errMean error
			r.max, errMax = time.ParseDuration(columns[1])
			r.mean, errMean = time.ParseDuration(columns[2])
			if err := errors.Join(errMax, errMean); err != nil {
				return r, fmt.Errorf("h2load: %w", err)
			}
			seen++
		}
	}
	if seen != 5 || r.seconds <= 0 {
		return r, fmt.Errorf("h2load printed something else than a result: %.500q", text)
	}
	r.succeeded = counts["2xx"]
	for _, bad := range [...]string{"failed", "errored", "timeout", "3xx", "4xx", "5xx"} {
		r.failures[bad] = counts[bad]
	}
	return r, nil
}

func countPattern() *regexp.Regexp { return regexp.MustCompile(`(\d+) ([a-z0-9]+)`) }
func bytesPattern() *regexp.Regexp { return regexp.MustCompile(`\((\d+)\) [a-z]+`) }
