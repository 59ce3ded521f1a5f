package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"time"
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
	return answers(ctx, backend, asking{port: b.backendPort, speaks: http1, path: "/tiny"})
}

// prepareHTTP2 finds h2load and starts the HTTP/2 backends, when a workload needs them: one for each size of answers. A
// machine without h2load leaves those workloads out.
func (b *bench) prepareHTTP2(ctx context.Context) error {
	b.http2Ports, b.rates = map[http2Answer]int{}, map[rateKey]float64{}
	if !slices.ContainsFunc(b.options.workloads, workload.byH2load) {
		return nil
	}
	var err error
	b.h2loadBinary, err = b.debian(ctx, "h2load", "nghttp2-client")
	if errors.Is(err, errSkip) {
		b.report.Skipped = append(b.report.Skipped, "the HTTP/2 workloads: "+err.Error())
		b.options.workloads = slices.DeleteFunc(slices.Clone(b.options.workloads), workload.byH2load)
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range b.options.workloads {
		a := w.http2Answer()
		if !w.byH2load() || w.link.up == http1 || b.http2Ports[a] != 0 {
			continue
		}
		if err := b.startHTTP2Backend(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// An http2Answer is the one that an HTTP/2 backend gives.
type http2Answer struct {
	size int
	grpc bool
	echo bool // of a call in both directions: what the caller sends
}

// http2Answer is what the backend of a workload answers.
func (w workload) http2Answer() http2Answer {
	return http2Answer{size: w.answer, grpc: w.link.up == grpc, echo: w.streaming}
}

func (b *bench) startHTTP2Backend(ctx context.Context, a http2Answer) error {
	program, err := b.shop.compile(ctx, "http2backend")
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	args, speaks := []string{strconv.Itoa(port), strconv.Itoa(a.size)}, http2
	switch {
	case a.echo:
		args, speaks = append(args, "stream"), grpc
	case a.grpc:
		args, speaks = append(args, "grpc"), grpc
	}
	backend, err := b.launch.start("http2backend", b.options.loadCPU, b.shop.path(fmt.Sprintf("http2backend-%d.log", port)),
		exec.Command(program, args...))
	if err != nil {
		return err
	}
	b.http2Ports[a] = port
	return answers(ctx, backend, asking{port: port, speaks: speaks, path: "/"})
}

// answers waits until a server on a port answers as the backends do, at most 10 s.
func answers(ctx context.Context, p *process, a asking) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("did not answer for 10 s"))
	defer cancel()
	ask := a.once()
	for {
		last := ask(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at its start: %w: %s", p.name, errors.Join(p.err), p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w: %s", p.name, context.Cause(ctx), last, p.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// An asking is how to make one exchange with a server, in what it speaks.
type asking struct {
	port   int
	speaks wire
	path   string
	roots  *x509.CertPool // who signs its certificate; nil: it speaks no TLS
}

func (a asking) once() func(ctx context.Context) error {
	if a.speaks == bolt {
		return func(ctx context.Context) error { return callBoltOnce(ctx, a.port) }
	}
	transport := &http.Transport{DisableKeepAlives: true, Protocols: &http.Protocols{}}
	isHTTP2, scheme := a.speaks == http2 || a.speaks == grpc, "http"
	transport.Protocols.SetHTTP1(!isHTTP2)
	transport.Protocols.SetUnencryptedHTTP2(isHTTP2 && a.roots == nil)
	transport.Protocols.SetHTTP2(isHTTP2 && a.roots != nil)
	if a.roots != nil {
		scheme, transport.TLSClientConfig = "https", &tls.Config{RootCAs: a.roots}
	}
	client := http.Client{Transport: transport}
	ask := askOnce
	if a.speaks == grpc {
		ask = callOnce
	}
	url := fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, a.port, a.path)
	return func(ctx context.Context) error { return ask(ctx, client, url) }
}

// askOnce checks one answer's body, of whichever size the backend gives.
func askOnce(ctx context.Context, client http.Client, url string) error {
	const most = 16 << 20
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || len(body) == 0 || int64(len(body)) != answer.ContentLength {
		return fmt.Errorf("GET %s answered %s with %d bytes of %d", url, answer.Status, len(body), answer.ContentLength)
	}
	if !bytes.Equal(body, pattern(len(body))) {
		return fmt.Errorf("GET %s answered with wrong bytes", url)
	}
	return nil
}

// callOnce makes one call of gRPC, and checks its status.
func callOnce(ctx context.Context, client http.Client, url string) error {
	const most = 1 << 20
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(grpcMessage(64)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || answer.Trailer.Get("Grpc-Status") != "0" || len(body) < grpcPrefix ||
		int(binary.BigEndian.Uint32(body[1:])) != len(body)-grpcPrefix {
		return fmt.Errorf("gRPC to %s: %s, %d bytes, status %q", url, answer.Status, len(body), answer.Trailer.Get("Grpc-Status"))
	}
	return nil
}

// grpcPrefix is what stands before a message: whether it is compressed, and its length.
const grpcPrefix = 5

// grpcMessage is a message of n bytes with its prefix.
func grpcMessage(n int) []byte {
	message := make([]byte, n)
	binary.BigEndian.PutUint32(message[1:], uint32(n-grpcPrefix))
	for i := grpcPrefix; i < n; i++ {
		message[i] = byte('a' + i%26)
	}
	return message
}
