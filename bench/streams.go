package main

import (
	"context"
	"slices"
	"strconv"
)

// prepareStreams compiles the load generator of gRPC streams and starts their backend, when a workload needs them.
func (b *bench) prepareStreams(ctx context.Context) error {
	at := slices.IndexFunc(b.options.workloads, func(w workload) bool { return w.streaming })
	if at < 0 {
		return nil
	}
	var err error
	if b.streamLoadBinary, err = b.shop.compile(ctx, "streamload"); err != nil {
		return err
	}
	return b.startHTTP2Backend(ctx, b.options.workloads[at].http2Answer())
}

// streamArgs are the options of the load generator of gRPC streams.
func (w workload) streamArgs(port int) []string {
	return []string{
		"--gate", "--port", strconv.Itoa(port), "--connections", strconv.Itoa(w.connections), "--streams", strconv.Itoa(w.streams),
		"--path", w.path, "--body", strconv.Itoa(w.body),
	}
}
