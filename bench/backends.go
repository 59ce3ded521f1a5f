package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
)

func (b *bench) startBackend(ctx context.Context) error {
	var err error
	if b.loadBinary, err = b.shop.compile(ctx, "load"); err != nil {
		return err
	}
	binary, err := b.shop.compile(ctx, "backend")
	if err != nil {
		return err
	}
	if b.backendPort, err = freePort(); err != nil {
		return err
	}
	backend, err := b.launch.start("backend", b.options.loadCPU, b.shop.path("backend.log"),
		exec.Command(binary, strconv.Itoa(b.backendPort)))
	if err != nil {
		return err
	}
	return answers(ctx, backend, b.backendPort, http1, "/tiny")
}

// prepareHTTP2 finds h2load and starts the HTTP/2 backends, when a workload needs them: one for each size of answers. A
// machine without h2load leaves those workloads out.
func (b *bench) prepareHTTP2(ctx context.Context) error {
	needsH2load := func(w workload) bool { return w.link.down == http2 }
	if !slices.ContainsFunc(b.options.workloads, needsH2load) {
		return nil
	}
	var err error
	b.h2loadBinary, err = b.debian(ctx, "h2load", "nghttp2-client")
	if errors.Is(err, errSkip) {
		b.report.Skipped = append(b.report.Skipped, "the HTTP/2 workloads: "+err.Error())
		b.options.workloads = slices.DeleteFunc(slices.Clone(b.options.workloads), needsH2load)
		return nil
	}
	if err != nil {
		return err
	}
	b.http2Ports, b.rates = map[int]int{}, map[rateKey]float64{}
	for _, w := range b.options.workloads {
		if w.link.up != http2 || b.http2Ports[w.answer] != 0 {
			continue
		}
		if err := b.startHTTP2Backend(ctx, w.answer); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) startHTTP2Backend(ctx context.Context, answer int) error {
	binary, err := b.shop.compile(ctx, "http2backend")
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	backend, err := b.launch.start("http2backend", b.options.loadCPU, b.shop.path(fmt.Sprintf("http2backend-%d.log", answer)),
		exec.Command(binary, strconv.Itoa(port), strconv.Itoa(answer)))
	if err != nil {
		return err
	}
	b.http2Ports[answer] = port
	return answers(ctx, backend, port, http2, "/")
}
